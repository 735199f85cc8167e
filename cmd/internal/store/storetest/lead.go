package storetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
)

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
