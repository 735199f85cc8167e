package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func drain(t *testing.T, id string, scope regions.Scope, by string, lasts time.Duration) regions.Override {
	t.Helper()
	o, err := regions.NewDrain(id, scope, by, "a test", time.Now(), time.Now().Add(lasts))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func force(t *testing.T, id string, scope regions.Scope, state regions.State) regions.Override {
	t.Helper()
	o, err := regions.NewForce(id, scope, state, "alice", "a test", time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func overrideConflicts(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	eu := regions.Scope{Region: "eu-central"}
	put := func(o regions.Override) (uint64, error) {
		return s.PutOverride(t.Context(), store.Lease{}, o, store.Safety{})
	}
	before := decided(t, s).Generation
	o := drain(t, "one", eu, "commander-2", time.Hour)
	first, err := put(o)
	if err != nil || first <= before {
		t.Fatalf("first drain: generation %d after %d, %v", first, before, err)
	}
	if again, err := put(o); err != nil || again != first {
		t.Errorf("the same drain again = %d, %v; want %d", again, err, first)
	}
	_, err = put(drain(t, "two", eu, "bob", time.Hour))
	wants(t, "a second drain", err, fault.Conflict, "eu-central", "already drained by commander-2 since", "lift that override first")
	_, err = put(force(t, "three", regions.Scope{Region: "eu-central", Service: "www"}, regions.Up))
	wants(t, "forcing up a service of a drained region", err, fault.Conflict, "already drained")
	_, err = put(drain(t, "four", regions.Scope{Region: "mars"}, "bob", time.Hour))
	wants(t, "draining a region that is not there", err, fault.NotFound)
	_, err = put(drain(t, "five", regions.Scope{Region: "us-east", Service: "ftp"}, "bob", time.Hour))
	wants(t, "draining a service that is not there", err, fault.NotFound)

	_, err = s.EndOverride(t.Context(), store.Lease{}, "one", "bob", "")
	wants(t, "ending without a reason", err, fault.Invalid)
	ended, err := s.EndOverride(t.Context(), store.Lease{}, "one", "bob", "over")
	if err != nil || ended <= first {
		t.Errorf("end = %d, %v", ended, err)
	}
	_, err = s.EndOverride(t.Context(), store.Lease{}, "one", "bob", "over")
	wants(t, "ending twice", err, fault.NotFound)
	if d := decided(t, s); len(d.Overrides) != 0 || d.Generation != ended {
		t.Errorf("after the end: generation %d, %v", d.Generation, d.Overrides)
	}
	mustVerify(t, s)
}

func foretells(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	us, eu, www := regions.Scope{Region: "us-east"}, regions.Scope{Region: "eu-central"}, regions.Scope{Region: "us-east", Service: "www"}
	put := func(o regions.Override, safety store.Safety) [2]func(*regions.Decided) (*regions.Decided, error) {
		return [2]func(*regions.Decided) (*regions.Decided, error){
			func(d *regions.Decided) (*regions.Decided, error) { return store.ForeseeOverride(d, o, safety) },
			func(*regions.Decided) (*regions.Decided, error) {
				_, err := s.PutOverride(t.Context(), store.Lease{}, o, safety)
				return nil, err
			}}
	}
	restore := func(scope regions.Scope) [2]func(*regions.Decided) (*regions.Decided, error) {
		return [2]func(*regions.Decided) (*regions.Decided, error){
			func(d *regions.Decided) (*regions.Decided, error) { return store.ForeseeRestore(d, scope) },
			func(*regions.Decided) (*regions.Decided, error) {
				_, err := s.Restore(t.Context(), store.Lease{}, scope, "bob", "back")
				return nil, err
			}}
	}
	end := func(id string) [2]func(*regions.Decided) (*regions.Decided, error) {
		return [2]func(*regions.Decided) (*regions.Decided, error){
			func(d *regions.Decided) (*regions.Decided, error) { return store.ForeseeEnd(d, id) },
			func(*regions.Decided) (*regions.Decided, error) {
				_, err := s.EndOverride(t.Context(), store.Lease{}, id, "bob", "over")
				return nil, err
			}}
	}
	for i, act := range [][2]func(*regions.Decided) (*regions.Decided, error){
		put(drain(t, "one", us, "alice", time.Hour), store.Safety{}),
		put(drain(t, "one", us, "alice", time.Hour), store.Safety{}),
		put(drain(t, "two", us, "bob", time.Hour), store.Safety{}),
		put(drain(t, "three", eu, "bob", time.Hour), store.Safety{}),
		put(drain(t, "three", eu, "bob", time.Hour), store.Safety{Force: true}),
		put(drain(t, "four", regions.Scope{Region: "mars"}, "bob", time.Hour), store.Safety{}),
		restore(www), end("nobody's"), end("three"), restore(us), restore(us), restore(regions.Scope{Region: "mars"}),
		put(drain(t, "five", www, "bob", time.Hour), store.Safety{Out: []regions.ID{"eu-central"}}),
		put(drain(t, "five", www, "bob", time.Hour), store.Safety{}), restore(www),
	} {
		foretold, refused := act[0](decided(t, s))
		if _, err := act[1](nil); (err == nil) != (refused == nil) || err != nil && !strings.HasSuffix(err.Error(), refused.Error()) {
			t.Fatalf("act %d: foretold %v, decided %v", i, refused, err)
		}
		if refused != nil {
			continue
		}
		d := decided(t, s)
		same := slices.EqualFunc(d.Overrides, foretold.Overrides, func(a, b regions.Override) bool { return a.ID() == b.ID() && a.Phase() == b.Phase() })
		if !same || len(d.Restored) != len(foretold.Restored) {
			t.Errorf("act %d: foretold %v and restored %v, decided %v and %v", i, foretold.Overrides, foretold.Restored, d.Overrides, d.Restored)
		}
	}
}

func secondRegion(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	us, eu := regions.Scope{Region: "us-east"}, regions.Scope{Region: "eu-central"}
	if _, err := s.PutOverride(t.Context(), store.Lease{}, drain(t, "one", us, "alice", time.Hour), store.Safety{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutOverride(t.Context(), store.Lease{}, drain(t, "two", eu, "engine@control-1", time.Hour), store.Safety{Force: true})
	wants(t, "a machine drains a second region", err, fault.Denied, "us-east", "automatic")
	_, err = s.PutOverride(t.Context(), store.Lease{}, drain(t, "two", eu, "bob", time.Hour), store.Safety{})
	wants(t, "a person drains a second region", err, fault.Conflict, "us-east (drained by alice)", "force")
	if _, err = s.PutOverride(t.Context(), store.Lease{}, drain(t, "two", eu, "bob", time.Hour), store.Safety{Force: true}); err != nil {
		t.Errorf("a person forces it: %v", err)
	}
	if _, err := s.Restore(t.Context(), store.Lease{}, us, "alice", "back"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), store.Lease{}, eu, "alice", "back"); err != nil {
		t.Fatal(err)
	}
	_, err = s.PutOverride(t.Context(), store.Lease{}, drain(t, "three", eu, "bob", time.Hour), store.Safety{Out: []regions.ID{"us-east", "eu-central"}})
	wants(t, "draining while another region is down", err, fault.Conflict, "us-east (not serving)")
	_, err = s.PutOverride(t.Context(), store.Lease{}, drain(t, "three", us, "engine@control-1", time.Hour), store.Safety{Out: []regions.ID{"us-east"}})
	if err != nil {
		t.Errorf("a machine drains the region that is down: %v", err)
	}
}

func heldUntilRestored(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	us, eu := regions.Scope{Region: "us-east"}, regions.Scope{Region: "eu-central", Service: "www"}
	for _, o := range []regions.Override{drain(t, "drain", us, "alice", time.Minute), force(t, "force", eu, regions.Up)} {
		if _, err := s.PutOverride(t.Context(), store.Lease{}, o, store.Safety{}); err != nil {
			t.Fatal(err)
		}
	}
	before := decided(t, s).Generation
	if lapsed, err := s.HoldExpired(t.Context(), store.Lease{}, time.Now()); err != nil || len(lapsed) != 0 {
		t.Errorf("nothing has run out, and lapsed = %v, %v", lapsed, err)
	}
	if got := decided(t, s).Generation; got != before {
		t.Errorf("nothing changed, and the generation went from %d to %d", before, got)
	}
	lapsed, err := s.HoldExpired(t.Context(), store.Lease{}, time.Now().Add(2*time.Hour))
	if err != nil || len(lapsed) != 2 {
		t.Fatalf("lapsed = %v, %v; want both", lapsed, err)
	}
	d := decided(t, s)
	if len(d.Overrides) != 1 || d.Overrides[0].Phase() != regions.Held || d.Overrides[0].ID() != "drain" {
		t.Fatalf("after their ends: %v, want the drain held", d.Overrides)
	}
	if _, held := d.Restored["us-east"]; held {
		t.Error("a held region counts as restored")
	}
	// Draining a held region again is a new drain, not a conflict.
	if _, err := s.PutOverride(t.Context(), store.Lease{}, drain(t, "again", us, "bob", time.Minute), store.Safety{}); err != nil {
		t.Errorf("draining a held region: %v", err)
	}
	if d := decided(t, s); len(d.Overrides) != 1 || d.Overrides[0].ID() != "again" {
		t.Errorf("after draining a held region: %v", d.Overrides)
	}
	known := decided(t, s).Generation
	generation, err := s.Restore(t.Context(), store.Lease{}, us, "bob", "healthy again")
	if err != nil {
		t.Fatal(err)
	}
	d = decided(t, s)
	if len(d.Overrides) != 0 || d.Restored["us-east"] != generation || generation <= known || d.Generation != generation {
		t.Errorf("after restore at %d (known before: %d): %v, restored %v, generation %d", generation, known, d.Overrides, d.Restored, d.Generation)
	}
	mustVerify(t, s)
}

func freezes(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	now := time.Now()
	_, err := s.SetFreeze(t.Context(), store.Lease{}, &regions.Freeze{From: now, Until: now}, "alice", "why")
	wants(t, "a freeze without an end", err, fault.Invalid)
	if _, err := s.SetFreeze(t.Context(), store.Lease{}, &regions.Freeze{From: now, Until: now.Add(time.Hour)}, "alice", "black friday"); err != nil {
		t.Fatal(err)
	}
	if f := decided(t, s).Freeze; f == nil || f.By != "alice" || f.Why != "black friday" {
		t.Errorf("freeze = %+v", f)
	}
	if _, err := s.HoldExpired(t.Context(), store.Lease{}, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if f := decided(t, s).Freeze; f != nil {
		t.Errorf("after its end: %+v", f)
	}
	_, err = s.SetFreeze(t.Context(), store.Lease{}, nil, "alice", "why")
	wants(t, "lifting no freeze", err, fault.NotFound)
}
