// Package storetest is what every database under the store must do, as tests:
// [KV] for the database and [Store] for the domain types over it. Each
// implementation runs both, so that what is proved of memory in milliseconds
// is proved of etcd as well.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
)

// patience bounds what should happen at once, on a machine that is busy.
const patience = 20 * time.Second

// KV runs the contract of [store.KV] on a running database. Compact makes the
// database forget the past, as its own housekeeping does at some time.
func KV(t *testing.T, kv store.KV, compact func(t *testing.T)) {
	run := func(name string, f func(t *testing.T, d db)) {
		t.Run(name, func(t *testing.T) {
			f(t, db{t: t, kv: kv, root: "test/" + strings.ReplaceAll(name, " ", "-") + "/"})
		})
	}
	run("a key keeps the revision of its creation and of its last change", keepsRevisions)
	run("a transaction is written whole or not at all", isAtomic)
	run("a transaction names the comparison that did not hold", namesTheComparison)
	run("comparisons hold as they say", comparisons)
	run("a range is in order, limited, backward and of the past", ranges)
	run("of two racing writers one wins", racingWriters)
	run("too large a transaction is refused", refusesTooLarge)
	run("a write with an ended context is not made", endedContext)
	run("a watch begins with everything and misses nothing", watchFromNothing)
	run("a watch resumes from a revision", watchResumes)
	run("a watch from before compaction begins anew", func(t *testing.T, d db) { watchCompacted(t, d, compact) })
	run("one leads at a time, and the next follows", leadInTurn)
	run("a deposed leader's write is refused", deposed)
	run("a restarted process takes over from its dead self", takesOver)
	run("an error of the leader ends the leadership", leaderFails)
}

// db is a corner of a database, for one test.
type db struct {
	t    *testing.T
	kv   store.KV
	root string
}

func (d db) span() store.Span       { return store.Prefix(d.root) }
func (d db) key(name string) string { return d.root + name }

func (d db) commit(txn store.Txn) store.Outcome {
	d.t.Helper()
	out, err := d.kv.Commit(d.t.Context(), txn)
	if err != nil {
		d.t.Fatalf("commit %+v: %v", txn, err)
	}
	return out
}

func (d db) put(name, value string) int64 {
	d.t.Helper()
	out := d.commit(store.Txn{Put: []store.Pair{d.pair(name, value)}})
	if !out.Committed {
		d.t.Fatalf("put %s: not committed", name)
	}
	return out.Revision
}

func (d db) pair(name, value string) store.Pair {
	return store.Pair{Key: d.key(name), Value: []byte(value)}
}

func (d db) find(q store.Query) store.Page {
	d.t.Helper()
	page, err := d.kv.Range(d.t.Context(), q)
	if err != nil {
		d.t.Fatalf("range %+v: %v", q, err)
	}
	return page
}

func (d db) get(name string) (store.Pair, bool) {
	d.t.Helper()
	return d.find(store.Query{Span: store.Key(d.key(name))}).One()
}

// names returns "key=value" of each pair, without the root.
func (d db) names(pairs []store.Pair) []string {
	var names []string
	for _, p := range pairs {
		names = append(names, strings.TrimPrefix(p.Key, d.root)+"="+string(p.Value))
	}
	return names
}

func keepsRevisions(t *testing.T, d db) {
	first := d.put("a", "1")
	second := d.put("a", "2")
	p, ok := d.get("a")
	if !ok || p.Created != first || p.Modified != second || string(p.Value) != "2" {
		t.Errorf("after puts at %d and %d: got %+v, %v", first, second, p, ok)
	}
	d.commit(store.Txn{Delete: []string{d.key("a")}})
	if p, ok := d.get("a"); ok {
		t.Errorf("after delete: got %+v", p)
	}
	third := d.put("a", "3")
	if p, _ := d.get("a"); p.Created != third {
		t.Errorf("created anew at %d: got %+v", third, p)
	}
}

