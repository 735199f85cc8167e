package judge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/health"
	"fairlead/regions/steer"
)

// Config wires a Judge. All functions must be quick and safe to call from the
// judge's goroutine.
type Config struct {
	Node   regions.NodeID
	Region regions.ID
	// Expected are the other nodes that probe. One that was never heard counts
	// as a silent voice; one that is not expected counts only while it is
	// heard.
	Expected []regions.NodeID

	// Own returns this node's own table; nil if it does not probe.
	Own func() health.Table
	// Heard returns the tables of other nodes; nil if it hears nobody.
	Heard func() []health.Table
	// Epochs returns epochs that came by the feed, which nobody has verified
	// yet; nil if none can come.
	Epochs func() []regions.SignedEpoch
	// Verify says whether an epoch was signed by a node of this cluster that
	// may. Nil refuses every epoch that came by the feed.
	Verify func(regions.SignedEpoch) error
	// Sink is handed each view that says something new. It runs in the
	// judge's goroutine: what it does delays the next judgement.
	Sink func(*View)

	Memory Memory        // of the last run
	Window time.Duration // see [health.Scene]
	Log    *slog.Logger  // nil: slog.Default
}

// Judge believes and plans. Its methods are safe for concurrent use.
type Judge struct {
	config  Config
	wake    chan struct{}
	decided atomic.Pointer[regions.Decided]
	glass   atomic.Pointer[regions.BreakGlass]
	view    atomic.Pointer[View]

	// Only Run's goroutine touches what follows.
	judgement health.Judgement
	targets   []regions.Target
	fleet     *regions.Fleet // that targets are of
	refused   map[regions.DatabaseID]regions.Epoch
}

const (
	calm  = time.Second           // the longest time between two judgements
	pause = 20 * time.Millisecond // the shortest
	// A judgement that takes long, in a large fleet on a small machine, may
	// use a fifth of the time, not all of it.
	restful = 4
)

// New makes a judge that remembers the last run.
func New(c Config) (*Judge, error) {
	if c.Node == "" {
		return nil, fault.Invalidf("judge", "needs the name of its node")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Sink == nil {
		c.Sink = func(*View) {}
	}
	j := &Judge{config: c, wake: make(chan struct{}, 1), refused: map[regions.DatabaseID]regions.Epoch{}}
	j.judgement = c.Memory.judgement()
	j.view.Store(&View{Verdicts: j.judgement.Verdicts, Regions: j.judgement.Regions, memory: j.judgement.Memory, Plan: c.Memory.plan(), Epochs: map[regions.DatabaseID]regions.SignedEpoch{}})
	return j, nil
}

// View returns what is believed now. It is never nil.
func (j *Judge) View() *View { return j.view.Load() }

// Epochs returns the newest epoch known of each database, by name, however it
// came: what this node's feed passes on.
func (j *Judge) Epochs() []regions.SignedEpoch {
	known := j.View().Epochs
	all := make([]regions.SignedEpoch, 0, len(known))
	for _, db := range slices.Sorted(maps.Keys(known)) {
		all = append(all, known[db])
	}
	return all
}

// Decided hands in a decided state. One that is not later than the newest
// known is ignored.
func (j *Judge) Decided(d *regions.Decided) {
	for {
		old := j.decided.Load()
		if !d.Newer(old) {
			return
		}
		if j.decided.CompareAndSwap(old, d) {
			j.Poke()
			return
		}
	}
}

// BreakGlass hands in what people have ordered past the store; nil: nothing.
func (j *Judge) BreakGlass(b *regions.BreakGlass) {
	j.glass.Store(b)
	j.Poke()
}

// Poke says that there is something new to judge.
func (j *Judge) Poke() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Run judges until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	rest := pause
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-j.wake:
			if early := rest - time.Since(last); !last.IsZero() && early > 0 {
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(early):
				}
			}
		}
		began := time.Now()
		j.step(began)
		last = time.Now()
		rest = min(max(pause, restful*last.Sub(began)), calm)
		timer.Reset(calm)
	}
}

// step judges and plans once.
func (j *Judge) step(now time.Time) {
	before, d := j.View(), j.decided.Load()
	if d == nil || d.Fleet == nil {
		next := *before
		next.At = now
		j.view.Store(&next)
		return
	}
	if d.Fleet != j.fleet {
		j.fleet, j.targets = d.Fleet, d.Fleet.Targets()
	}
	tables := j.tables(now)
	was := j.judgement
	j.judgement = was.Next(health.Scene{Targets: j.targets, Tables: tables, Window: j.config.Window}, now)
	next := &View{At: now, Decided: d, Verdicts: j.judgement.Verdicts, Regions: j.judgement.Regions,
		Epochs: j.newest(before.Epochs, d), Peers: peers(tables, j.config.Node, now), memory: j.judgement.Memory}
	next.World = steer.World{
		Incarnation: d.Incarnation, Generation: d.Generation, Fleet: d.Fleet,
		Verdicts: next.Verdicts, Regions: next.Regions, Alarms: j.judgement.Alarms,
		Writers: writers(next.Epochs), Overrides: d.Overrides, Restored: d.Restored, Freeze: d.Freeze,
		BreakGlass: j.glass.Load().After(d.GlassEnd),
	}
	next.Plan = steer.Decide(before.Plan, next.World, now)
	next.Alarms = next.Plan.Alarms
	next.Changed = next.Plan.Changed(&before.Plan)
	fresh := before.Decided != d || !was.Same(&j.judgement) || !next.Plan.Same(&before.Plan) || !maps.EqualFunc(before.Epochs, next.Epochs, sameEpoch)
	if fresh {
		j.log(before, next)
	}
	j.view.Store(next)
	if fresh {
		j.config.Sink(next)
	}
}

