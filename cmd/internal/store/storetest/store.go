package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Store runs the contract of [store.Store] on empty databases that open
// returns.
func Store(t *testing.T, open func(*testing.T) store.KV) {
	tests := []struct {
		name string
		f    func(*testing.T, store.KV)
	}{
		{"two nodes begin one store", beginsOnce},
		{"a store of a newer version is refused", refusesNewer},
		{"a node without a key begins nothing", readerBeginsNothing},
		{"a fleet is applied once per content", appliesFleet},
		{"a large fleet becomes visible whole", largeFleet},
		{"the first epoch names the writer that the fleet names, and later fleets change nothing", firstEpochs},
		{"an override conflicts with one that is in force", overrideConflicts},
		{"nothing automatic takes out a second region", secondRegion},
		{"a drain that has run out is held until restored", heldUntilRestored},
		{"a freeze ends", freezes},
		{"an epoch advances by compare and swap", advancesEpoch},
		{"of two who advance an epoch one wins", racingEpochs},
		{"a deposed leader decides nothing", deposedDecidesNothing},
		{"a run locks its database until it ends", runLocksDatabase},
		{"a journal takes an event only where it stands", journalPositions},
		{"of two engines one writes the next event", racingEngines},
		{"twenty who decide at once make one chain", linearChain},
		{"what is written past the chain is found", tampering},
		{"an answer that was lost is found again", lostAnswers},
		{"tokens are kept without their secrets", tokens},
		{"watchers see the newest, and the slow ones miss only what is old", watching},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.f(t, open(t)) })
	}
}

// signer signs nothing for real; package identity does.
type signer struct{ node string }

func (s signer) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	signed := regions.SignedEpoch{Database: d, Epoch: e, Chain: [][]byte{[]byte(s.node)}}
	signed.Signature = signed.Payload()
	return signed, nil
}

func node(kv store.KV, name string) *store.Store {
	return store.New(kv, store.Settings{Node: name, Signer: signer{name}})
}

func fleet() *regions.Fleet {
	return &regions.Fleet{
		Regions:  []regions.Region{{ID: "us-east"}, {ID: "eu-central"}, {ID: "ap-south"}},
		Services: []regions.Service{{ID: "www", Name: "www.shop.example."}, {ID: "mail", Name: "mail.shop.example."}},
		Databases: []regions.Database{{ID: "orders", Engine: "postgres", Writer: "us-east",
			Members: []regions.Member{{Region: "us-east"}, {Region: "eu-central"}}}},
	}
}

// begun is a store with a fleet in force.
func begun(t *testing.T, kv store.KV) *store.Store {
	t.Helper()
	s := node(kv, "control-1")
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "first", fleet(), "content-1"); err != nil {
		t.Fatal(err)
	}
	return s
}

func decided(t *testing.T, s *store.Store) *regions.Decided {
	t.Helper()
	d, err := s.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// mustVerify checks the chain and returns how many entries it has.
func mustVerify(t *testing.T, s *store.Store) uint64 {
	t.Helper()
	v, err := s.VerifyChain(t.Context())
	if err != nil {
		t.Errorf("the chain does not verify: %v", err)
	}
	return v.Checked
}

// wants fails unless err is of that kind and says all of words.
func wants(t *testing.T, what string, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s = %v (%v), want %v", what, err, fault.Of(err), kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s = %q, want it to say %q", what, err, w)
		}
	}
}

func beginsOnce(t *testing.T, kv store.KV) {
	nodes := []*store.Store{node(kv, "control-1"), node(kv, "control-2"), node(kv, "control-3")}
	errs := make(chan error)
	for _, s := range nodes {
		go func() {
			_, err := s.Decided(t.Context())
			errs <- err
		}()
	}
	for range nodes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	d := decided(t, nodes[0])
	if d.Incarnation != 1 || d.Generation == 0 || d.Fleet != nil {
		t.Errorf("an empty store holds %+v", d)
	}
	if n := mustVerify(t, nodes[1]); n != 1 {
		t.Errorf("%d entries, want the beginning alone", n)
	}
}

