package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

func linearChain(t *testing.T, kv store.KV) {
	begun(t, kv)
	const writers, each = 20, 5
	nodes := []*store.Store{node(kv, "control-1"), node(kv, "control-2"), node(kv, "control-3")}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				_, err := nodes[w%len(nodes)].Record(t.Context(), store.Entry{Principal: fmt.Sprint("writer-", w), Act: "note",
					Subject: "nothing", Sentence: fmt.Sprint("note ", i)})
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := mustVerify(t, nodes[0]), uint64(2+writers*each); got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
	next := map[string]int{}
	for from := int64(1); ; {
		entries, head, err := nodes[1].Audit(t.Context(), from, 30)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Number != uint64(from) {
				t.Errorf("entry %d where %d is due", e.Number, from)
			}
			if e.Act == "note" {
				if want := fmt.Sprint("note ", next[e.Principal]); e.Sentence != want {
					t.Errorf("%s said %q where %q is due", e.Principal, e.Sentence, want)
				}
				next[e.Principal]++
			}
			from++
		}
		if uint64(from) > head {
			break
		}
	}
	newest, head, err := nodes[2].Audit(t.Context(), -1, 3)
	if err != nil || len(newest) != 3 || newest[2].Number != head {
		t.Errorf("the newest three = %v up to %d, %v", newest, head, err)
	}
	_, err = nodes[0].Record(t.Context(), store.Entry{Act: "note", Sentence: "by nobody"})
	wants(t, "an entry without an author", err, fault.Invalid)
}

func tampering(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	for _, id := range []runbooks.ExecutionID{"run-a", "run-b", "run-c"} {
		if _, err := s.StartExecution(t.Context(), store.Lease{}, id, started("alice", "")); err != nil {
			t.Fatal(err)
		}
	}
	mustVerify(t, s)
	keys := func(prefix string) []store.Pair {
		page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix(prefix)})
		if err != nil {
			t.Fatal(err)
		}
		return page.Pairs
	}
	chain, journals := keys("chain/"), keys("journal/")
	rewritten := func(p store.Pair) []byte {
		var fields map[string]any
		if err := json.Unmarshal(p.Value, &fields); err != nil {
			t.Fatal(err)
		}
		fields["principal"] = "mallory"
		b, _ := json.Marshal(fields)
		return b
	}
	following := func(p store.Pair) []byte {
		var e store.Entry
		if err := json.Unmarshal(p.Value, &e); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(p.Value)
		e.Number, e.Previous, e.DataKey, e.DataHash = e.Number+1, hex.EncodeToString(sum[:]), "", ""
		b, _ := json.Marshal(e)
		return b
	}
	tests := []struct {
		name string
		txn  store.Txn
		undo store.Txn
		at   uint64
	}{
		// Entries that were written over stay known as such, so the rows go
		// from the newest entry to the oldest.
		{"an entry stands beyond the head", store.Txn{Put: []store.Pair{{Key: chain[4].Key[:len(chain[4].Key)-1] + "6", Value: following(chain[4])}}},
			store.Txn{Delete: []string{chain[4].Key[:len(chain[4].Key)-1] + "6"}}, 6},
		{"the head is missing", store.Txn{Delete: []string{"now/chain"}}, store.Txn{Put: keys("now/chain")}, 5},
		{"an event is foreign", store.Txn{Put: []store.Pair{{Key: journals[0].Key + "9", Value: []byte("{}")}}}, store.Txn{Delete: []string{journals[0].Key + "9"}}, 0},
		{"an event is missing", store.Txn{Delete: []string{journals[1].Key}}, store.Txn{Put: journals[1:2]}, 4},
		{"an event is changed", store.Txn{Put: []store.Pair{{Key: journals[0].Key, Value: rewritten(journals[0])}}}, store.Txn{Put: journals[:1]}, 3},
		{"the last entry is missing", store.Txn{Delete: []string{chain[4].Key}}, store.Txn{Put: chain[4:5]}, 5},
		{"the last entry is changed", store.Txn{Put: []store.Pair{{Key: chain[4].Key, Value: rewritten(chain[4])}}}, store.Txn{Put: chain[4:5]}, 5},
		{"an entry cannot be read", store.Txn{Put: []store.Pair{{Key: chain[3].Key, Value: []byte("{")}}}, store.Txn{Put: chain[3:4]}, 4},
		{"an entry is missing", store.Txn{Delete: []string{chain[2].Key}}, store.Txn{Put: chain[2:3]}, 3},
		{"an entry is changed", store.Txn{Put: []store.Pair{{Key: chain[1].Key, Value: rewritten(chain[1])}}}, store.Txn{Put: chain[1:2]}, 2},
	}
	for _, tt := range tests {
		if _, err := kv.Commit(t.Context(), tt.txn); err != nil {
			t.Fatal(err)
		}
		_, err := s.VerifyChain(t.Context())
		broken, ok := errors.AsType[*store.BrokenChain](err)
		if !ok || !fault.Is(err, fault.Internal) || broken.At != tt.at {
			t.Errorf("%s: VerifyChain = %v, want a broken chain at %d", tt.name, err, tt.at)
		}
		if _, err := kv.Commit(t.Context(), tt.undo); err != nil {
			t.Fatal(err)
		}
	}
}

