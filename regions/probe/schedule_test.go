package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
)

var refused = errors.New("connection refused")

// scripted is a prober that notes when it is asked.
type scripted struct {
	mu    sync.Mutex
	asked []time.Time
	probe func(context.Context) error
}

func (s *scripted) Probe(ctx context.Context) error {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	s.mu.Unlock()
	return s.probe(ctx)
}

func always(err error) *scripted {
	return &scripted{probe: func(context.Context) error { return err }}
}

// runSchedule runs a schedule of the given probers in a bubble.
func runSchedule(t *testing.T, check regions.Check, probers map[regions.TargetID]Prober, changed func()) (*Schedule, func()) {
	s := NewSchedule(Options{
		New: func(t regions.Target) (Prober, error) {
			if p := probers[t.ID]; p != nil {
				return p, nil
			}
			return nil, errors.New("cannot be checked")
		},
		Changed: changed, Log: slog.New(slog.DiscardHandler),
	})
	for _, err := range s.Set(targetsOf(check, probers)) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	return s, func() { cancel(); <-done }
}

func targetsOf(check regions.Check, probers map[regions.TargetID]Prober) []regions.Target {
	var all []regions.Target
	for id := range probers {
		all = append(all, regions.Target{ID: id, Check: check})
	}
	return all
}

var every = regions.Check{Kind: regions.TCP, Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond, Rise: 2, Fall: 3}

func TestChecksKeepToTheirGridAndJitterNeverAccumulates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := always(nil)
		check := every
		check.Jitter = 100 * time.Millisecond
		_, stop := runSchedule(t, check, map[regions.TargetID]Prober{"a": p}, nil)
		time.Sleep(time.Hour)
		stop()
		if n := len(p.asked); n < 7199 || n > 7201 {
			t.Errorf("%d checks in an hour, want 7200", n)
		}
		first, spread := p.asked[0], time.Duration(0)
		for i, at := range p.asked {
			off := at.Sub(first) - time.Duration(i)*check.Interval
			spread = max(spread, off.Abs())
		}
		if spread > check.Jitter || spread == 0 {
			t.Errorf("checks stray %v from their grid, want up to %v", spread, check.Jitter)
		}
	})
}

func TestATargetIsDownWithinFallIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		p := Func(func(context.Context) error {
			if dead.Load() {
				return refused
			}
			return nil
		})
		var told atomic.Int64
		s, stop := runSchedule(t, every, map[regions.TargetID]Prober{"a": p}, func() { told.Store(time.Now().UnixNano()) })
		time.Sleep(time.Minute)
		if r := s.Reports()[regions.TargetID("a").Hash()]; r.State != regions.Up {
			t.Fatalf("after a minute: %+v", r)
		}
		died := time.Now()
		dead.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r := s.Reports()[regions.TargetID("a").Hash()]
		took := r.Since.Sub(died)
		if r.State != regions.Down || r.Reason != "connection refused" || took > 3*every.Interval || took < 2*every.Interval {
			t.Errorf("%+v after %v, want down within %v", r, took, 3*every.Interval)
		}
		if told.Load() != r.Since.UnixNano() {
			t.Errorf("told at %v, want the moment it changed: %v", told.Load(), r.Since.UnixNano())
		}
		dead.Store(false)
		time.Sleep(10 * time.Second)
		if r := s.Reports()[regions.TargetID("a").Hash()]; r.State != regions.Up {
			t.Errorf("healed: %+v", r)
		}
		stop()
	})
}

func TestAHangingCheckDelaysNoOtherAndAtMostFourOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := every
		check.Timeout = 10 * time.Second // more than a valid fleet may ask for
		var inFlight, most atomic.Int32
		p := &scripted{probe: func(ctx context.Context) error {
			most.Store(max(most.Load(), inFlight.Add(1)))
			defer inFlight.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		}}
		other := always(nil)
		s, stop := runSchedule(t, check, map[regions.TargetID]Prober{"a": p, "b": other}, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := most.Load(); n != regions.MaxInFlight {
			t.Errorf("%d checks overlapped, want %d", n, regions.MaxInFlight)
		}
		if n := len(other.asked); n < 119 {
			t.Errorf("the other target was checked %d times in a minute, want 120", n)
		}
		if r := s.Reports()[regions.TargetID("a").Hash()]; r.State != regions.Down || r.Reason != "timeout after 10s" {
			t.Errorf("%+v", r)
		}
		stop()
		if n := inFlight.Load(); n != 0 {
			t.Errorf("%d checks outlive Run", n)
		}
	})
}

func TestAnOutcomeThatIsOvertakenIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := every
		check.Timeout = 4 * check.Interval
		check.Rise = 4
		var hangs atomic.Bool
		hangs.Store(true)
		p := Func(func(ctx context.Context) error {
			if hangs.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		s, stop := runSchedule(t, check, map[regions.TargetID]Prober{"a": p}, nil)
		time.Sleep(time.Minute)
		hangs.Store(false)
		time.Sleep(4 * check.Interval) // meanwhile three of the checks before time out
		synctest.Wait()
		if r := s.Reports()[regions.TargetID("a").Hash()]; r.State != regions.Up {
			t.Errorf("%+v, want up: late failures do not count against four successes", r)
		}
		stop()
	})
}

func TestAReloadKeepsWhatStaysAndBeginsAnewWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := always(refused), always(refused), always(refused)
		probers := map[regions.TargetID]Prober{"a": a, "b": b, "c": c}
		s, stop := runSchedule(t, every, probers, nil)
		time.Sleep(time.Minute)
		before := s.Reports()
		changed := every
		changed.Fall = 100
		d := always(nil)
		probers["d"] = d
		problems := s.Set([]regions.Target{{ID: "a", Check: every, Quorum: 2}, {ID: "b", Check: changed}, {ID: "d", Check: every}, {ID: "e", Check: every}})
		if len(problems) != 1 || problems[0].Error() != "target e is not checked: cannot be checked" {
			t.Errorf("problems %v", problems)
		}
		after := s.Reports()
		id := func(s string) uint64 { return regions.TargetID(s).Hash() }
		if after[id("a")] != before[id("a")] || after[id("a")].State != regions.Down {
			t.Errorf("a was forgotten: %+v", after[id("a")])
		}
		if after[id("b")].State != regions.Unknown {
			t.Errorf("b is checked otherwise now and yet believed to be %+v", after[id("b")])
		}
		if _, still := after[id("c")]; still || len(after) != 3 {
			t.Errorf("reports %v", after)
		}
		asked := len(c.asked)
		time.Sleep(10 * time.Second)
		if len(c.asked) != asked {
			t.Error("c is still checked")
		}
		if s.Reports()[id("d")].State != regions.Up {
			t.Error("d is not checked")
		}
		stop()
	})
}

func TestAfterAStallMissedChecksAreNotMadeUpFor(t *testing.T) {
	s := NewSchedule(Options{New: func(regions.Target) (Prober, error) { return always(nil), nil }, Log: slog.New(slog.DiscardHandler)})
	s.Set([]regions.Target{{ID: "a", Check: every}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now := time.Now().Add(time.Hour)
	if wait := s.launch(ctx, now); wait <= 0 || wait > 2*every.Interval {
		t.Errorf("next check in %v", wait)
	}
	s.flying.Wait()
	w := s.byID["a"]
	if n := len(w.prober.(*scripted).asked); n > 2 {
		t.Errorf("%d checks at once after a stall", n)
	}
}

func TestThousandsOfTargetsNeedFewGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probers := map[regions.TargetID]Prober{}
		var n atomic.Int64
		for i := range 5000 {
			probers[regions.TargetID(fmt.Sprintf("t%d", i))] = Func(func(context.Context) error { n.Add(1); return nil })
		}
		_, stop := runSchedule(t, every, probers, nil)
		time.Sleep(5 * time.Second)
		stop()
		if got := n.Load(); got < 49_000 || got > 51_000 {
			t.Errorf("%d checks in 5 s, want 50000", got)
		}
	})
}

// blocking is a prober that takes long to be given up, as a connection may.
type blocking struct {
	*scripted
	release chan struct{}
}

func (b blocking) close() { <-b.release }

// Whoever reads what is believed is on the way from a failure to its answer,
// and waits for no file and no connection of a changed configuration.
func TestReportsDoNotWaitForAChangeOfTargets(t *testing.T) {
	made, release := make(chan struct{}), make(chan struct{})
	s := NewSchedule(Options{New: func(target regions.Target) (Prober, error) {
		if target.ID == "slow" {
			close(made)
			<-release
		}
		return blocking{always(nil), release}, nil
	}})
	s.Set([]regions.Target{{ID: "old", Check: regions.Check{Interval: time.Second}}})
	changed := make(chan []error)
	go func() {
		changed <- s.Set([]regions.Target{{ID: "slow", Check: regions.Check{Interval: time.Second}}})
	}()
	<-made
	read := make(chan int)
	go func() { read <- len(s.Reports()) }()
	select {
	case n := <-read:
		if n != 1 {
			t.Errorf("%d targets while the change is made, want the one before", n)
		}
	case <-time.After(5 * time.Second):
		t.Error("Reports waits for a prober that is being made")
		close(release)
		<-read
		<-changed
		return
	}
	close(release)
	<-changed
	if n := len(s.Reports()); n != 1 {
		t.Errorf("%d targets after the change, want the new one", n)
	}
}
