package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
)

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
