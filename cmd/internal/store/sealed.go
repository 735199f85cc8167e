package store

import (
	"context"
	"errors"
	"fmt"

	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// ErrMoved says that a run stands elsewhere by now than whoever wrote
// believed.
var ErrMoved = errors.New("the run has gone on")

// Sealed is an event of a run and the entry of the chain that seals it.
type Sealed struct {
	Number uint64
	Hash   string
	Event  runbooks.Event
}

// Journal returns a run's journal with its places in the chain.
func (s *Store) Journal(ctx context.Context, id runbooks.ExecutionID) ([]Sealed, error) {
	page, err := s.kv.Range(ctx, Query{Span: Prefix(journalOf(id))})
	if err != nil {
		return nil, fmt.Errorf("read the journal of run %s: %w", id, err)
	}
	if len(page.Pairs) == 0 {
		return nil, fault.NotFoundf("run "+string(id), "there is no such run").Do("see fairlead execution list")
	}
	all := make([]Sealed, len(page.Pairs))
	waiting := map[string]int{}
	for i, p := range page.Pairs {
		if err := parse(p, &all[i].Event); err != nil {
			return nil, err
		}
		waiting[p.Key] = i
	}
	next, err := s.entryAt(ctx, page.Pairs[0].Created)
	for ; err == nil && len(waiting) > 0; next += auditPage {
		var entries []Entry
		entries, _, err = s.Audit(ctx, int64(next), auditPage)
		for _, e := range entries {
			if i, ours := waiting[e.DataKey]; ours {
				all[i].Number, all[i].Hash = e.Number, e.Hash
				delete(waiting, e.DataKey)
			}
		}
		if len(entries) < auditPage {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find run %s in the audit trail: %w", id, err)
	}
	return all, nil
}

// entryAt returns the number of the first entry that was written at a revision
// or later. Entries are numbered in the order of their revisions, so it halves
// its way there.
func (s *Store) entryAt(ctx context.Context, revision int64) (uint64, error) {
	head, err := s.chainHead(ctx)
	if err != nil {
		return 0, err
	}
	low, high := uint64(1), head.Number
	for low < high {
		middle := low + (high-low)/2
		p, ok, err := s.get(ctx, chainKey(middle))
		switch {
		case err != nil:
			return 0, err
		case !ok:
			return 0, broken(middle, "is missing")
		case p.Modified < revision:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, nil
}
