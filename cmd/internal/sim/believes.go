package sim

import (
	"slices"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
	"fairlead/regions/steer"
)

// tally is what a vantage point has really seen of a target, and what it must
// believe for that.
type tally struct {
	fails, oks int
	must       regions.State
}

func (t *tally) add(up bool) {
	if up {
		t.fails, t.oks = 0, t.oks+1
	} else {
		t.fails, t.oks = t.fails+1, 0
	}
}

// booted is called when a node begins with what its disk holds.
func (w *watch) booted(n *node) {
	w.epochs[n] = n.plan.Writers[orders]
	if n.decided != nil {
		w.heard(n, n.decided.Writers[orders].Epoch)
	}
}

func (w *watch) heard(n *node, e regions.Epoch) {
	if e.Compare(w.epochs[n]) > 0 {
		w.epochs[n] = e
	}
}

// detected holds a vantage point to its hysteresis.
func (w *watch) detected(n *node, t *regions.Target, seen *tally, r health.Report) {
	switch {
	case seen.fails >= t.Check.Fall:
		seen.must = regions.Down
	case seen.oks >= t.Check.Rise:
		seen.must = regions.Up
	}
	if r.State != seen.must {
		w.sim.breaks("a vantage point believes what it saw often enough in a row, no sooner and no later",
			"%s believes %s %v, after %d failures or %d successes in a row (fall %d, rise %d), want %v", n.id, t.ID, r.State, seen.fails, seen.oks, t.Check.Fall, t.Check.Rise, seen.must)
	}
}

// taken is called when a node takes a decided state.
func (w *watch) taken(n *node, d *regions.Decided) {
	if old := n.decided; old != nil && (d.Incarnation < old.Incarnation || d.Incarnation == old.Incarnation && d.Generation <= old.Generation) {
		w.sim.breaks("generations never go backwards", "%s takes generation %d and has %d", n.id, d.Generation, old.Generation)
	}
	w.heard(n, d.Writers[orders].Epoch)
}

// judged holds a node's step to what is promised of it.
func (w *watch) judged(n *node, was *health.Judgement, scene *health.Scene, planned *steer.Plan, now time.Time, fresh bool) {
	for i := range scene.Targets {
		w.vote(n, was, scene, &scene.Targets[i], now)
	}
	w.doubt(n, was, scene)
	w.plans(n, was, scene, planned, now)
	if fresh {
		w.answers(n)
		w.sameAsOthers(n)
	}
}

// vote counts what is said of a target by those who are heard.
func (w *watch) vote(n *node, was *health.Judgement, scene *health.Scene, t *regions.Target, now time.Time) {
	down, up, honestDown, honestUp, liars := 0, 0, 0, 0, 0
	for i := range scene.Tables {
		table := &scene.Tables[i]
		r := table.Reports[t.ID.Hash()]
		tooOld := max(2*time.Second, 3*table.Interval)
		if table.Heard.IsZero() || now.Sub(table.Heard) > tooOld || now.Sub(r.Last) > tooOld+3*t.Check.Interval+t.Check.Timeout {
			continue
		}
		lies := w.liars[table.Node]
		if lies {
			liars++
		}
		switch {
		case r.State == regions.Down:
			down++
			if !lies {
				honestDown++
			}
		case r.State.Serves():
			up++
			if !lies {
				honestUp++
			}
		}
	}
	need := int(t.Quorum)
	if need == 0 {
		need = (down+up)/2 + 1
	}
	before, is := was.Verdicts[t.ID].Measured, n.judgement.Verdicts[t.ID].Measured
	promise := ""
	switch {
	case is == regions.Down && before != regions.Down && down == 0:
		promise = "missing reports are not bad reports"
	case is == regions.Down && before != regions.Down && honestDown == 0 && honestUp > 0 && liars == 1:
		promise = "one lying vantage point takes nothing down"
	case is == regions.Down && before != regions.Down && down < need, is.Serves() && !before.Serves() && up < need:
		promise = "a verdict changes only when enough vantage points agree"
	case down >= need && is != regions.Down, up >= need && down < need && !is.Serves():
		promise = "what enough vantage points agree on is the verdict"
	}
	if promise != "" {
		w.sim.breaks(promise, "%s: %s goes from %v to %v; %d say down and %d up, %d of them must agree", n.id, t.ID, before, is, down, up, need)
	}
}