// lossy commits, and then sometimes says that it does not know.
type lossy struct {
	store.KV
	mu   sync.Mutex
	lose int // answers still to be lost
}

func (l *lossy) Commit(ctx context.Context, t store.Txn) (store.Outcome, error) {
	out, err := l.KV.Commit(ctx, t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.lose > 0 {
		l.lose--
		return store.Outcome{}, fault.Unavailablef("store", "the answer was lost")
	}
	return out, err
}

func lostAnswers(t *testing.T, kv store.KV) {
	begun(t, kv)
	l := &lossy{KV: kv}
	s := node(l, "control-1")
	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders")); err != nil {
		t.Fatal(err)
	}
	before := mustVerify(t, s)
	l.lose = 1
	if at, err := s.Append(t.Context(), store.Lease{}, "run-1", 1, paused()); err != nil || at != 2 {
		t.Errorf("append whose answer was lost = %d, %v", at, err)
	}
	l.lose = 1
	generation, err := s.PutOverride(t.Context(), store.Lease{}, drain(t, "one", regions.Scope{Region: "us-east"}, "alice", time.Hour), store.Safety{})
	if d := decided(t, s); err != nil || generation != d.Generation || len(d.Overrides) != 1 {
		t.Errorf("drain whose answer was lost = %d, %v; decided at %d: %v", generation, err, d.Generation, d.Overrides)
	}
	if got := mustVerify(t, s); got != before+2 {
		t.Errorf("two decisions made %d entries", got-before)
	}
}

func tokens(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	minted, text, err := auth.Mint("alice", []auth.Role{auth.Operator}, nil, "root", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutToken(t.Context(), minted, "root"); err != nil {
		t.Fatal(err)
	}
	wants(t, "the same token again", s.PutToken(t.Context(), minted, "root"), fault.Conflict)
	_, secret, _ := strings.Cut(text, ".")
	page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix("")})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range page.Pairs {
		if strings.Contains(string(p.Value), secret) {
			t.Errorf("the secret lies under %s", p.Key)
		}
	}
	got, err := node(kv, "control-2").Tokens(t.Context())
	if err != nil || len(got) != 1 || got[0].Name != "alice" || got[0].Hash != sha256.Sum256([]byte(secret)) || got[0].Source != auth.FromStore || got[0].CreatedBy != "root" {
		t.Errorf("tokens = %+v, %v", got, err)
	}
	if err := s.RevokeToken(t.Context(), minted.ID, "root"); err != nil {
		t.Error(err)
	}
	wants(t, "revoking it twice", s.RevokeToken(t.Context(), minted.ID, "root"), fault.NotFound)
	if got, err := s.Tokens(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("after revoking: %+v, %v", got, err)
	}
	mustVerify(t, s)
}

func watching(t *testing.T, kv store.KV) {
	writer := begun(t, kv)
	ctx, cancel := context.WithCancel(t.Context())
	reader := node(kv, "dns-1")
	ran := make(chan error, 1)
	go func() { ran <- reader.Run(ctx) }()
	slow := reader.Watch(ctx)
	eager := reader.Watch(ctx)
	runs := reader.WatchExecutions(ctx)

	d := receive(t, "the first decided state", eager)
	if d.Fleet == nil || d.Writers["orders"].Epoch.Number != 1 {
		t.Errorf("first: %+v", d)
	}
	var newest uint64
	for i := range 20 {
		id := fmt.Sprint("o-", i)
		if _, err := writer.PutOverride(t.Context(), store.Lease{}, drain(t, id, regions.Scope{Region: "us-east"}, "alice", time.Hour), store.Safety{}); err != nil {
			t.Fatal(err)
		}
		generation, err := writer.EndOverride(t.Context(), store.Lease{}, id, "alice", "over")
		if err != nil {
			t.Fatal(err)
		}
		newest = generation
	}
	for last := d; last.Generation != newest; {
		next := receive(t, "the newest generation", eager)
		if !next.Newer(last) {
			t.Errorf("generation %d follows %d", next.Generation, last.Generation)
		}
		last = next
	}
	if v := reader.Latest(); v.Decided.Generation != newest || len(v.Decided.Overrides) != 0 {
		t.Errorf("latest = %d, want %d", v.Decided.Generation, newest)
	}
	// The slow reader takes what lies ready, and is then at the newest.
	for got := receive(t, "the slow reader", slow); got.Generation != newest; got = receive(t, "the slow reader", slow) {
	}
	if _, err := writer.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders")); err != nil {
		t.Fatal(err)
	}
	for {
		if list := receive(t, "the run", runs); len(list) == 1 && list[0].ID == "run-1" {
			break
		}
	}
	if s := reader.Status(); !s.Reachable || s.Problem != "" {
		t.Errorf("status = %+v", s)
	}
	cancel()
	if err := receive(t, "Run to return", ran); err != nil {
		t.Errorf("Run = %v", err)
	}
	for range eager { // closed by the end of Run
	}
}
