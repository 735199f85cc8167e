package memory

import (
	"context"
	"fmt"

	"fairlead/cmd/internal/store"
)

// Lead implements [store.KV]. A term ends when its key is deleted, by
// anybody, or while the database fails.
func (k *KV) Lead(ctx context.Context, name, who string, f func(context.Context, store.Lease) error) error {
	evict := true
	for ctx.Err() == nil {
		lease, ok := k.stand(ctx, name, who, evict)
		if !ok {
			break
		}
		evict = false
		term, end := context.WithCancel(ctx)
		if !k.wait(term, func() bool { return k.first(lease) }, func() bool { return !k.stands(lease) }) {
			end()
			k.withdraw(lease)
			continue
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.wait(term, func() bool { return k.failure != nil || !k.stands(lease) }, nil)
			end()
		}()
		err := f(term, lease)
		lost := term.Err() != nil
		end()
		<-done
		k.withdraw(lease)
		if !lost {
			return err
		}
	}
	return nil
}

// stand puts a candidate's key, once the database can be reached.
func (k *KV) stand(ctx context.Context, name, who string, evict bool) (store.Lease, bool) {
	if !k.wait(ctx, func() bool { return k.failure == nil }, nil) {
		return store.Lease{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	span := store.LeaderKeys(name)
	var dead []string
	if evict {
		for _, p := range k.page(store.Query{Span: span}, k.revision).Pairs {
			if string(p.Value) == who {
				dead = append(dead, p.Key)
			}
		}
	}
	k.sessions++
	key := fmt.Sprintf("%s%016x", span.From, k.sessions)
	out, err := k.commit(store.Txn{Put: []store.Pair{{Key: key, Value: []byte(who)}}, Delete: dead})
	return store.Lease{Name: name, Who: who, Key: key, Term: out.Revision}, err == nil
}

func (k *KV) withdraw(l store.Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = k.commit(store.Txn{If: l.Guard(), Delete: []string{l.Key}}) // cannot fail here; gone already is as well
}

// stands and first are to be called with the mutex held.
func (k *KV) stands(l store.Lease) bool {
	p, ok := k.at(l.Key, k.revision)
	return ok && p.Created == l.Term
}

func (k *KV) first(l store.Lease) bool {
	if k.failure != nil || !k.stands(l) {
		return false
	}
	for _, p := range k.page(store.Query{Span: store.LeaderKeys(l.Name)}, k.revision).Pairs {
		if p.Created < l.Term {
			return false
		}
	}
	return true
}

// wait returns true when holds does, and false when ctx ends or lost holds.
func (k *KV) wait(ctx context.Context, holds, lost func() bool) bool {
	for {
		k.mu.Lock()
		changed, ok, over := k.changed, holds(), lost != nil && lost()
		k.mu.Unlock()
		switch {
		case ok:
			return true
		case over:
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}