// doubt looks at regions that begin to fail at the very same moment: with
// three regions nobody outside of them can confirm that, so what was good
// stays good.
func (w *watch) doubt(n *node, was *health.Judgement, scene *health.Scene) {
	var fresh []regions.ID
	for _, r := range places {
		if failing(scene, &n.judgement, r) && !failing(scene, was, r) {
			fresh = append(fresh, r)
		}
	}
	if len(fresh) < 2 {
		return
	}
	for i := range scene.Targets {
		t := &scene.Targets[i]
		before, v := was.Verdicts[t.ID].Effective, n.judgement.Verdicts[t.ID]
		if slices.Contains(fresh, t.Region) && before.Serves() && v.Effective == regions.Down {
			w.sim.breaks("when two regions vanish at once and nobody else saw it, what was good stays good", "%s: %v vanish at once, and %s goes from %v to %v", n.id, fresh, t.ID, before, v.Effective)
		}
	}
}

// failing reports whether something in a region is down and nothing serves.
func failing(scene *health.Scene, j *health.Judgement, r regions.ID) bool {
	down := false
	for i := range scene.Targets {
		if t := &scene.Targets[i]; t.Region == r {
			v := j.Verdicts[t.ID]
			if v.Measured.Serves() {
				return false
			}
			down = down || v.Measured == regions.Down
		}
	}
	return down
}

// plans holds the plan against the one before it and against itself.
func (w *watch) plans(n *node, was *health.Judgement, scene *health.Scene, planned *steer.Plan, now time.Time) {
	s := w.sim
	if n.plan.Incarnation < planned.Incarnation || n.plan.Incarnation == planned.Incarnation && n.plan.Generation < planned.Generation {
		s.breaks("generations never go backwards", "%s plans generation %d after %d", n.id, n.plan.Generation, planned.Generation)
	}
	for _, e := range n.inbox.Epochs() {
		if verify(e) == nil {
			w.heard(n, e.Epoch)
		}
	}
	if e := n.plan.Writers[orders]; s.pair != nil && (e.Compare(w.epochs[n]) != 0 || !s.store.issued[e]) {
		s.breaks("a node goes by the newest epoch it has seen, and by none that was not decided", "%s plans with %s and has seen %s", n.id, e, w.epochs[n])
	}
	w.returns(n, planned)
	if s.figures.Judgements%8 == 0 {
		if whole, err := s.cores.Compile(s.zones, n.plan); err != nil || whole.Hash() != n.snapshot.Hash() {
			s.breaks("what is compiled step by step is what is compiled at once", "%s answers otherwise than its plan compiled anew (%v)", n.id, err)
		}
	}
	if s.figures.Judgements%4 != 0 {
		return
	}
	if again := s.cores.Judge(*was, *scene, now); !again.Same(&n.judgement) {
		s.breaks("equal inputs give equal verdicts", "%s judges the same twice, and differently", n.id)
	}
	if again := s.cores.Decide(*planned, n.world, now); !again.Same(&n.plan) {
		s.breaks("equal inputs give equal plans", "%s decides the same twice, and differently", n.id)
	}
	if again := s.cores.Decide(n.plan, n.world, now); !again.Same(&n.plan) {
		s.breaks("equal inputs give equal plans", "%s decides once more, and something moves", n.id)
	}
}

// returns looks at what comes back into answers.
func (w *watch) returns(n *node, planned *steer.Plan) {
	s := w.sim
	for _, r := range places {
		latch, was := planned.Latched[r]
		if _, is := n.plan.Latched[r]; was && !is && n.decided.Restored[r] <= latch.Generation && n.judgement.Regions[r].Withdrawn.IsZero() {
			s.breaks("a region that was out as a whole returns when a person says so", "%s lets %s back, which was taken out in generation %d and restored in %d", n.id, r, latch.Generation, n.decided.Restored[r])
		}
	}
	if n.plan.Freeze != nil && planned.Freeze != nil && n.plan.Generation == planned.Generation {
		for i := range n.plan.Names {
			p := &n.plan.Names[i]
			before, ok := planned.Name(p.Name)
			for k := range p.Standing {
				undone := !n.judgement.Regions[p.Standing[k].Region].Withdrawn.IsZero() // taken out in error, a moment ago
				if ok && p.Database == "" && p.Standing[k].In && !before.Standing[k].In && !undone {
					s.breaks("nothing returns by itself while it is frozen", "%s lets %s back", n.id, p.Standing[k].Endpoint)
				}
			}
		}
	}
	held := false
	for _, v := range n.judgement.Verdicts {
		held = held || v.Measured == regions.Down && v.Effective.Serves()
	}
	if held && !slices.ContainsFunc(n.plan.Alarms, func(a regions.Alarm) bool { return a.ID == "blind" }) {
		s.breaks("whoever doubts what it sees says so", "%s holds something up, and no alarm says that it may be blind", n.id)
	}
}