// tables gathers what every vantage point says, in the order of their names.
func (j *Judge) tables(now time.Time) []health.Table {
	var all []health.Table
	if j.config.Own != nil {
		own := j.config.Own()
		own.Node, own.Region, own.Heard = j.config.Node, j.config.Region, now
		all = append(all, own)
	}
	if j.config.Heard != nil {
		for _, t := range j.config.Heard() {
			expected := slices.Contains(j.config.Expected, t.Node)
			if t.Node != j.config.Node && (expected || !t.Silent(now)) {
				all = append(all, t)
			}
		}
	}
	for _, n := range j.config.Expected {
		if !slices.ContainsFunc(all, func(t health.Table) bool { return t.Node == n }) {
			all = append(all, health.Table{Node: n})
		}
	}
	slices.SortFunc(all, func(a, b health.Table) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// newest merges the epochs of the decided state and of the feed into those
// known. What comes by the feed has to be verified, and is only if it is news.
func (j *Judge) newest(known map[regions.DatabaseID]regions.SignedEpoch, d *regions.Decided) map[regions.DatabaseID]regions.SignedEpoch {
	var next map[regions.DatabaseID]regions.SignedEpoch
	learn := func(e regions.SignedEpoch) {
		if next == nil {
			next = maps.Clone(known)
		}
		next[e.Database] = e
	}
	at := func(db regions.DatabaseID) (regions.SignedEpoch, bool) {
		if next != nil {
			e, ok := next[db]
			return e, ok
		}
		e, ok := known[db]
		return e, ok
	}
	for db, e := range d.Writers {
		if old, ok := at(db); !ok || e.Epoch.Compare(old.Epoch) > 0 {
			e.Database = db
			learn(e)
		}
	}
	if j.config.Epochs != nil {
		for _, e := range j.config.Epochs() {
			if old, ok := at(e.Database); ok && e.Epoch.Compare(old.Epoch) <= 0 {
				continue
			}
			if err := j.verify(e); err != nil {
				if j.refused[e.Database] != e.Epoch {
					j.refused[e.Database] = e.Epoch
					j.config.Log.Error("epoch refused", "database", e.Database, "epoch", e.Epoch.String(), "err", err)
				}
				continue
			}
			learn(e)
		}
	}
	if next == nil {
		return known
	}
	return next
}

func (j *Judge) verify(e regions.SignedEpoch) error {
	if j.config.Verify == nil {
		return fmt.Errorf("epoch %v of database %s came by the feed, and nobody here can verify it", e.Epoch, e.Database)
	}
	return j.config.Verify(e)
}

func writers(epochs map[regions.DatabaseID]regions.SignedEpoch) map[regions.DatabaseID]regions.Epoch {
	all := make(map[regions.DatabaseID]regions.Epoch, len(epochs))
	for db, e := range epochs {
		all[db] = e.Epoch
	}
	return all
}

func sameEpoch(a, b regions.SignedEpoch) bool { return a.Epoch == b.Epoch }

// maxTold bounds how many targets are logged one by one when a region goes.
const maxTold = 20

// log tells what changed, from and to and why.
func (j *Judge) log(before, next *View) {
	told := 0
	for id, v := range next.Verdicts {
		if old := before.Verdicts[id]; old.Effective != v.Effective {
			if told++; told > maxTold {
				continue
			}
			j.config.Log.Info("verdict changed", "target", id, "from", old.Effective, "to", v.Effective, "measured", v.Measured, "because", v.Because)
		}
	}
	if told > maxTold {
		j.config.Log.Info("more verdicts changed", "targets", told-maxTold)
	}
	for _, r := range next.Plan.Regions {
		i := slices.IndexFunc(before.Plan.Regions, func(o steer.RegionView) bool { return o.Region == r.Region })
		if i < 0 || before.Plan.Regions[i].Effective != r.Effective || before.Plan.Regions[i].Latched != r.Latched {
			j.config.Log.Info("region changed", "region", r.Region, "measured", r.Measured, "effective", r.Effective, "latched", r.Latched, "because", r.Because)
		}
	}
	if n := len(next.Changed); n > 0 {
		j.config.Log.Info("answers changed", "names", n, "first", next.Changed[0], "generation", next.Plan.Generation)
	}
}
