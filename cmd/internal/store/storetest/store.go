package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

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
		{"a fleet takes nothing away from a writer or from a run", retainsWhatIsInUse},
		{"a store that is begun anew goes on from what its node remembers", beginsFromMemory},
		{"a database that was emptied is begun anew", beginsAgain},
		{"a new incarnation keeps all but what was before it", recovers},
		{"a store of the past decides nothing", pastDecidesNothing},
		{"a bundle is entered once and ended once", entersGlass},
		{"an override conflicts with one that is in force", overrideConflicts},
		{"what is foretold is what is decided", foretells},
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
		{"a snapshot is of one moment while people decide", snapshotOfOneMoment},
		{"a backup that is restored brings back nothing old", restoresNothingOld},
		{"a restored run waits for a person", restoredRunWaits},
		{"a backup is restored into an empty store, once", restoresOnce},
		{"nobody begins a store that is being restored", nobodyBeginsMeanwhile},
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
