package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// snapshot reads a backup.
func snapshot(t *testing.T, s *store.Store) store.Backup {
	t.Helper()
	b := store.Backup{ID: "backup-1", Taken: "taken by a test"}
	err := s.Snapshot(t.Context(), func(sum store.Summary) error { b.Summary = sum; return nil },
		func(pairs []store.Pair) error { b.Pairs = append(b.Pairs, pairs...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lose empties a database, as one that was made anew is.
func lose(t *testing.T, kv store.KV) {
	t.Helper()
	for {
		page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix(""), Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, p := range page.Pairs {
			keys = append(keys, p.Key)
		}
		if len(keys) == 0 {
			return
		}
		if _, err := kv.Commit(t.Context(), store.Txn{Delete: keys}); err != nil {
			t.Fatal(err)
		}
	}
}

func recovering(kv store.KV, name string, remembered *regions.Decided, heard ...regions.SignedEpoch) *store.Store {
	return store.New(kv, store.Settings{Node: name, Signer: signer{name}, Restoring: true,
		Remembered: func() *regions.Decided { return remembered }, Epochs: func() []regions.SignedEpoch { return heard }})
}

func put(t *testing.T, s *store.Store, id string, region regions.ID) {
	t.Helper()
	o, err := regions.NewDrain(id, regions.Scope{Region: region}, "alice", "a test", time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutOverride(t.Context(), store.Lease{}, o, store.Safety{}); err != nil {
		t.Fatal(err)
	}
}

// snapshotOfOneMoment: a chain of a snapshot ends with its head, however many
// entries follow while it is read.
func snapshotOfOneMoment(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	for i := range 80 {
		if _, err := s.Record(t.Context(), store.Entry{Principal: "alice", Act: "note", Sentence: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var deciding sync.WaitGroup
	deciding.Go(func() {
		for ctx.Err() == nil {
			_, _ = s.Record(ctx, store.Entry{Principal: "bob", Act: "note", Sentence: "meanwhile"})
		}
	})
	defer deciding.Wait()
	defer stop()
	for range 5 {
		b := snapshot(t, s)
		entries := uint64(0)
		for _, p := range b.Pairs {
			if strings.HasPrefix(p.Key, "chain/") {
				entries++
			}
			if p.Modified > b.Revision {
				t.Fatalf("%s is of revision %d, and the snapshot of %d", p.Key, p.Modified, b.Revision)
			}
			if strings.HasPrefix(p.Key, "lead/") {
				t.Errorf("a leadership is in the snapshot: %s", p.Key)
			}
		}
		if entries != b.Number {
			t.Fatalf("%d entries, and the head is %d", entries, b.Number)
		}
	}
}

func restoresNothingOld(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	put(t, s, "o-old", "ap-south")
	ended := func(sequence uint64) {
		t.Helper()
		b := &regions.BreakGlass{ID: fmt.Sprint("b-", sequence), Incarnation: 1, Sequence: sequence, Orders: []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us-east"}}}
		if _, err := s.EndGlass(t.Context(), b, "alice", "over"); err != nil {
			t.Fatal(err)
		}
	}
	ended(3)
	yesterday := snapshot(t, s)
	// More is decided: the drain ends, another begins, the writer moves, a
	// later bundle is ended.
	ended(4)
	if _, err := s.EndOverride(t.Context(), store.Lease{}, "o-old", "alice", "over"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "o-new", "us-east")
	from := decided(t, s).Writers["orders"].Epoch
	moved := from.Next("eu-central")
	if _, _, err := s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", from, moved, "run-1", "alice", "why"); err != nil {
		t.Fatal(err)
	}
	newest := decided(t, s)

	tests := []struct {
		name       string
		remembered *regions.Decided
		heard      []regions.SignedEpoch
		override   string
		writer     regions.ID
		glass      uint64
		words      []string
	}{
		{"by a node that remembers the newest", newest, nil, "o-new", "eu-central", 4, []string{"overrides and the freeze are from this node's copy", "orders in eu-central", "revoked"}},
		{"by a node that remembers nothing, and heard of the writer", nil, []regions.SignedEpoch{newest.Writers["orders"], {Database: regions.ClusterItself, Epoch: regions.Epoch{Incarnation: 1, Writer: "us-east"}}}, "o-old", "eu-central", 3,
			[]string{"remembers nothing", "from the backup", "orders in eu-central"}},
		{"by a node that knows nothing more", nil, nil, "o-old", "us-east", 3, []string{"no writer is newer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lose(t, kv)
			r := recovering(kv, "control-2", tt.remembered, tt.heard...)
			if err := r.RestoreBackup(t.Context(), yesterday); err != nil {
				t.Fatal(err)
			}
			d := decided(t, r)
			if d.Incarnation != newest.Incarnation+1 || !d.Newer(newest) {
				t.Errorf("incarnation %d, generation %d; want what every node takes for newer than %d/%d", d.Incarnation, d.Generation, newest.Incarnation, newest.Generation)
			}
			if len(d.Overrides) != 1 || d.Overrides[0].ID() != tt.override {
				t.Errorf("overrides %+v, want %s alone", d.Overrides, tt.override)
			}
			e := d.Writers["orders"].Epoch
			if e.Writer != tt.writer || e.Compare(moved) <= 0 {
				t.Errorf("epoch %s, want one after %s with the writer %s", e, moved, tt.writer)
			}
			if len(d.Writers) != len(newest.Writers) {
				t.Errorf("writers of %v, want those of the databases alone", d.Writers)
			}
			if d.Cluster == "" || d.Cluster != newest.Cluster {
				t.Errorf("cluster %q, want %q still: what people have signed is for that one", d.Cluster, newest.Cluster)
			}
			if d.GlassEnd == nil || d.GlassEnd.Sequence != tt.glass {
				t.Errorf("bundles are ended up to %+v, want sequence %d: one that a person has ended would rule again", d.GlassEnd, tt.glass)
			}
			if d.Fleet == nil || d.FleetHash != newest.FleetHash {
				t.Errorf("fleet %s, want %s", d.FleetHash, newest.FleetHash)
			}
			if n := mustVerify(t, r); n != yesterday.Number+1 {
				t.Errorf("%d entries, want the backup's %d and one", n, yesterday.Number)
			}
			entries, _, err := r.Audit(t.Context(), -1, 1)
			if err != nil || len(entries) != 1 {
				t.Fatalf("the newest entry = %v, %v", entries, err)
			}
			if entries[0].Previous != yesterday.Hash {
				t.Errorf("the first new entry follows %s, want the backup's head %s", entries[0].Previous, yesterday.Hash)
			}
			for _, w := range append(tt.words, yesterday.Hash, "incarnation 2") {
				if !strings.Contains(entries[0].Sentence, w) {
					t.Errorf("the trail says %q, want it to say %q", entries[0].Sentence, w)
				}
			}
			// It is a store like any other: something can be decided.
			if _, _, err := r.ApplyFleet(t.Context(), store.Lease{}, "alice", "why", fleet(), "content-2"); err != nil {
				t.Error(err)
			}
			mustVerify(t, r)
		})
	}
}

func restoredRunWaits(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	at, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	journal, err := s.Execution(t.Context(), "run-1")
	if err != nil {
		t.Fatal(err)
	}
	x, err := runbooks.Fold("run-1", journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Next(time.Now()) {
		if step, ok := c.(runbooks.RunStep); ok {
			intent := runbooks.Event{Kind: runbooks.Intended, At: time.Now().UTC(), Principal: "engine@control-1", Step: step.Step, Attempt: step.Attempt, Key: step.Key}
			if _, err = s.Append(t.Context(), store.Lease{}, "run-1", at, intent); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := snapshot(t, s)
	lose(t, kv)
	r := recovering(kv, "control-1", nil)
	if err := r.RestoreBackup(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	runs, err := r.Executions(t.Context())
	if err != nil || len(runs) != 1 || runs[0].State != runbooks.RunPaused && runs[0].State != runbooks.RunBlocked {
		t.Fatalf("runs %+v, %v; want run-1 waiting for a person", runs, err)
	}
	journal, err = r.Execution(t.Context(), "run-1")
	if err != nil {
		t.Fatal(err)
	}
	if x, err = runbooks.Fold("run-1", journal); err != nil {
		t.Fatal(err)
	}
	if next := x.Next(time.Now()); len(next) != 0 {
		t.Errorf("an engine would do %+v without anybody", next)
	}
	interrupted := false
	for _, ev := range journal {
		interrupted = interrupted || ev.Kind == runbooks.Interrupted
	}
	if !interrupted {
		t.Errorf("the step that was being done is not said to have been interrupted: %+v", journal)
	}
	mustVerify(t, r)
	if sealed, err := r.Journal(t.Context(), "run-1"); err != nil || sealed[0].Number == 0 || sealed[len(sealed)-1].Number == 0 {
		t.Errorf("the journal's places in the trail = %+v, %v", sealed, err)
	}
	_, err = r.StartExecution(t.Context(), store.Lease{}, "run-2", started("bob", "orders"))
	wants(t, "another run of its database", err, fault.Conflict, "run-1")
}

func restoresOnce(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	b := snapshot(t, s)
	wants(t, "restoring into a store in use", recovering(kv, "control-2", nil).RestoreBackup(t.Context(), b), fault.Conflict, "holds decisions", "move data_dir/store away")
	lose(t, kv)
	errs := make(chan error)
	for i := range 3 { // each control node was given the same file
		r := recovering(kv, fmt.Sprint("control-", i), nil)
		go func() { errs <- r.RestoreBackup(t.Context(), b) }()
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	d := decided(t, node(kv, "control-1"))
	if n := mustVerify(t, s); d.Incarnation != 2 || n != b.Number+1 {
		t.Errorf("incarnation %d, %d entries; want it restored once: 2, %d", d.Incarnation, n, b.Number+1)
	}
}

func nobodyBeginsMeanwhile(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	b := snapshot(t, s)
	lose(t, kv)
	_, err := recovering(kv, "control-1", nil).Decided(t.Context())
	wants(t, "deciding before the backup is restored", err, fault.Unavailable, "a backup is being restored")
	// A node died half way, and left a part.
	for _, p := range []store.Pair{{Key: "restoring", Value: []byte("control-1")}, {Key: "token/ghost", Value: []byte("{}")}, b.Pairs[0]} {
		if _, err := kv.Commit(t.Context(), store.Txn{Put: []store.Pair{p}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = node(kv, "control-3").Decided(t.Context())
	wants(t, "beginning what another node restores", err, fault.Unavailable, "control-1", "fairlead restore-backup")
	r := recovering(kv, "control-1", nil)
	if err := r.RestoreBackup(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, r)
	if page, err := kv.Range(t.Context(), store.Query{Span: store.Key("token/ghost")}); err != nil || len(page.Pairs) > 0 {
		t.Errorf("what the first try left is still there: %v, %v", page.Pairs, err)
	}
}
