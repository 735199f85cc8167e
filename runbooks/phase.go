package runbooks

import "slices"

// phase is what a run is busy with. It follows from the fold and is never
// stored.
type phase uint8

const (
	phaseNew         phase = iota
	phaseForward           // doing its steps
	phaseSettling          // something is in flight whose end decides what comes next
	phasePaused            // a person said so
	phaseBlocked           // a step failed for good; a person decides
	phaseUndoing           // taking back what was done
	phaseUndoBlocked       // a compensation failed for good; a person decides
	phaseStopping          // nothing is left to do but to say so
	phaseEnded
)

func (x *Execution) phase() phase {
	switch {
	case x.start == nil:
		return phaseNew
	case x.ended != nil:
		return phaseEnded
	case x.paused:
		return phasePaused
	case x.abandoned:
		return x.unlessInFlight(phaseStopping)
	case x.undoing || x.undoes():
		return x.undoPhase()
	}
	for _, l := range x.leaves {
		if !l.do.exhausted(l.spec) {
			continue
		}
		if l.do.state == StepFailed && !x.changed() && !x.committed() {
			return x.unlessInFlight(phaseStopping)
		}
		return phaseBlocked
	}
	if x.all(func(l *leaf) bool { return l.do.over() }) {
		return phaseStopping
	}
	return phaseForward
}

// undoes reports whether the runbook itself says that a failure which has
// happened is to be undone.
func (x *Execution) undoes() bool {
	return x.start.Runbook.OnFailure == Undo && x.changed() && !x.committed() && x.any(func(l *leaf) bool {
		return l.do.state == StepFailed && l.do.exhausted(l.spec)
	})
}

func (x *Execution) undoPhase() phase {
	if x.any(func(l *leaf) bool { return l.undo.exhausted(l.compensation()) }) {
		return phaseUndoBlocked
	}
	if x.any(func(l *leaf) bool { return l.do.state == StepRunning }) {
		return phaseSettling
	}
	if len(x.toUndo()) == 0 {
		return x.unlessInFlight(phaseStopping)
	}
	return phaseUndoing
}

func (x *Execution) unlessInFlight(p phase) phase {
	if x.any(func(l *leaf) bool { return l.do.state == StepRunning || l.undo.state == StepRunning }) {
		return phaseSettling
	}
	return p
}

// toUndo returns the steps still to be compensated, the latest first.
func (x *Execution) toUndo() []*leaf {
	var steps []*leaf
	for _, l := range x.leaves {
		if l.mayHaveActed() && l.spec.Compensate != nil && !l.undo.over() {
			steps = append(steps, l)
		}
	}
	slices.SortFunc(steps, func(a, b *leaf) int { return int(b.first) - int(a.first) })
	return steps
}

func (l *leaf) mayHaveActed() bool { return l.acted || l.planned.Changes && l.do.mayRun() }

func (l *leaf) compensation() Spec {
	if l.spec.Compensate == nil {
		return Spec{}
	}
	return *l.spec.Compensate
}

// exhausted reports whether only a person can get p any further.
func (p *progress) exhausted(s Spec) bool {
	return p.state == StepFailed && (p.refused || p.failures > s.Retries) || p.state == StepUnknown && p.unclear >= maxUnclear
}

// changed reports whether the run may have changed the world.
func (x *Execution) changed() bool { return x.any((*leaf).mayHaveActed) }

// committed reports whether the run may be past a point of no return.
func (x *Execution) committed() bool {
	return x.any(func(l *leaf) bool {
		return l.planned.NoReturn && (l.mayHaveActed() || l.do.state == StepSucceeded)
	})
}

// stuck returns the part of l that waits for a person, or nil.
func (x *Execution) stuck(l *leaf) *progress {
	switch {
	case l == nil:
		return nil
	case x.phase() == phaseUndoBlocked && l.undo.exhausted(l.compensation()):
		return &l.undo
	case x.phase() == phaseBlocked && l.do.exhausted(l.spec):
		return &l.do
	}
	return nil
}

// frontier returns the steps whose turn it is, in the order written.
func (x *Execution) frontier() []*leaf { return x.frontOf(x.root) }

func (x *Execution) frontOf(specs []Spec) []*leaf {
	for _, s := range specs {
		if front := x.front(s); len(front) > 0 {
			return front
		}
	}
	return nil
}

func (x *Execution) front(s Spec) []*leaf {
	switch {
	case len(s.Sequence) > 0:
		return x.frontOf(s.Sequence)
	case len(s.Parallel) > 0:
		var all []*leaf
		for _, branch := range s.Parallel {
			all = append(all, x.front(branch)...)
		}
		return all
	}
	if l := x.index[s.ID]; l != nil && !l.do.over() {
		return []*leaf{l}
	}
	return nil // over, or not planned
}

func (x *Execution) any(f func(*leaf) bool) bool { return slices.ContainsFunc(x.leaves, f) }

func (x *Execution) all(f func(*leaf) bool) bool {
	return !x.any(func(l *leaf) bool { return !f(l) })
}
