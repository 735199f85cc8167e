package probe

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// Options of a Schedule. The zero value is good.
type Options struct {
	Dial DialFunc // nil: the network
	// New makes a target's prober; nil means [New] with Dial. Tests use it.
	New func(regions.Target) (Prober, error)
	// Changed is called, by a goroutine of the schedule, when the belief in
	// any target has changed. It must not block.
	Changed func()
	Log     *slog.Logger // nil: slog.Default
}

// Schedule checks many targets on time and keeps what is believed of them.
type Schedule struct {
	opts Options
	wake chan struct{}

	flying sync.WaitGroup // checks

	// setting is held by Set alone, also while it reads files and closes
	// connections. It guards writing byID and targets, together with mu.
	setting sync.Mutex

	mu    sync.Mutex // never held during I/O: whoever judges reads what it guards
	queue queue      // of watches, the next one to check first
	byID  map[regions.TargetID]*watch
}

// watch is one target under check. Its fields are guarded by the schedule's
// mu.
type watch struct {
	target   regions.Target
	prober   Prober
	detector *health.Detector
	slot     time.Time // beginning of the current slot of the grid
	due      time.Time // in that slot
	index    int       // in the queue, -1 when it is in none
	inFlight int
	latest   time.Time // when the newest check began whose outcome is known
}

