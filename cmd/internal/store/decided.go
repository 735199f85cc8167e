package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fairlead/regions"
)

// head lies under headKey and says which fleet is in force.
type head struct {
	Content string `json:"content"` // hash of the configuration
	Blob    string `json:"blob"`    // SHA-256 of the compressed fleet, names its chunks
	Chunks  int    `json:"chunks"`
	By      string `json:"by"`
	// Before is the blob that this one replaced. It is kept for nodes that
	// are just reading it, and deleted with the next.
	Before       string `json:"before,omitempty"`
	BeforeChunks int    `json:"before_chunks,omitempty"`
}

// Decided returns what is decided, read now. Nodes that steer use [Store.Watch].
func (s *Store) Decided(ctx context.Context) (*regions.Decided, error) {
	if err := s.ensure(ctx); err != nil {
		return nil, fmt.Errorf("read what is decided: %w", err)
	}
	d, err := s.decidedNow(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what is decided: %w", err)
	}
	return d, nil
}

func (s *Store) decidedNow(ctx context.Context) (*regions.Decided, error) {
	page, err := s.kv.Range(ctx, Query{Span: Prefix(now + "decided/")})
	if err != nil {
		return nil, err
	}
	return s.compose(ctx, page.Pairs)
}

// compose makes the decided state of the keys it consists of.
func (s *Store) compose(ctx context.Context, pairs []Pair) (*regions.Decided, error) {
	d := &regions.Decided{Writers: map[regions.DatabaseID]regions.SignedEpoch{}, Restored: map[regions.ID]uint64{}}
	for _, p := range pairs {
		var err error
		switch {
		case p.Key == headKey:
			d.Generation = uint64(p.Modified)
			var h head
			if err = parse(p, &h); err == nil && h.Chunks > 0 {
				d.FleetHash = h.Content
				d.Fleet, err = s.fleets.get(ctx, s, h)
			}
		case p.Key == incarnationKey:
			err = parse(p, &d.Incarnation)
		case p.Key == clusterKey:
			err = parse(p, &d.Cluster)
		case p.Key == glassEndKey:
			d.GlassEnd = new(regions.GlassEnd)
			err = parse(p, d.GlassEnd)
		case p.Key == freezeKey:
			d.Freeze = new(regions.Freeze)
			err = parse(p, d.Freeze)
		case strings.HasPrefix(p.Key, overridesAt):
			var o regions.Override
			err = parse(p, &o)
			d.Overrides = append(d.Overrides, o)
		case strings.HasPrefix(p.Key, writersAt):
			var e regions.SignedEpoch
			err = parse(p, &e)
			d.Writers[e.Database] = e
		case strings.HasPrefix(p.Key, restoredAt):
			var r restored
			err = parse(p, &r)
			d.Restored[r.Region] = uint64(p.Modified)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(d.Overrides, func(a, b regions.Override) int {
		if c := a.From().Compare(b.From()); c != 0 {
			return c
		}
		return strings.Compare(a.ID(), b.ID())
	})
	return d, nil
}

// touch returns the write that makes a decision a new generation.
func (s *Store) touch(ctx context.Context) (Pair, head, error) {
	p, _, err := s.get(ctx, headKey)
	if err != nil {
		return Pair{}, head{}, err
	}
	var h head
	err = parse(p, &h)
	return Pair{Key: headKey, Value: p.Value, Modified: p.Modified}, h, err
}
