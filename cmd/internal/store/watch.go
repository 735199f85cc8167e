package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// View is all that changes while people work, as of one revision. Treat it as
// immutable.
type View struct {
	Revision int64
	Decided  *regions.Decided
	Runs     []Run  // the newest first
	Entries  uint64 // number of the newest entry of the trail
}

// Status is whether decisions can be made.
type Status struct {
	Reachable bool
	Since     time.Time // when Reachable last changed, by this node's clock
	Problem   string    // a sentence, while it is not
}

// Status returns whether the database was there when it was last asked for.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Store) reached(err error) {
	next := Status{Reachable: err == nil, Since: time.Now()}
	if err != nil {
		next.Problem = err.Error()
	}
	s.mu.Lock()
	old := s.status
	if old.Reachable == next.Reachable {
		next.Since = old.Since
	}
	s.status = next
	s.mu.Unlock()
	if old.Reachable != next.Reachable {
		s.set.Log.Info("store", "reachable", next.Reachable, "was", old.Reachable, "because", next.Problem)
	}
}

// Run keeps what [Store.Watch] and its kin return up to date: one watch for
// the whole process. It returns nil when ctx ends, and an error only if this
// program can never read the database.
func (s *Store) Run(ctx context.Context) error {
	defer s.views.close()
	for wait := time.Duration(0); ctx.Err() == nil; {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if fault.Is(err, fault.Invalid) {
			return err // another version's
		}
		if s.Status().Reachable {
			wait = 0
		}
		s.reached(err)
		wait = min(2*wait+50*time.Millisecond, 2*time.Second)
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
	return nil
}

// follow mirrors what lies below now/ until the watch breaks.
func (s *Store) follow(ctx context.Context) error {
	if err := s.ensure(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	keys := map[string]Pair{}
	var view View
	err := s.kv.Watch(ctx, Prefix(now), 0, func(c Change) {
		if context.Cause(ctx) != nil {
			return
		}
		next, err := s.mirror(ctx, keys, view, c)
		if err != nil {
			stop(err)
			return
		}
		view = next
		s.reached(nil)
		s.views.publish(&next)
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// mirror applies a change to keys and makes the view of it.
func (s *Store) mirror(ctx context.Context, keys map[string]Pair, view View, c Change) (View, error) {
	if c.Complete {
		clear(keys)
	}
	for _, p := range c.Put {
		keys[p.Key] = p
	}
	for _, key := range c.Deleted {
		delete(keys, key)
	}
	view.Revision = c.Revision
	pairs := make([]Pair, 0, len(keys))
	for _, p := range keys {
		pairs = append(pairs, p)
	}
	if view.Decided == nil || view.Decided.Generation != uint64(keys[headKey].Modified) {
		d, err := s.compose(ctx, pairs)
		if err != nil {
			return view, err
		}
		view.Decided = d
	}
	if c.Complete || slices.ContainsFunc(c.Put, func(p Pair) bool { return strings.HasPrefix(p.Key, runsAt) }) {
		runs, err := runsOf(pairs)
		if err != nil {
			return view, err
		}
		view.Runs = runs
	}
	if p, ok := keys[chainHeadKey]; ok {
		var h chainHead
		if err := parse(p, &h); err != nil {
			return view, err
		}
		view.Entries = h.Number
	}
	return view, nil
}

// Latest returns the newest view that this process has, or nil. It never
// blocks.
func (s *Store) Latest() *View { return s.views.latest() }

// WatchViews returns a channel that yields the newest view, now and after each
// change. A reader that is slow misses views, never the newest. It is closed
// when ctx or [Store.Run] ends.
func (s *Store) WatchViews(ctx context.Context) <-chan *View {
	return s.views.subscribe(ctx)
}

// Watch is [Store.WatchViews] for who cares about the decided state alone: it
// yields each newer generation.
func (s *Store) Watch(ctx context.Context) <-chan *regions.Decided {
	return pickNew(ctx, s.views.subscribe(ctx), func(old, v *View) (*regions.Decided, bool) {
		return v.Decided, old == nil || v.Decided.Newer(old.Decided)
	})
}

// WatchExecutions yields the list of runs whenever one of them has moved.
func (s *Store) WatchExecutions(ctx context.Context) <-chan []Run {
	return pickNew(ctx, s.views.subscribe(ctx), func(old, v *View) ([]Run, bool) {
		return v.Runs, old == nil || !slices.Equal(old.Runs, v.Runs)
	})
}

// pickNew forwards a part of each view that differs, the newest only.
func pickNew[T any](ctx context.Context, views <-chan *View, part func(old, v *View) (T, bool)) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		var old *View
		for v := range views {
			value, differs := part(old, v)
			for differs {
				select {
				case out <- value:
					differs = false
				case newer, open := <-views:
					if !open {
						return
					}
					v = newer
					value, _ = part(nil, v)
				case <-ctx.Done():
					return
				}
			}
			old = v
		}
	}()
	return out
}

// topic is a value that many wait to see change.
type topic[T any] struct {
	mu      sync.Mutex
	value   T
	set     bool
	closed  bool
	readers map[chan T]struct{}
}

func (t *topic[T]) latest() T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value
}

func (t *topic[T]) publish(v T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value, t.set = v, true
	for c := range t.readers {
		offer(c, v)
	}
}

// offer replaces what a reader has not taken yet.
func offer[T any](c chan T, v T) {
	select {
	case <-c:
	default:
	}
	c <- v // the only writer, with the topic's mutex held: there is room
}

func (t *topic[T]) subscribe(ctx context.Context) <-chan T {
	c := make(chan T, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set {
		c <- t.value
	}
	if t.closed {
		close(c)
		return c
	}
	if t.readers == nil {
		t.readers = map[chan T]struct{}{}
	}
	t.readers[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if _, ok := t.readers[c]; ok {
			delete(t.readers, c)
			close(c)
		}
	})
	return c
}

func (t *topic[T]) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.readers {
		close(c)
	}
	t.readers = nil
}