// NewSchedule makes a schedule without targets.
func NewSchedule(o Options) *Schedule {
	if o.New == nil {
		o.New = func(t regions.Target) (Prober, error) { return New(t, o.Dial) }
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Schedule{opts: o, wake: make(chan struct{}, 1), byID: map[regions.TargetID]*watch{}}
}

// Set replaces the targets. What is believed of a target that stays as it was
// is kept, and so is its place in time; any other begins anew. A target that
// cannot be checked at all is refused with a reason, and the others are
// checked all the same.
func (s *Schedule) Set(targets []regions.Target) []error {
	s.setting.Lock()
	defer s.setting.Unlock()
	next, problems := s.watches(targets)
	for _, w := range s.replace(next, targets) {
		if c, ok := w.prober.(interface{ close() }); ok {
			c.close()
		}
	}
	s.poke()
	return problems
}

// watches returns a watch for each target: the one there is if the target is
// checked as before, or a new one. Making a prober may read files, so it is
// done without mu.
func (s *Schedule) watches(targets []regions.Target) (next map[regions.TargetID]*watch, problems []error) {
	next = make(map[regions.TargetID]*watch, len(targets))
	for _, t := range targets {
		if old, ok := s.byID[t.ID]; ok && sameCheck(old.target, t) { // only Set writes these
			next[t.ID] = old
			continue
		}
		prober, err := s.opts.New(t)
		if err != nil {
			problems = append(problems, fmt.Errorf("target %s is not checked: %w", t.ID, err))
			continue
		}
		next[t.ID] = &watch{target: t, prober: prober, detector: health.NewDetector(t.Check.Rise, t.Check.Fall), index: -1}
	}
	return next, problems
}

// replace puts the watches in place of those before, and returns the ones that
// have ended. Checks of them that are in flight find nobody to tell.
func (s *Schedule) replace(next map[regions.TargetID]*watch, targets []regions.Target) (ended []*watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range targets {
		if w := next[t.ID]; w != nil {
			w.target = t // in its mode or quorum it may be another one
		}
	}
	for id, old := range s.byID {
		if next[id] != old {
			if old.index >= 0 {
				heap.Remove(&s.queue, old.index)
			}
			ended = append(ended, old)
		}
	}
	now := time.Now()
	for _, w := range next {
		if w.index < 0 {
			w.slot = now.Add(-rand.N(max(w.target.Check.Interval, 1)))
			w.advance()
			heap.Push(&s.queue, w)
		}
	}
	s.byID = next
	return ended
}

// sameCheck reports whether a target is checked as before. Targets have no
// pointers or slices, so this is a plain comparison.
func sameCheck(a, b regions.Target) bool {
	a.Quorum, a.Mode = b.Quorum, b.Mode
	return a == b
}

// advance moves to the next slot. Jitter shifts the check inside it and never
// accumulates.
func (w *watch) advance() {
	w.slot = w.slot.Add(w.target.Check.Interval)
	w.due = w.slot
	if w.target.Check.Jitter > 0 {
		w.due = w.due.Add(rand.N(w.target.Check.Jitter))
	}
}

func (s *Schedule) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run checks the targets until ctx ends and every check in flight has ended.
func (s *Schedule) Run(ctx context.Context) error {
	defer s.flying.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := s.launch(ctx, time.Now())
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// launch starts every check that is due and returns how long until the next.
func (s *Schedule) launch(ctx context.Context, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		w := s.queue[0]
		if wait := w.due.Sub(now); wait > 0 {
			return wait
		}
		if w.inFlight < regions.MaxInFlight {
			w.inFlight++
			timeout := w.target.Check.Timeout
			s.flying.Go(func() { s.check(ctx, w, now, timeout) })
		}
		w.advance()
		// After a stall, such as a suspended machine, the slots that passed
		// are not made up for.
		if late := now.Sub(w.slot); late > w.target.Check.Interval {
			w.slot = w.slot.Add(late.Truncate(max(w.target.Check.Interval, 1)))
			w.due = w.slot
		}
		heap.Fix(&s.queue, 0)
	}
	return time.Hour
}

// check makes one check and takes its outcome in.
func (s *Schedule) check(ctx context.Context, w *watch, began time.Time, timeout time.Duration) {
	o, ended := observe(ctx, w.prober, timeout)
	s.mu.Lock()
	w.inFlight--
	if ended || s.byID[w.target.ID] != w || !began.After(w.latest) {
		s.mu.Unlock()
		return
	}
	w.latest = began
	before := w.detector.Report()
	after := w.detector.Observe(o)
	target := w.target
	s.mu.Unlock()
	if before.State != after.State {
		s.opts.Log.Info("target changed", "target", target.ID, "from", before.State, "to", after.State, "because", after.Reason)
	}
	if before.State != after.State || before.Reason != after.Reason {
		s.opts.Changed()
	}
}

// observe makes one check within its timeout. ended says that ctx ended
// before the check did, so that its outcome means nothing.
func observe(ctx context.Context, p Prober, timeout time.Duration) (o health.Observation, ended bool) {
	began := time.Now()
	in, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var note string
	var err error
	if n, ok := p.(noter); ok {
		note, err = n.ProbeNote(in)
	} else {
		err = p.Probe(in)
	}
	now := time.Now()
	o = health.Observation{At: now, State: regions.Up, Latency: now.Sub(began), Reason: note}
	if err != nil {
		if ctx.Err() != nil {
			return o, true
		}
		o.State, o.Reason = regions.Down, reason(err, in.Err() != nil, timeout)
		if _, degraded := err.(Degraded); degraded {
			o.State = regions.Degraded
		}
	}
	return o, false
}

// Reports returns what is believed now, by the targets' hashes: the part of a
// [health.Table] that this schedule knows.
func (s *Schedule) Reports() map[uint64]health.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[uint64]health.Report, len(s.byID))
	for id, w := range s.byID {
		all[id.Hash()] = w.detector.Report()
	}
	return all
}

// queue is a heap of watches by when they are due.
type queue []*watch

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, k int) bool { return q[i].due.Before(q[k].due) }
func (q queue) Swap(i, k int) {
	q[i], q[k] = q[k], q[i]
	q[i].index, q[k].index = i, k
}

func (q *queue) Push(x any) {
	w := x.(*watch)
	w.index = len(*q)
	*q = append(*q, w)
}

func (q *queue) Pop() any {
	old := *q
	w := old[len(old)-1]
	w.index = -1
	*q = old[:len(old)-1]
	return w
}
