package daemon

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/judge"
)

// What was asked and refused is in the trail, with who asked and why.
func TestARefusedActIsInTheTrail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.yaml")
	put(t, path, "regions: {a: {}, b: {}}")
	n := bare(t, memory.New(), path)
	if _, _, err := n.store.ApplyFleet(t.Context(), store.Lease{}, "ada", "test", n.source.now().Config.Fleet, "content"); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.judge, err = judge.New(judge.Config{Node: "node-1", Log: n.log}); err != nil {
		t.Fatal(err)
	}
	d, err := n.store.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.take(d)
	drain := func(region regions.ID) error {
		ctx := auth.With(t.Context(), auth.Principal{Name: "ada", Roles: auth.Roles()})
		_, err = acts{n}.Steer(ctx, api.Act{Verb: api.Drain, Scope: regions.Scope{Region: region}, For: time.Hour, Reason: "the lights flicker"})
		return err
	}
	if err := drain("a"); err != nil {
		t.Fatal(err)
	}
	if got := n.decided().Overrides; len(got) != 1 {
		t.Errorf("right after the decision this node knows the overrides %v, want it", got)
	}
	if err := drain("b"); !fault.Is(err, fault.Conflict) {
		t.Fatalf("draining the second region = %v, want a Conflict", err)
	}
	entries, _, err := n.store.Audit(t.Context(), -1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if e := entries[0]; e.Act != "drain.refused" || e.Principal != "ada" || e.Why != "the lights flicker" || e.Subject != "region b" || !strings.Contains(e.Sentence, "another region is out") {
		t.Errorf("the trail ends with %+v", e)
	}
}
