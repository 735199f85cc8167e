package regions_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func drain(t *testing.T, scope regions.Scope) regions.Override {
	t.Helper()
	o, err := regions.NewDrain("o1", scope, "ada", "maintenance", noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAnOverrideNeedsAuthorReasonAndEnd(t *testing.T) {
	east := regions.Scope{Region: "us-east"}
	tests := []struct {
		name  string
		make  func() (regions.Override, error)
		wants string
	}{
		{"no author", func() (regions.Override, error) {
			return regions.NewDrain("o", east, "", "why", noon, noon.Add(time.Hour))
		}, "author"},
		{"no reason", func() (regions.Override, error) {
			return regions.NewDrain("o", east, "ada", "", noon, noon.Add(time.Hour))
		}, "reason"},
		{"no region", func() (regions.Override, error) {
			return regions.NewDrain("o", regions.Scope{}, "ada", "why", noon, noon.Add(time.Hour))
		}, "region"},
		{"an end in the past", func() (regions.Override, error) {
			return regions.NewDrain("o", east, "ada", "why", noon, noon)
		}, "over before it began"},
		{"an end too far away", func() (regions.Override, error) {
			return regions.NewDrain("o", east, "ada", "why", noon, noon.Add(regions.MaxOverride+time.Second))
		}, "at most"},
		{"a state that cannot be forced", func() (regions.Override, error) {
			return regions.NewForce("o", east, regions.Degraded, "ada", "why", noon, noon.Add(time.Hour))
		}, "can force up or down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := tt.make()
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("error = %v, want an invalid one about %q", err, tt.wants)
			}
			if o != (regions.Override{}) {
				t.Errorf("an override exists all the same: %+v", o)
			}
		})
	}
}

func TestADrainThatLapsesIsHeldUntilAPersonEndsIt(t *testing.T) {
	o := drain(t, regions.Scope{Region: "us-east"})
	state, because := o.Effective(regions.Up)
	if state != regions.Down || !strings.Contains(because, "drained by ada") {
		t.Errorf("active: %v %q", state, because)
	}
	held := o.Lapsed()
	state, because = held.Effective(regions.Up)
	if held.Phase() != regions.Held || state != regions.Down || !strings.Contains(because, "restore us-east") {
		t.Errorf("lapsed: %v %v %q, want held, down, and how to restore it", held.Phase(), state, because)
	}
	if !held.Rules("us-east", "www") {
		t.Error("a held drain must still rule")
	}
	if again := held.Lapsed(); again != held {
		t.Errorf("lapsing twice changed it: %+v", again)
	}
	ended := held.EndedNow("grace")
	state, because = ended.Effective(regions.Up)
	if ended.Phase() != regions.Ended || state != regions.Up || because != "measured" || ended.Rules("us-east", "www") {
		t.Errorf("ended: %v %v %q", ended.Phase(), state, because)
	}
	if again := ended.EndedNow("eve"); again.EndedBy() != "grace" {
		t.Errorf("ended by %q, want the first who did: grace", again.EndedBy())
	}
	if o.Phase() != regions.Active {
		t.Error("the original was changed")
	}
}

func TestAForceThatLapsesEnds(t *testing.T) {
	o, err := regions.NewForce("o", regions.Scope{Region: "us-east"}, regions.Up, "ada", "why", noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := o.Effective(regions.Down); s != regions.Up {
		t.Errorf("forced up reads %v", s)
	}
	if got := o.Lapsed().Phase(); got != regions.Ended {
		t.Errorf("phase %v, want ended", got)
	}
	if s, _ := o.Lapsed().Effective(regions.Down); s != regions.Down {
		t.Errorf("after its end %v is steered by, want what is measured", s)
	}
}

func TestAnOverrideRulesItsScopeOnly(t *testing.T) {
	all, www := drain(t, regions.Scope{Region: "us-east"}), drain(t, regions.Scope{Region: "us-east", Service: "www"})
	tests := []struct {
		o       regions.Override
		region  regions.ID
		service regions.ServiceID
		want    bool
	}{
		{all, "us-east", "www", true}, {all, "us-east", "api", true}, {all, "eu", "www", false},
		{www, "us-east", "www", true}, {www, "us-east", "api", false}, {www, "eu", "www", false},
		{regions.Override{}, "", "", false},
	}
	for _, tt := range tests {
		if got := tt.o.Rules(tt.region, tt.service); got != tt.want {
			t.Errorf("override of %v rules %s in %s: %v, want %v", tt.o.Scope(), tt.service, tt.region, got, tt.want)
		}
	}
}

func TestOverridesSurviveTheStore(t *testing.T) {
	o := drain(t, regions.Scope{Region: "us-east", Service: "www"})
	for _, o := range []regions.Override{o, o.Lapsed(), o.EndedNow("grace")} {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		var back regions.Override
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if back != o {
			t.Errorf("%s\nread back %+v\nwant      %+v", b, back, o)
		}
	}
}

func TestAStoredOverrideThatNobodyCouldHaveMadeIsRefused(t *testing.T) {
	good, _ := json.Marshal(drain(t, regions.Scope{Region: "us-east"}))
	for _, change := range [][2]string{
		{`"by":"ada"`, `"by":""`}, {`"why":"maintenance"`, `"why":""`}, {`"region":"us-east"`, `"region":""`},
		{`"state":"down"`, `"state":"unknown"`}, {`"state":"down"`, `"state":"up"`}, {`"phase":"active"`, `"phase":"eternal"`},
		{`"until":"2026-11-23T13:00:00Z"`, `"until":"0001-01-01T00:00:00Z"`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%s has no %s", good, change[0])
		}
		var o regions.Override
		if err := json.Unmarshal([]byte(bad), &o); err == nil {
			t.Errorf("%s was read as %+v", bad, o)
		}
		if o != (regions.Override{}) {
			t.Errorf("%s left something behind: %+v", bad, o)
		}
	}
}

func TestDecidedStateSurvivesTheDisk(t *testing.T) {
	d := regions.Decided{
		Incarnation: 1, Generation: 42, Fleet: fleet(), FleetHash: "abc",
		Overrides: []regions.Override{drain(t, regions.Scope{Region: "us-east"})},
		Writers: map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders",
			Epoch: regions.Epoch{Incarnation: 1, Number: 7, Writer: "us-east"}, Signature: []byte{1, 2}, Chain: [][]byte{{3}, {4}}}},
		Restored: map[regions.ID]uint64{"us-east": 40},
		Freeze:   &regions.Freeze{By: "ada", Why: "calm", From: noon, Until: noon.Add(time.Hour)},
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back regions.Decided
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, d) {
		t.Errorf("read back %+v\nwant      %+v", back, d)
	}
}

func TestLaterDecisionsAreNewer(t *testing.T) {
	at := func(i, g uint64) *regions.Decided { return &regions.Decided{Incarnation: i, Generation: g} }
	tests := []struct {
		a, b *regions.Decided
		want bool
	}{
		{at(1, 2), at(1, 1), true}, {at(1, 1), at(1, 1), false}, {at(1, 1), at(1, 2), false},
		{at(2, 1), at(1, 99), true}, {at(1, 99), at(2, 1), false}, {nil, at(1, 1), false}, {at(1, 1), nil, true}, {nil, nil, false},
	}
	for _, tt := range tests {
		if got := tt.a.Newer(tt.b); got != tt.want {
			t.Errorf("%v newer than %v: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
