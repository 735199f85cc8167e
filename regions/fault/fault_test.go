package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"fairlead/regions/fault"
)

func TestAnErrorReadsAsOneSentence(t *testing.T) {
	tests := []struct {
		err  *fault.Error
		want string
	}{
		{fault.Conflictf("region eu-west", "already drained by commander-2 since %s", "09:14Z").Do("lift that override first"),
			"region eu-west: already drained by commander-2 since 09:14Z (lift that override first)"},
		{fault.Invalidf("", "nothing to do"), "nothing to do"},
		{fault.Unavailablef("store", "no leader").Because(fs.ErrClosed), "store: no leader: file already closed"},
		{fault.NotFoundf("region x", "does not exist").Because(fs.ErrNotExist).Do("use one of: %s", "a, b"),
			"region x: does not exist: file does not exist (use one of: a, b)"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

func TestAKindSurvivesWrappingAndTheWire(t *testing.T) {
	kinds := []fault.Kind{fault.Internal, fault.Invalid, fault.NotFound, fault.Conflict, fault.Denied, fault.Unavailable}
	for _, k := range kinds {
		if got := fault.ParseKind(k.String()); got != k {
			t.Errorf("ParseKind(%q) = %v, want %v", k.String(), got, k)
		}
		err := fmt.Errorf("while testing: %w", fault.New(k, "it", "is wrong"))
		if got := fault.Of(err); got != k {
			t.Errorf("Of(%v) = %v, want %v", err, got, k)
		}
		if !fault.Is(err, k) {
			t.Errorf("Is(%v, %v) = false", err, k)
		}
	}
	if got := fault.Kind(200).String(); got != "internal" {
		t.Errorf("a kind from the future reads %q, want internal", got)
	}
	if got := fault.ParseKind("teapot"); got != fault.Internal {
		t.Errorf("ParseKind(teapot) = %v, want internal", got)
	}
}

func TestTheOutermostFaultSpeaks(t *testing.T) {
	inner := fault.NotFoundf("zone", "absent")
	outer := fault.Unavailablef("reload", "failed").Because(inner)
	if got := fault.Of(outer); got != fault.Unavailable {
		t.Errorf("Of = %v, want unavailable", got)
	}
	if !errors.Is(outer, error(inner)) {
		t.Error("the cause is lost")
	}
	if fault.Is(nil, fault.Internal) {
		t.Error("no error is not a fault")
	}
	if got := fault.Of(fs.ErrClosed); got != fault.Internal {
		t.Errorf("Of(foreign error) = %v, want internal", got)
	}
}
