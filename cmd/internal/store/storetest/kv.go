// Package storetest is what every database under the store must do, as tests:
// [KV] for the database and [Store] for the domain types over it. Each
// implementation runs both, so that what is proved of memory in milliseconds
// is proved of etcd as well.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
		{"equal", store.Equals(a, []byte("2")), true},
		{"not equal", store.Equals(a, []byte("1")), false},
		{"absent equals nothing", store.Equals(none, nil), false},
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

// mirror is a map that a watch maintains.
type mirror struct {
	mu        sync.Mutex
	at        int64
	completes int
	keys      map[string]string
	changed   chan struct{}
}

func (m *mirror) apply(c store.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Complete {
		m.keys = map[string]string{}
		m.completes++
	}
	for _, p := range c.Put {
		m.keys[p.Key] = string(p.Value)
	}
	for _, key := range c.Deleted {
		delete(m.keys, key)
	}
	m.at = c.Revision
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// watch mirrors the test's corner until the test ends or stop is called.
func (d db) watch(from int64) (m *mirror, stop func()) {
	m = &mirror{keys: map[string]string{}, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.kv.Watch(ctx, d.span(), from, m.apply); err != nil {
			d.t.Errorf("watch: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	d.t.Cleanup(stop)
	return m, stop
}

// expect waits until the mirror holds exactly want.
func (d db) expect(m *mirror, want map[string]string) {
	d.t.Helper()
	var got string
	for deadline := time.After(patience); ; {
		m.mu.Lock()
		got = fmt.Sprint(m.keys)
		m.mu.Unlock()
		if got == fmt.Sprint(want) {
			return
		}
		select {
		case <-m.changed:
		case <-deadline:
			d.t.Fatalf("the watch shows %s, want %v", got, want)
		}
	}
}

func watchFromNothing(t *testing.T, d db) {
	d.put("a", "1")
	m, stop := d.watch(0)
	d.expect(m, map[string]string{d.key("a"): "1"})
	want := map[string]string{}
	for i := range 50 {
		d.put(fmt.Sprint(i%7), fmt.Sprint(i))
		want[d.key(fmt.Sprint(i%7))] = fmt.Sprint(i)
	}
	d.commit(store.Txn{Delete: []string{d.key("a")}})
	d.expect(m, want)
	stop()
	if m.completes != 1 {
		t.Errorf("%d complete changes, want 1: the watch began anew without need", m.completes)
	}
}

func watchResumes(t *testing.T, d db) {
	d.put("old", "1")
	from := d.put("a", "1") + 1
	d.put("b", "1")
	d.commit(store.Txn{Delete: []string{d.key("a")}})
	m, stop := d.watch(from)
	d.expect(m, map[string]string{d.key("b"): "1"})
	stop()
	if m.completes != 0 {
		t.Error("a watch from a remembered revision began anew")
	}
}

func watchCompacted(t *testing.T, d db, compact func(*testing.T)) {
	from := d.put("a", "1")
	d.put("b", "1")
	d.put("b", "2")
	d.commit(store.Txn{Delete: []string{d.key("a")}})
	compact(t)
	m, stop := d.watch(from)
	d.expect(m, map[string]string{d.key("b"): "2"})
	d.put("c", "1")
	d.expect(m, map[string]string{d.key("b"): "2", d.key("c"): "1"})
	stop()
	if m.completes != 1 {
		t.Errorf("%d complete changes, want 1", m.completes)
	}
}

// lead runs Lead in the background until the returned function is called.
func (d db) lead(name, who string, f func(context.Context, store.Lease) error) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.kv.Lead(ctx, name, who, f); err != nil {
			d.t.Errorf("lead %s as %s: %v", name, who, err)
		}
	}()
	stop = func() { cancel(); <-done }
	d.t.Cleanup(stop)
	return stop
}

func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

func leadInTurn(t *testing.T, d db) {
	var leading atomic.Int32
	leads := make(chan store.Lease)
	f := func(ctx context.Context, l store.Lease) error {
		if n := leading.Add(1); n != 1 {
			t.Errorf("%d lead at once", n)
		}
		defer leading.Add(-1)
		leads <- l
		<-ctx.Done()
		return nil
	}
	stops := map[string]func(){}
	for _, who := range []string{"a", "b", "c"} {
		stops[who] = d.lead("turn", who, f)
	}
	var last store.Lease
	for range 3 {
		l := receive(t, "a leader", leads)
		if l.Term <= last.Term {
			t.Errorf("term %d follows %d", l.Term, last.Term)
		}
		page := d.find(store.Query{Span: store.LeaderKeys("turn")})
		if len(page.Pairs) == 0 || !slices.ContainsFunc(page.Pairs, func(p store.Pair) bool { return p.Key == l.Key && string(p.Value) == l.Who }) {
			t.Errorf("the leader %+v does not stand among %+v", l, page.Pairs)
		}
		last = l
		stops[l.Who]()
	}
	if page := d.find(store.Query{Span: store.LeaderKeys("turn")}); len(page.Pairs) != 0 {
		t.Errorf("after all have stopped, %+v still stand", page.Pairs)
	}
}

func deposed(t *testing.T, d db) {
	leads, ended := make(chan store.Lease), make(chan struct{}, 1)
	stop := d.lead("deposed", "a", func(ctx context.Context, l store.Lease) error {
		leads <- l
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	})
	old := receive(t, "the first leader", leads)
	guarded := func(l store.Lease, value string) bool {
		return d.commit(store.Txn{If: l.Guard(), Put: []store.Pair{d.pair("led", value)}}).Committed
	}
	if !guarded(old, "1") {
		t.Error("the leader's write was refused")
	}
	d.commit(store.Txn{Delete: []string{old.Key}}) // as the database does when a lease ends
	if guarded(old, "2") {
		t.Error("the deposed leader's write was accepted")
	}
	receive(t, "the end of the leader's context", ended)
	again := receive(t, "the leader to lead again", leads)
	if guarded(old, "3") || !guarded(again, "4") {
		t.Errorf("after term %d came %d: the old one may write, or the new one may not", old.Term, again.Term)
	}
	stop()
	if guarded(again, "5") {
		t.Error("a leader that has resigned may still write")
	}
}

func takesOver(t *testing.T, d db) {
	leads := make(chan store.Lease, 3)
	f := func(ctx context.Context, l store.Lease) error {
		leads <- l
		<-ctx.Done()
		return nil
	}
	d.lead("take over", "a", f)
	dead := receive(t, "the first leader", leads)
	d.lead("take over", "b", f)
	// The same name again, as after a crash: it must not wait, and b, who has
	// waited longer, comes first.
	d.lead("take over", "a", f)
	next := receive(t, "the next leader", leads)
	if next.Term <= dead.Term {
		t.Errorf("term %d follows %d", next.Term, dead.Term)
	}
	out := d.commit(store.Txn{If: dead.Guard(), Put: []store.Pair{d.pair("x", "")}})
	if out.Committed {
		t.Error("the dead leader may still write")
	}
}

func leaderFails(t *testing.T, d db) {
	broken := errors.New("broken")
	err := d.kv.Lead(t.Context(), "fails", "a", func(context.Context, store.Lease) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("Lead = %v, want the leader's error", err)
	}
	if err := d.kv.Lead(t.Context(), "fails", "b", func(context.Context, store.Lease) error { return nil }); err != nil {
		t.Errorf("Lead after another's failure = %v", err)
	}
}
