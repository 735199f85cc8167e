// Package memory is the store's database in memory: the twin of the one in
// etcd, for tests, for simulation and for looking at things that need no
// disk.
//
// It keeps every revision it has made until [KV.Compact], so it can answer
// reads of the past and watches from the past exactly as etcd does, and its
// failures can be caused at will: [KV.Fail] makes it unreachable. Both must
// pass store/storetest, so what holds here holds there.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// KV implements [store.KV]. Use [New].
type KV struct {
	mu        sync.Mutex
	revision  int64
	compacted int64 // revisions up to this one are forgotten, but for what they left behind
	history   map[string][]version
	log       []int64       // for each revision after compacted its keys, below
	touched   [][]string    // parallel to log
	changed   chan struct{} // closed and replaced on each commit, failure and recovery
	failure   error
	sessions  int64
}

// version is one state of a key; a nil value is its absence.
type version struct {
	pair    store.Pair
	deleted bool
}

// New returns an empty database at revision 1.
func New() *KV {
	return &KV{revision: 1, history: map[string][]version{}, changed: make(chan struct{})}
}

// Fail makes the database unreachable, or reachable again if err is nil. All
// leaderships end.
func (k *KV) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = err
	k.wake()
}

// Compact forgets what was before the present revision.
func (k *KV) Compact() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, versions := range k.history {
		last := versions[len(versions)-1]
		if last.deleted {
			delete(k.history, key)
			continue
		}
		k.history[key] = []version{last}
	}
	k.compacted, k.log, k.touched = k.revision, nil, nil
}

func (k *KV) wake() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// ready is to be called with the mutex held.
func (k *KV) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Unavailablef("store", "gave up waiting").Because(err)
	}
	if k.failure != nil {
		return fault.Unavailablef("store", "out of reach").Because(k.failure)
	}
	return nil
}

// at returns a key as of a revision, with the mutex held.
func (k *KV) at(key string, revision int64) (store.Pair, bool) {
	versions := k.history[key]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].pair.Modified <= revision {
			return versions[i].pair, !versions[i].deleted
		}
	}
	return store.Pair{}, false
}

// Range implements [store.KV].
func (k *KV) Range(ctx context.Context, q store.Query) (store.Page, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ready(ctx); err != nil {
		return store.Page{}, err
	}
	at := q.At
	switch {
	case at == 0:
		at = k.revision
	case at > k.revision:
		return store.Page{}, fault.Invalidf("store", "revision %d is in the future", at)
	case at < k.compacted:
		return store.Page{}, fault.NotFoundf("store", "revision %d is forgotten", at)
	}
	return k.page(q, at), nil
}

func (k *KV) page(q store.Query, at int64) store.Page {
	page := store.Page{Revision: k.revision}
	for key := range k.history {
		if !q.Holds(key) {
			continue
		}
		if p, ok := k.at(key, at); ok {
			p.Value = bytes.Clone(p.Value)
			page.Pairs = append(page.Pairs, p)
		}
	}
	slices.SortFunc(page.Pairs, func(a, b store.Pair) int {
		if q.Backward {
			a, b = b, a
		}
		return bytes.Compare([]byte(a.Key), []byte(b.Key))
	})
	if q.Limit > 0 && len(page.Pairs) > q.Limit {
		page.Pairs, page.More = page.Pairs[:q.Limit], true
	}
	return page
}

// Commit implements [store.KV].
func (k *KV) Commit(ctx context.Context, t store.Txn) (store.Outcome, error) {
	if err := t.Check(); err != nil {
		return store.Outcome{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ready(ctx); err != nil {
		return store.Outcome{}, err
	}
	return k.commit(t)
}

func (k *KV) commit(t store.Txn) (store.Outcome, error) {
	for i, c := range t.If {
		p, present := k.at(c.Key, k.revision)
		if !c.Holds(p, present) {
			return store.Outcome{Revision: k.revision, Failed: i}, nil
		}
	}
	seen := map[string]bool{}
	for _, key := range keysOf(t) {
		if seen[key] {
			return store.Outcome{}, fmt.Errorf("transaction writes %s twice", key)
		}
		seen[key] = true
	}
	next := k.revision + 1
	var touched []string
	for _, put := range t.Put {
		p := store.Pair{Key: put.Key, Value: bytes.Clone(put.Value), Created: next, Modified: next}
		if old, ok := k.at(put.Key, k.revision); ok {
			p.Created = old.Created
		}
		k.history[put.Key] = append(k.history[put.Key], version{pair: p})
		touched = append(touched, put.Key)
	}
	for _, key := range t.Delete {
		if _, ok := k.at(key, k.revision); !ok {
			continue
		}
		k.history[key] = append(k.history[key], version{pair: store.Pair{Key: key, Modified: next}, deleted: true})
		touched = append(touched, key)
	}
	if len(touched) > 0 { // as in etcd, a transaction that changes nothing makes no revision
		k.revision = next
		k.log, k.touched = append(k.log, next), append(k.touched, touched)
		k.wake()
	}
	return store.Outcome{Committed: true, Revision: k.revision}, nil
}

func keysOf(t store.Txn) []string {
	keys := slices.Clone(t.Delete)
	for _, p := range t.Put {
		keys = append(keys, p.Key)
	}
	return keys
}
