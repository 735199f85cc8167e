package storetest

import (
	"slices"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// pinned is a fleet whose service orders follows the writer of its database.
func pinned() *regions.Fleet {
	f := fleet()
	f.Services = append(f.Services, regions.Service{ID: "orders", Name: "orders.shop.example.", Writes: &regions.Writes{Database: "orders"},
		Endpoints: []regions.Endpoint{{ID: "orders@us-east", Region: "us-east"}, {ID: "orders@eu-central", Region: "eu-central"}}})
	return f
}

func retainsWhatIsInUse(t *testing.T, kv store.KV) {
	s := node(kv, "control-1")
	apply := func(content string, f *regions.Fleet) error {
		_, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "a change", f, content)
		return err
	}
	if err := apply("first", pinned()); err != nil {
		t.Fatal(err)
	}
	first := decided(t, s).Writers["orders"].Epoch
	if _, _, err := s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", first, first.Next("eu-central"), "", "alice", "moved"); err != nil {
		t.Fatal(err)
	}

	memberless := pinned()
	memberless.Databases[0].Members = memberless.Databases[0].Members[:1]
	wants(t, "a fleet without the writer's server", apply("memberless", memberless), fault.Conflict, "database orders", "eu-central", "1.2")
	nameless := pinned()
	nameless.Services[2].Endpoints = nameless.Services[2].Endpoints[:1]
	wants(t, "a fleet in which the writer's name has no endpoint there", apply("nameless", nameless), fault.Conflict, "service orders", "eu-central")

	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders")); err != nil {
		t.Fatal(err)
	}
	without := pinned()
	without.Databases, without.Services = nil, without.Services[:2]
	wants(t, "a fleet without the database of a run", apply("without", without), fault.Conflict, "run-1", "alice", "orders")
	elsewhere := pinned()
	elsewhere.Databases[0].Members[0].DSN = "host=elsewhere"
	wants(t, "a fleet with another server under the hands of a run", apply("elsewhere", elsewhere), fault.Conflict, "run-1")
	other := pinned()
	other.Services = slices.Delete(other.Services, 1, 2) // mail has nothing to do with it
	if err := apply("other", other); err != nil {
		t.Errorf("a change of something else: %v", err)
	}
	if _, err := s.Append(t.Context(), store.Lease{}, "run-1", 1, aborted()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), store.Lease{}, "run-1", 2, ending(t, s, "run-1")); err != nil {
		t.Fatal(err)
	}
	if err := apply("without", without); err != nil {
		t.Errorf("once the run has ended: %v", err)
	}
	if e := decided(t, s).Writers["orders"].Epoch; e.Writer != "eu-central" {
		t.Errorf("a database that left the fleet forgot its epoch: %v", e)
	}
	mustVerify(t, s)
}

func beginsFromMemory(t *testing.T, kv store.KV) {
	held := drain(t, "held", regions.Scope{Region: "us-east"}, "alice", time.Minute).Lapsed()
	remembered := &regions.Decided{Incarnation: 3, Generation: 700, Fleet: fleet(), FleetHash: "content-1", Overrides: []regions.Override{held},
		Freeze:   &regions.Freeze{By: "bob", Why: "the sale", From: time.Now().UTC(), Until: time.Now().Add(time.Hour).UTC()},
		Restored: map[regions.ID]uint64{"ap-south": 650},
		Writers:  map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders", Epoch: regions.Epoch{Incarnation: 2, Number: 5, Writer: "eu-central"}}}}
	s := store.New(kv, store.Settings{Node: "control-1", Signer: signer{"control-1"}, Remembered: func() *regions.Decided { return remembered }})
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "the file names us-east as the first writer", fleet(), "content-1"); err != nil {
		t.Fatal(err)
	}
	d := decided(t, s)
	if !d.Newer(remembered) || d.Incarnation != 4 {
		t.Errorf("the store began with %d.%d, which is no later than what was remembered, 3.700", d.Incarnation, d.Generation)
	}
	if w := d.Writers["orders"]; w.Epoch != (regions.Epoch{Incarnation: 4, Number: 6, Writer: "eu-central"}) || string(w.Signature) != string(w.Payload()) {
		t.Errorf("orders is written by %+v, want 4.6 eu-central, signed: the writer it had, not the one of the file", w.Epoch)
	}
	if len(d.Overrides) != 1 || d.Overrides[0].ID() != "held" || d.Overrides[0].Phase() != regions.Held {
		t.Errorf("overrides = %v, want the drain that was held", d.Overrides)
	}
	if d.Freeze == nil || d.Freeze.By != "bob" {
		t.Errorf("freeze = %+v, want bob's", d.Freeze)
	}
	if len(d.Restored) != 0 {
		t.Errorf("restored = %v: generations of the store that is gone mean nothing in this one", d.Restored)
	}
	mustVerify(t, s)
}

func beginsAgain(t *testing.T, kv store.KV) {
	var known *regions.Decided
	s := store.New(kv, store.Settings{Node: "control-1", Signer: signer{"control-1"}, Remembered: func() *regions.Decided { return known }})
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "first", fleet(), "content-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutOverride(t.Context(), store.Lease{}, drain(t, "one", regions.Scope{Region: "us-east"}, "alice", time.Hour), store.Safety{}); err != nil {
		t.Fatal(err)
	}
	known = decided(t, s)
	page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix("")})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range page.Pairs {
		all = append(all, p.Key)
	}
	if _, err := kv.Commit(t.Context(), store.Txn{Delete: all}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(t.Context(), store.Entry{Principal: "bob", Act: "note", Sentence: "who was here?"}); err != nil {
		t.Errorf("a decision in a database that was emptied: %v", err)
	}
	d := decided(t, s)
	if !d.Newer(known) || d.Incarnation != 2 || len(d.Overrides) != 1 {
		t.Errorf("it begins anew as %+v, want incarnation 2 with the drain", d)
	}
	if n := mustVerify(t, s); n != 2 {
		t.Errorf("%d entries, want the beginning and the note", n)
	}
}
