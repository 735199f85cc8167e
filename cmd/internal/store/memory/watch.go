package memory

import (
	"bytes"
	"context"

	"fairlead/cmd/internal/store"
)

// Watch implements [store.KV].
func (k *KV) Watch(ctx context.Context, span store.Span, from int64, f func(store.Change)) error {
	for {
		change, changed, err := k.since(ctx, span, from)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if change.Complete || len(change.Put)+len(change.Deleted) > 0 {
			f(change)
		}
		from = change.Revision + 1
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// since returns what happened to span from a revision on, and a channel that
// closes when more may have happened.
func (k *KV) since(ctx context.Context, span store.Span, from int64) (store.Change, <-chan struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ready(ctx); err != nil {
		return store.Change{}, nil, err
	}
	if from == 0 || from <= k.compacted {
		page := k.page(store.Query{Span: span}, k.revision)
		return store.Change{Revision: k.revision, Complete: true, Put: page.Pairs}, k.changed, nil
	}
	change := store.Change{Revision: max(k.revision, from-1)}
	seen := map[string]bool{}
	for i := len(k.log) - 1; i >= 0 && k.log[i] >= from; i-- {
		for _, key := range k.touched[i] {
			if !span.Holds(key) || seen[key] {
				continue
			}
			seen[key] = true
			if p, ok := k.at(key, k.revision); ok {
				p.Value = bytes.Clone(p.Value)
				change.Put = append(change.Put, p)
			} else {
				change.Deleted = append(change.Deleted, key)
			}
		}
	}
	return change, k.changed, nil
}