func isAtomic(t *testing.T, d db) {
	d.put("there", "x")
	out := d.commit(store.Txn{
		If:     []store.Compare{store.Absent(d.key("there"))},
		Put:    []store.Pair{d.pair("new", "1")},
		Delete: []string{d.key("there")},
	})
	if _, made := d.get("new"); out.Committed || made {
		t.Errorf("refused transaction: committed %v, key made %v", out.Committed, made)
	}
	out = d.commit(store.Txn{
		If:     []store.Compare{store.Absent(d.key("new"))},
		Put:    []store.Pair{d.pair("new", "1"), d.pair("new2", "2")},
		Delete: []string{d.key("there"), d.key("never was")},
	})
	page := d.find(store.Query{Span: d.span()})
	if got, want := d.names(page.Pairs), []string{"new2=2", "new=1"}; !out.Committed || !sameSet(got, want) {
		t.Errorf("committed %v, got %v, want %v", out.Committed, got, want)
	}
	for _, p := range page.Pairs {
		if p.Modified != out.Revision {
			t.Errorf("%s was written at %d, its transaction at %d", p.Key, p.Modified, out.Revision)
		}
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

func namesTheComparison(t *testing.T, d db) {
	at := d.put("a", "1")
	out := d.commit(store.Txn{
		If: []store.Compare{
			store.Unchanged(d.key("a"), at),
			store.CreatedAt(d.key("a"), at),
			store.Absent(d.key("a")),
			store.Absent(d.key("b")),
		},
		Put: []store.Pair{d.pair("c", "1")},
	})
	if out.Committed || out.Failed != 2 {
		t.Errorf("third comparison of four does not hold: got %+v", out)
	}
}

func comparisons(t *testing.T, d db) {
	created := d.put("a", "1")
	modified := d.put("a", "2")
	a, none := d.key("a"), d.key("none")
	tests := []struct {
		name string
		c    store.Compare
		want bool
	}{
		{"absent of an absent key", store.Absent(none), true},
		{"absent of a present key", store.Absent(a), false},
		{"created then", store.CreatedAt(a, created), true},
		{"created at another time", store.CreatedAt(a, modified), false},
		{"unchanged since", store.Unchanged(a, modified), true},
		{"changed since", store.Unchanged(a, created), false},
		{"unchanged and still absent", store.Unchanged(none, 0), true},
	}
	for i, tt := range tests {
		out := d.commit(store.Txn{If: []store.Compare{tt.c}, Put: []store.Pair{d.pair(fmt.Sprintf("made%d", i), "")}})
		if out.Committed != tt.want {
			t.Errorf("%s: %+v holds = %v, want %v", tt.name, tt.c, out.Committed, tt.want)
		}
	}
}

func ranges(t *testing.T, d db) {
	d.put("a", "1")
	d.put("c", "3")
	then := d.put("b", "2")
	d.put("d", "4")
	d.commit(store.Txn{Delete: []string{d.key("a")}})
	tests := []struct {
		name string
		q    store.Query
		want []string
		more bool
	}{
		{"all", store.Query{Span: d.span()}, []string{"b=2", "c=3", "d=4"}, false},
		{"limited", store.Query{Span: d.span(), Limit: 2}, []string{"b=2", "c=3"}, true},
		{"exactly the limit", store.Query{Span: d.span(), Limit: 3}, []string{"b=2", "c=3", "d=4"}, false},
		{"backward", store.Query{Span: d.span(), Limit: 1, Backward: true}, []string{"d=4"}, true},
		{"of the past", store.Query{Span: d.span(), At: then}, []string{"a=1", "b=2", "c=3"}, false},
		{"half open", store.Query{Span: store.Span{From: d.key("b"), To: d.key("d")}}, []string{"b=2", "c=3"}, false},
		{"one key", store.Query{Span: store.Key(d.key("c"))}, []string{"c=3"}, false},
		{"nothing", store.Query{Span: store.Key(d.key("x"))}, nil, false},
	}
	for _, tt := range tests {
		page := d.find(tt.q)
		if got := d.names(page.Pairs); !slices.Equal(got, tt.want) || page.More != tt.more {
			t.Errorf("%s: got %v more=%v, want %v more=%v", tt.name, got, page.More, tt.want, tt.more)
		}
	}
}

// racingWriters increments one number from many goroutines, each by reading
// it and comparing what it read.
func racingWriters(t *testing.T, d db) {
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				page, err := d.kv.Range(t.Context(), store.Query{Span: store.Key(d.key("n"))})
				if err != nil {
					t.Errorf("range: %v", err)
					return
				}
				p, _ := page.One()
				next := append(slices.Clip(p.Value), 'x')
				out, err := d.kv.Commit(t.Context(), store.Txn{
					If:  []store.Compare{store.Unchanged(d.key("n"), p.Modified)},
					Put: []store.Pair{{Key: d.key("n"), Value: next}},
				})
				if err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				if out.Committed {
					done++
				}
			}
		})
	}
	wg.Wait()
	if p, _ := d.get("n"); len(p.Value) != writers*each {
		t.Errorf("%d increments by %d writers left %d", writers*each, writers, len(p.Value))
	}
}

func refusesTooLarge(t *testing.T, d db) {
	many := store.Txn{}
	for i := range store.MaxOps + 1 {
		many.Put = append(many.Put, d.pair(fmt.Sprint(i), ""))
	}
	large := store.Txn{Put: []store.Pair{{Key: d.key("big"), Value: bytes.Repeat([]byte("x"), store.MaxBytes)}}}
	for name, txn := range map[string]store.Txn{"many": many, "large": large} {
		if out, err := d.kv.Commit(t.Context(), txn); err == nil {
			t.Errorf("%s: got %+v, want an error", name, out)
		}
	}
	many.Put = many.Put[:store.MaxOps]
	if out := d.commit(many); !out.Committed {
		t.Errorf("%d writes were refused", store.MaxOps)
	}
}

func endedContext(t *testing.T, d db) {
	ctx, end := context.WithCancel(t.Context())
	end()
	if _, err := d.kv.Commit(ctx, store.Txn{Put: []store.Pair{d.pair("a", "1")}}); err == nil {
		t.Error("commit with an ended context succeeded")
	}
	if _, ok := d.get("a"); ok {
		t.Error("it was written")
	}
}
