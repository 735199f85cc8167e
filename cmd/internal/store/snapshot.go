package store

import (
	"context"
	"fmt"
	"strings"

	"fairlead/regions/fault"
)

// Summary is what a snapshot says of itself.
type Summary struct {
	Revision    int64  `json:"revision"` // at which all of it was read
	Incarnation uint64 `json:"incarnation"`
	Generation  uint64 `json:"generation"`
	Number      uint64 `json:"number"` // of the newest entry of the audit trail
	Hash        string `json:"hash"`   // of that entry
}

// String reads like "generation 42 of incarnation 1 (audit entry 17)".
func (s Summary) String() string {
	return fmt.Sprintf("generation %d of incarnation %d (audit entry %d)", s.Generation, s.Incarnation, s.Number)
}

// Snapshot hands out everything that the store held at one revision, in
// portions and in the order of keys: first begin is called with what it is,
// then each with every portion. What people decide meanwhile is not in it. It
// takes leaderships out: those are of processes and not of decisions.
//
// It fails if either function does, and if the database forgets the revision
// before the end, which takes an hour.
func (s *Store) Snapshot(ctx context.Context, begin func(Summary) error, each func([]Pair) error) error {
	if err := s.ensure(ctx); err != nil {
		return fmt.Errorf("take a snapshot of the store: %w", err)
	}
	at, err := s.revision(ctx)
	if err != nil {
		return fmt.Errorf("take a snapshot of the store: %w", err)
	}
	summary, err := s.summary(ctx, at)
	if err != nil {
		return fmt.Errorf("take a snapshot of the store: %w", err)
	}
	if err := begin(summary); err != nil {
		return err
	}
	span := Prefix("")
	for {
		page, err := s.kv.Range(ctx, Query{Span: span, At: at, Limit: snapshotPage})
		if err != nil {
			return fmt.Errorf("read the store as of revision %d: %w", at, err)
		}
		var portion []Pair
		for _, p := range page.Pairs {
			if lasting(p.Key) {
				portion = append(portion, p)
			}
		}
		if len(portion) > 0 {
			if err := each(portion); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		span.From = page.Pairs[len(page.Pairs)-1].Key + "\x00"
	}
}

// snapshotPage is how many keys are read at once: a few megabytes at the most,
// as no value is larger than a chunk of a fleet.
const snapshotPage = 64

// lasting reports whether a key is part of what was decided.
func lasting(key string) bool {
	return !strings.HasPrefix(key, leadersAt) && key != restoringKey
}

func (s *Store) summary(ctx context.Context, at int64) (Summary, error) {
	head, err := s.chainHeadAt(ctx, at)
	if err != nil {
		return Summary{}, err
	}
	out := Summary{Revision: at, Number: head.Number, Hash: head.Hash}
	page, err := s.kv.Range(ctx, Query{Span: Prefix(now + "decided/"), At: at})
	if err != nil {
		return out, err
	}
	for _, p := range page.Pairs {
		switch p.Key {
		case headKey:
			out.Generation = uint64(p.Modified)
		case incarnationKey:
			if err := parse(p, &out.Incarnation); err != nil {
				return out, err
			}
		}
	}
	if out.Number == 0 || out.Incarnation == 0 {
		return out, fault.Unavailablef("store", "it is empty").Do("put a configuration in force first")
	}
	return out, nil
}
