package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Format is the version of how things lie in the database. A program refuses
// a database of a higher one.
const Format = 1

// Signer signs writer epochs.
type Signer interface {
	SignEpoch(regions.DatabaseID, regions.Epoch) (regions.SignedEpoch, error)
}

// Settings of a [Store].
type Settings struct {
	Node   string // whose clock and name stand in the entries
	Signer Signer // nil where nothing is ever decided, as on a DNS node
	// Remembered returns what this node knows of what was decided, or nil. An
	// empty database is begun from it, in the incarnation after it: no node
	// mistakes the new beginning for something old, what was held out stays
	// out, and who wrote a database still does.
	Remembered func() *regions.Decided
	// Superseded says why nothing may be decided in a store of that
	// incarnation; nil if it may, as where there is no such function.
	Superseded func(incarnation uint64) error
	// Recovering reports whether [Store.Recover] has still to be done: nothing
	// else is decided before it, which the incarnation after would not cover.
	Recovering func() bool
	// Epochs returns the writers that this node has heard of from whomever, or
	// nil. A backup that is restored brings back none that is older.
	Epochs func() []regions.SignedEpoch
	// Restoring says that a backup is to be restored: until [Store.RestoreBackup]
	// is done, this node does not begin an empty database.
	Restoring bool
	Log       *slog.Logger
}

// Store is the decided state, the runs and the trail, over a [KV]. Its
// methods may be used by many goroutines. [Store.Run] keeps what the watching
// methods return up to date; all else works without it.
type Store struct {
	kv   KV
	set  Settings
	turn chan struct{}
	sure atomic.Bool // the format was seen to be ours
	hold atomic.Bool // a backup is to be restored first

	fleets fleetCache
	views  topic[*View]

	mu     sync.Mutex
	status Status
}

// New returns a store. It reads and writes nothing yet.
func New(kv KV, s Settings) *Store {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Remembered == nil {
		s.Remembered = func() *regions.Decided { return nil }
	}
	if s.Superseded == nil {
		s.Superseded = func(uint64) error { return nil }
	}
	if s.Recovering == nil {
		s.Recovering = func() bool { return false }
	}
	if s.Epochs == nil {
		s.Epochs = func() []regions.SignedEpoch { return nil }
	}
	out := &Store{kv: kv, set: s, turn: make(chan struct{}, 1), status: Status{Since: time.Now(), Problem: "not asked yet"}}
	out.hold.Store(s.Restoring)
	return out
}

// Lead calls f while this node leads what has that name; see [KV].
func (s *Store) Lead(ctx context.Context, name string, f func(context.Context, Lease) error) error {
	return s.kv.Lead(ctx, name, s.set.Node, f)
}

// Leader returns the node that leads what has that name, or nothing.
func (s *Store) Leader(ctx context.Context, name string) (string, error) {
	page, err := s.kv.Range(ctx, Query{Span: LeaderKeys(name)})
	if err != nil {
		return "", fmt.Errorf("ask who leads %s: %w", name, err)
	}
	var first Pair
	for _, p := range page.Pairs {
		if first.Created == 0 || p.Created < first.Created {
			first = p
		}
	}
	return string(first.Value), nil
}

// format is what lies under formatKey.
type format struct {
	Format int    `json:"format"`
	By     string `json:"by"` // the node that began the store
}

// ensure makes sure that the database is one of ours, and begins it if it is
// empty.
func (s *Store) ensure(ctx context.Context) error {
	if s.sure.Load() {
		return nil
	}
	p, ok, err := s.get(ctx, formatKey)
	if err != nil {
		return err
	}
	if !ok && s.set.Signer == nil {
		return fault.Unavailablef("store", "no control node has begun it yet").Do("start a control node")
	}
	if !ok && s.hold.Load() {
		return fault.Unavailablef("store", "a backup is being restored into it").Do("wait until the log says that it is done")
	}
	if !ok {
		if err := s.begin(ctx); err != nil {
			return err
		}
		p, ok, err = s.get(ctx, formatKey)
		if err != nil || !ok {
			return errors.Join(err, errors.New("the store could not be begun"))
		}
	}
	var f format
	if err := json.Unmarshal(p.Value, &f); err != nil {
		return fault.New(fault.Internal, "store", "its format cannot be read").Because(err).Do("restore a backup")
	}
	if f.Format > Format {
		return fault.Invalidf("store", "was written by a newer version of this program (format %d, this one knows up to %d)", f.Format, Format).
			Do("use that version on every control node")
	}
	s.sure.Store(true)
	return nil
}

// get reads one key.
func (s *Store) get(ctx context.Context, key string) (Pair, bool, error) {
	page, err := s.kv.Range(ctx, Query{Span: Key(key)})
	if err != nil {
		return Pair{}, false, err
	}
	p, ok := page.One()
	return p, ok, nil
}

func (s *Store) revision(ctx context.Context) (int64, error) {
	page, err := s.kv.Range(ctx, Query{Span: Key(formatKey)})
	return page.Revision, err
}

// load reads the JSON under a key into v.
func (s *Store) load(ctx context.Context, key string, v any) (found bool, err error) {
	p, ok, err := s.get(ctx, key)
	if err != nil || !ok {
		return false, err
	}
	return true, parse(p, v)
}

func parse(p Pair, v any) error {
	if err := json.Unmarshal(p.Value, v); err != nil {
		return fault.New(fault.Internal, "store", "what lies under %s cannot be read", p.Key).Because(err).Do("restore a backup")
	}
	return nil
}