func refusesNewer(t *testing.T, kv store.KV) {
	begun(t, kv)
	_, err := kv.Commit(t.Context(), store.Txn{Put: []store.Pair{{Key: "format", Value: []byte(`{"format": 99}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	old := node(kv, "control-2")
	_, err = old.Decided(t.Context())
	wants(t, "reading", err, fault.Invalid, "newer version", "99")
	_, _, err = old.ApplyFleet(t.Context(), store.Lease{}, "alice", "why", fleet(), "x")
	wants(t, "writing", err, fault.Invalid, "newer version")
	wants(t, "running", old.Run(t.Context()), fault.Invalid, "newer version")
}

func readerBeginsNothing(t *testing.T, kv store.KV) {
	reader := store.New(kv, store.Settings{Node: "dns-1"})
	_, err := reader.Decided(t.Context())
	wants(t, "reading an empty store", err, fault.Unavailable, "no control node")
	begun(t, kv)
	if d := decided(t, reader); d.Fleet == nil {
		t.Error("the reader does not see the fleet")
	}
}

func appliesFleet(t *testing.T, kv store.KV) {
	s := node(kv, "control-1")
	first, changed, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "first", fleet(), "content-1")
	if err != nil || !changed || first == 0 {
		t.Fatalf("first = %d, %v, %v", first, changed, err)
	}
	again, changed, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "again", fleet(), "content-1")
	if err != nil || changed || again != first {
		t.Errorf("the same again = %d, %v, %v; want generation %d unchanged", again, changed, err, first)
	}
	other := fleet()
	other.Regions = other.Regions[:2]
	second, changed, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "second", other, "content-2")
	if err != nil || !changed || second <= first {
		t.Errorf("another = %d, %v, %v; want a generation after %d", second, changed, err, first)
	}
	d := decided(t, node(kv, "control-2"))
	if d.Generation != second || d.FleetHash != "content-2" || len(d.Fleet.Regions) != 2 {
		t.Errorf("decided = generation %d, hash %s, %d regions", d.Generation, d.FleetHash, len(d.Fleet.Regions))
	}
	for content, want := range map[string]bool{"content-1": true, "content-2": true, "content-3": false} {
		if got, err := s.AppliedBefore(t.Context(), content); err != nil || got != want {
			t.Errorf("AppliedBefore(%s) = %v, %v; want %v", content, got, err, want)
		}
	}
	if n := mustVerify(t, s); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

func largeFleet(t *testing.T, kv store.KV) {
	s := node(kv, "control-1")
	random := rand.NewChaCha8([32]byte{1})
	for i := range 4 {
		noise := make([]byte, 1<<20)
		random.Read(noise)
		f := fleet()
		f.Zones = []regions.Zone{{Origin: "shop.example.", Text: fmt.Sprintf("%x", noise)}} // compresses to half
		if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "large", f, fmt.Sprint("content-", i)); err != nil {
			t.Fatal(err)
		}
		d := decided(t, node(kv, "control-2"))
		if len(d.Fleet.Zones) != 1 || d.Fleet.Zones[0].Text != f.Zones[0].Text {
			t.Fatalf("fleet %d came back changed", i)
		}
	}
	page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix("fleet/")})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(page.Pairs); n < 4 || n > 8 {
		t.Errorf("%d parts of fleets are kept, want those of the newest and the one before", n)
	}
}

func firstEpochs(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	want := regions.Epoch{Incarnation: 1, Number: 1, Writer: "us-east"}
	e := decided(t, s).Writers["orders"]
	if e.Epoch != want || string(e.Chain[0]) != "control-1" || string(e.Signature) != string(e.Payload()) {
		t.Errorf("first epoch = %+v, want %v signed by control-1", e, want)
	}
	moved := fleet()
	moved.Databases[0].Writer = "eu-central"
	moved.Databases = append(moved.Databases, regions.Database{ID: "stock", Writer: "ap-south", Members: []regions.Member{{Region: "ap-south"}}})
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "moved", moved, "content-2"); err != nil {
		t.Fatal(err)
	}
	d := decided(t, s)
	if got := d.Writers["orders"].Epoch; got != want {
		t.Errorf("a later fleet moved the writer to %v", got)
	}
	if got := d.Writers["stock"].Epoch.Writer; got != "ap-south" {
		t.Errorf("the new database is written in %q", got)
	}
}

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

func advancesEpoch(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	first := decided(t, s).Writers["orders"].Epoch
	second := first.Next("eu-central")
	advance := func(from, to regions.Epoch) (regions.SignedEpoch, uint64, error) {
		return s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", from, to, "run-1", "engine@control-1", "switchover")
	}
	signed, generation, err := advance(first, second)
	if err != nil || signed.Epoch != second || string(signed.Signature) != string(signed.Payload()) {
		t.Fatalf("advance = %+v, %v", signed, err)
	}
	if d := decided(t, s); d.Writers["orders"].Epoch != second || d.Generation != generation {
		t.Errorf("decided %+v at %d, want %v at %d", d.Writers["orders"].Epoch, d.Generation, second, generation)
	}
	if again, g, err := advance(first, second); err != nil || again.Epoch != second || g != generation {
		t.Errorf("the same again = %+v, %d, %v; want it to be so already", again, g, err)
	}
	_, _, err = advance(first, first.Next("us-east"))
	wants(t, "advancing from an epoch that has passed", err, fault.Conflict, "1.2 eu-central", "1.1 us-east")
	_, _, err = advance(second, first)
	wants(t, "going backwards", err, fault.Invalid)
	_, _, err = advance(second, second.Next("ap-south"))
	wants(t, "a writer without a server", err, fault.Invalid, "ap-south")
	_, _, err = advance(second, regions.Epoch{Incarnation: 9, Number: 1, Writer: "us-east"})
	wants(t, "an incarnation that is not ours", err, fault.Invalid, "incarnation")
	_, _, err = s.AdvanceEpoch(t.Context(), store.Lease{}, "ghost", first, second, "", "alice", "why")
	wants(t, "a database that is not there", err, fault.NotFound)
	mustVerify(t, s)
}

func racingEpochs(t *testing.T, kv store.KV) {
	first := decided(t, begun(t, kv)).Writers["orders"].Epoch
	errs := make(chan error)
	for i := range 4 {
		s := node(kv, fmt.Sprint("control-", i))
		to := first.Next([]regions.ID{"us-east", "eu-central"}[i%2])
		to.Number += uint64(i) // each wants another one
		go func() {
			_, _, err := s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", first, to, "", "engine@"+fmt.Sprint(i), "race")
			errs <- err
		}()
	}
	won := 0
	for range 4 {
		err := <-errs
		if err == nil {
			won++
		} else {
			wants(t, "the others", err, fault.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d advanced the epoch from the same one, want 1", won)
	}
}

func deposedDecidesNothing(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	leases := make(chan store.Lease)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Lead(ctx, "engine", func(ctx context.Context, l store.Lease) error {
			select {
			case leases <- l:
			case <-ctx.Done():
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	lease := receive(t, "the lease", leases)
	if who, err := s.Leader(t.Context(), "engine"); err != nil || who != "control-1" {
		t.Errorf("Leader = %q, %v", who, err)
	}
	if _, err := s.StartExecution(t.Context(), lease, "run-1", started("alice", "orders")); err != nil {
		t.Errorf("the leader's run: %v", err)
	}
	if _, err := kv.Commit(t.Context(), store.Txn{Delete: []string{lease.Key}}); err != nil {
		t.Fatal(err)
	}
	before := mustVerify(t, s)
	first := decided(t, s).Writers["orders"].Epoch
	acts := map[string]func() error{
		"append": func() error {
			_, err := s.Append(t.Context(), lease, "run-1", 1, paused())
			return err
		},
		"epoch": func() error {
			_, _, err := s.AdvanceEpoch(t.Context(), lease, "orders", first, first.Next("eu-central"), "run-1", "engine@a", "why")
			return err
		},
		"drain": func() error {
			_, err := s.PutOverride(t.Context(), lease, drain(t, "x", regions.Scope{Region: "us-east"}, "alice", time.Hour), store.Safety{})
			return err
		},
		"fleet": func() error {
			_, _, err := s.ApplyFleet(t.Context(), lease, "alice", "why", fleet(), "content-2")
			return err
		},
	}
	for name, act := range acts {
		err := act()
		wants(t, name, err, fault.Conflict)
		if !errors.Is(err, store.ErrDeposed) {
			t.Errorf("%s = %v, want ErrDeposed", name, err)
		}
	}
	if after := mustVerify(t, s); after != before {
		t.Errorf("%d entries were written by a deposed leader", after-before)
	}
	cancel()
	if err := receive(t, "Lead to return", done); err != nil {
		t.Errorf("Lead = %v", err)
	}
}
