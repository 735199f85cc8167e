package runbooks

import (
	"fmt"
	"maps"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Execution is one run of a runbook: the fold of its journal. It has no other
// state, reads no clock and is not safe for concurrent use.
type Execution struct {
	id       ExecutionID
	position Position

	start     *Start
	by, why   string
	startedAt time.Time
	root      []Spec
	leaves    []*leaf // the planned steps, in the order written
	index     map[StepID]*leaf

	paused    bool
	undoing   bool // a person aborted or declined while everything could be taken back
	abandoned bool // a person ended the run as it stands
	stopper   string
	ended     *Event
}

// leaf is one planned step and how far it has come.
type leaf struct {
	spec      Spec
	planned   PlannedStep
	do, undo  progress
	first     Position // of its first intent; undoing goes backwards by it
	acted     bool     // it may have changed the world
	approvals []Approval
}

// progress is how far a step, or its compensation, has come.
type progress struct {
	state         StepState // pending, running, unknown, succeeded, failed or skipped
	attempt       int
	failures      int // in a row, since a person last said retry
	unclear       int // looks in a row that could not tell
	refused       bool
	lost          bool // nobody saw how an earlier run of the attempt in hand went
	interruptions int
	startedAt     time.Time
	endedAt       time.Time
	waitFrom      time.Time
	detail        string
	values        map[string]string
}

// Approval is one person's agreement.
type Approval struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// How often, and with which pauses, an engine looks again at a step whose
// outcome it could not see, before a person is asked.
const (
	maxUnclear   = 4
	unclearDelay = 250 * time.Millisecond
	maxBackoff   = time.Minute
)

// New returns an execution to which nothing has happened yet.
func New(id ExecutionID) *Execution {
	return &Execution{id: id, index: map[StepID]*leaf{}}
}

// Fold returns the execution that events add up to.
func Fold(id ExecutionID, events []Event) (*Execution, error) {
	x := New(id)
	for _, ev := range events {
		if err := x.Apply(ev); err != nil {
			return x, fmt.Errorf("event %d: %w", x.position, err)
		}
	}
	return x, nil
}

// Apply folds one event in. An event that cannot follow is refused and leaves
// the execution as it was.
func (x *Execution) Apply(ev Event) error {
	if err := x.Can(ev); err != nil {
		return err
	}
	x.fold(ev)
	x.position++
	return nil
}

// Rebase makes every wait begin at now. An engine that takes a run over calls
// it, because the times in the journal are another machine's.
func (x *Execution) Rebase(now time.Time) {
	for _, l := range x.leaves {
		for _, p := range []*progress{&l.do, &l.undo} {
			if !p.waitFrom.IsZero() {
				p.waitFrom = now
			}
		}
	}
}

func (x *Execution) fold(ev Event) {
	l := x.index[ev.Step]
	switch ev.Kind {
	case Started:
		x.begin(ev)
	case Approved:
		x.approve(l, ev)
	case Declined, Aborted:
		x.stop(ev)
	case Intended:
		x.intend(l, ev)
	case Finished:
		l.finish(ev)
	case Interrupted:
		p := l.progress(ev.Compensating)
		p.state, p.lost, p.waitFrom = StepUnknown, true, time.Time{}
		p.interruptions++
		p.detail = ev.Detail
	case Paused:
		x.paused = true
	case Resumed:
		x.paused = false
	case Retried:
		p := x.stuck(l)
		p.failures, p.unclear, p.refused, p.waitFrom = 0, 0, false, time.Time{}
	case Skipped:
		p := x.stuck(l)
		if p == nil {
			p = &l.do
		}
		l.acted = l.acted || p.mayRun() && l.planned.Changes
		p.state, p.endedAt, p.detail = StepSkipped, ev.At, fmt.Sprintf("skipped by %s: %s", ev.Principal, ev.Reason)
	case Ended:
		x.ended = &ev
	}
}

func (x *Execution) begin(ev Event) {
	x.start, x.by, x.why, x.startedAt = ev.Start, ev.Principal, ev.Reason, ev.At
	x.root = ev.Start.Runbook.Steps
	specs := map[StepID]Spec{}
	Leaves(x.root, func(s Spec, _ string) { specs[s.ID] = s })
	for _, p := range ev.Start.Plan {
		l := &leaf{spec: specs[p.Step], planned: p}
		l.do.state, l.undo.state = StepPending, StepPending
		x.leaves = append(x.leaves, l)
		x.index[p.Step] = l
	}
}

func (x *Execution) approve(l *leaf, ev Event) {
	l.approvals = append(l.approvals, Approval{ev.Principal, ev.At, ev.Reason})
	if l.do.startedAt.IsZero() {
		l.do.startedAt = ev.At
	}
	if len(l.approvals) >= l.needs() {
		l.do.state, l.do.endedAt, l.do.attempt = StepSucceeded, ev.At, 1
		l.do.detail = "approved by " + names(l.approvals)
	}
}

func (x *Execution) stop(ev Event) {
	verb := "aborted"
	if ev.Kind == Declined {
		verb = "declined"
	}
	x.stopper = fmt.Sprintf("%s by %s: %s", verb, ev.Principal, ev.Reason)
	if x.committed() || x.phase() == phaseUndoBlocked {
		x.abandoned = true
	} else {
		x.undoing = true
	}
	x.paused = false
}

func (x *Execution) intend(l *leaf, ev Event) {
	if l.first == 0 {
		l.first = x.position + 1
	}
	p := l.progress(ev.Compensating)
	if ev.Attempt != p.attempt {
		p.lost = false
	}
	p.state, p.attempt = StepRunning, ev.Attempt
	if p.startedAt.IsZero() {
		p.startedAt = ev.At
	}
	p.endedAt = time.Time{}
}

func (l *leaf) finish(ev Event) {
	p := l.progress(ev.Compensating)
	p.endedAt, p.detail = ev.At, ev.Detail
	if len(ev.Values) > 0 {
		if p.values == nil {
			p.values = map[string]string{}
		}
		maps.Copy(p.values, ev.Values)
	}
	untouched := (ev.Untouched || ev.Outcome == Refused) && !p.lost
	if l.planned.Changes && !ev.Compensating && !untouched {
		l.acted = true
	}
	switch ev.Outcome {
	case Succeeded:
		p.state, p.failures, p.unclear = StepSucceeded, 0, 0
	case Failed, Refused:
		p.state, p.waitFrom, p.unclear = StepFailed, ev.At, 0
		p.failures++
		p.refused = ev.Outcome == Refused
	case Unclear:
		p.state, p.waitFrom, p.lost = StepUnknown, ev.At, true
		p.unclear++
	}
}

func (l *leaf) progress(compensating bool) *progress {
	if compensating {
		return &l.undo
	}
	return &l.do
}

// mayRun reports whether the attempt in hand may be acting right now.
func (p *progress) mayRun() bool { return p.state == StepRunning || p.state == StepUnknown }

func (p *progress) over() bool { return p.state == StepSucceeded || p.state == StepSkipped }

func (l *leaf) needs() int { return max(l.planned.Approvals, 1) }

func (l *leaf) isApproval() bool { return l.spec.Kind == ApproveKind }

// ID returns the run's name.
func (x *Execution) ID() ExecutionID { return x.id }

// Position returns how many events have been folded in.
func (x *Execution) Position() Position { return x.position }

// Start returns what the run is, or nil before it has begun. Treat it as
// immutable.
func (x *Execution) Start() *Start { return x.start }

// Epoch returns the newest epoch that the run knows: the one the plan was
// made under, until a step has advanced it.
func (x *Execution) Epoch() regions.Epoch {
	if x.start == nil {
		return regions.Epoch{}
	}
	newest := x.start.Epoch
	for _, l := range x.leaves {
		if e, err := regions.ParseEpoch(l.do.values["epoch"]); err == nil && e.Compare(newest) > 0 {
			newest = e
		}
	}
	return newest
}

// key names one attempt. Attempts after a failure that was seen get their own
// key; one whose outcome nobody saw goes on under the one it has.
func (x *Execution) key(step StepID, compensating bool, attempt int) string {
	if compensating {
		return fmt.Sprintf("%s/%s/undo/%d", x.id, step, attempt)
	}
	return fmt.Sprintf("%s/%s/%d", x.id, step, attempt)
}

func (x *Execution) subject() string { return "run " + string(x.id) }

func (x *Execution) conflict(format string, args ...any) *fault.Error {
	return fault.Conflictf(x.subject(), format, args...)
}
