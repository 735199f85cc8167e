package publish

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// Update is what there is to answer at one moment. The plan says which decided
// state both come from.
type Update struct {
	Zones []regions.Zone
	Plan  steer.Plan
}

// Config holds what a publisher may be told; its zero value will do.
type Config struct {
	Log     *slog.Logger // default: slog.Default
	Options []dns.Option
	// Published is called after each change of the current snapshot, by the
	// goroutine that published it and before the next change. It must be quick
	// and must not publish; it may ask for the status.
	Published func(before, after *dns.Snapshot)
}

// Publisher holds the current snapshot.
type Publisher struct {
	cfg     Config
	current atomic.Pointer[Served]
	status  atomic.Pointer[Status]
	pending chan Update   // holds at most one, the newest
	first   chan struct{} // closed once there is a snapshot

	mu       sync.Mutex // guards all below, and every store to the pointers above
	zones    map[regions.Name]*loaded
	problems []Problem
}

// loaded is a zone as it is served, and the text it was last asked to be.
type loaded struct {
	zone *zone.Zone
	hash [sha256.Size]byte // of the text that was tried last
	bad  *Problem
	// waiting is a sound zone that must not be served while blocker is
	// steered; see defend.
	waiting *zone.Zone
	blocker regions.Name
}

// New returns a publisher that serves nothing yet: [Publisher.Current] is nil,
// and package dns answers SERVFAIL from that.
func New(cfg Config) *Publisher {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	p := &Publisher{cfg: cfg, pending: make(chan Update, 1), first: make(chan struct{}), zones: make(map[regions.Name]*loaded)}
	p.status.Store(&Status{})
	return p
}

// Served is a snapshot and the plan that it was compiled from.
type Served struct {
	*dns.Snapshot
	Plan steer.Plan
}

// Current returns the snapshot to answer from. It takes no lock.
func (p *Publisher) Current() *dns.Snapshot {
	if s := p.current.Load(); s != nil {
		return s.Snapshot
	}
	return nil
}

// Served returns the snapshot that is answered from together with its plan, or
// nil. It takes no lock.
func (p *Publisher) Served() *Served { return p.current.Load() }

// Await waits until something is answered, and reports whether it is; not if
// ctx ends first.
func (p *Publisher) Await(ctx context.Context) bool {
	select {
	case <-p.first:
		return true
	case <-ctx.Done():
		return false
	}
}

// Submit hands an update to [Publisher.Run] and returns at once. One that was
// not begun yet is replaced: only the newest state matters.
func (p *Publisher) Submit(u Update) {
	for {
		select {
		case p.pending <- u:
			return
		default:
		}
		select {
		case <-p.pending:
		default:
		}
	}
}

// Run publishes what is submitted until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-p.pending:
			if err := p.Publish(u); err != nil {
				p.cfg.Log.Error("an update was not published; the answers stay as they were", "error", err)
			}
		}
	}
}

// Publish makes an update current, or says why the last good snapshot stays.
// An older generation is a Conflict. Parts that had to be left out are no
// error; they are in the status.
func (p *Publisher) Publish(u Update) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			p.cfg.Log.Error("compiling an update failed", "panic", r, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "update", "it could not be compiled: %v", r).Do("report this; the answers stay as they were")
		}
		if err != nil {
			st := p.Status()
			st.Error = err.Error()
			if fault.Is(err, fault.Conflict) {
				st.Refused++
			}
			p.status.Store(&st)
		}
	}()
	before := p.Current()
	if err := p.older(before, u.Plan); err != nil {
		return err
	}
	after, err := p.compile(before, u)
	if err != nil {
		return fmt.Errorf("compile generation %d: %w", u.Plan.Generation, err)
	}
	p.store(before, &Served{after, u.Plan})
	return nil
}

// older refuses what is behind the current snapshot. It is called with the
// lock that the store below needs too.
func (p *Publisher) older(current *dns.Snapshot, plan steer.Plan) error {
	if current == nil {
		return nil
	}
	incarnation, generation := current.Generation()
	if plan.Incarnation > incarnation || plan.Incarnation == incarnation && plan.Generation >= generation {
		return nil
	}
	return fault.Conflictf(fmt.Sprintf("generation %d.%d", plan.Incarnation, plan.Generation),
		"it is older than %d.%d, which is being answered", incarnation, generation)
}

// compile makes the snapshot, tests it, and holds back what fails.
func (p *Publisher) compile(before *dns.Snapshot, u Update) (*dns.Snapshot, error) {
	zones, changed := p.load(u.Zones, &u.Plan)
	after, err := p.snapshot(before, zones, changed, u.Plan)
	if err != nil {
		return nil, err
	}
	if before != nil && changed {
		if reverted := p.defend(before, after, &u.Plan); reverted {
			if after, err = p.snapshot(before, p.served(u.Zones), true, u.Plan); err != nil {
				return nil, err
			}
		}
	}
	if failed := selfTest(before, after, u.Plan); len(failed) > 0 {
		after = after.Holding(before, failed)
	}
	return after, nil
}

func (p *Publisher) snapshot(before *dns.Snapshot, zones []*zone.Zone, changed bool, plan steer.Plan) (after *dns.Snapshot, err error) {
	switch {
	case before == nil:
		after, err = dns.Compile(zones, plan, p.cfg.Options...)
	case changed:
		after, err = before.WithZones(zones, plan)
	default:
		after, err = before.With(plan)
	}
	if err != nil {
		return nil, err
	}
	return after.Failing(p.failing()...)
}

// store makes the snapshot current and tells about it.
func (p *Publisher) store(before *dns.Snapshot, next *Served) {
	p.current.Store(next)
	after := next.Snapshot
	if before == nil {
		close(p.first)
	}
	previous, now := p.Status(), p.describe(after, time.Now())
	now.Refused = previous.Refused
	if before == nil || before.Hash() != after.Hash() {
		names := after.Changed(before)
		p.cfg.Log.Info("answers changed", "from", previous.Hash, "to", now.Hash,
			"generation", now.Generation, "changed", len(names), "first", names[:min(len(names), 5)])
	} else {
		now.At = previous.At // the same answers for a newer generation
	}
	p.status.Store(&now)
	for _, reason := range news(previous.reasons(), now.reasons()) {
		p.cfg.Log.Warn("a part is not answered as configured", "because", reason)
	}
	if p.cfg.Published != nil {
		p.cfg.Published(before, after)
	}
}

// Status returns what is served and what had to be left out. It takes no lock.
func (p *Publisher) Status() Status { return *p.status.Load() }
