package runbooks

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// StepView is what people see of a step.
type StepView struct {
	PlannedStep
	State         StepState
	Attempts      int // how often it was begun anew
	Interruptions int // how often an engine was lost while it ran
	Started       time.Time
	Ended         time.Time
	Duration      time.Duration // of a step that is over; 0 before
	Detail        string
	Values        map[string]string
	Approved      []Approval
	Undo          *UndoView // once its compensation has begun
}

// UndoView is what people see of a step's compensation.
type UndoView struct {
	State    StepState
	Attempts int
	Started  time.Time
	Ended    time.Time
	Detail   string
}

// Steps returns every planned step as it stands, in the order written.
func (x *Execution) Steps() []StepView {
	ready := map[StepID]bool{}
	for _, r := range x.runnable() {
		ready[r.Step] = !r.Compensating
	}
	views := make([]StepView, 0, len(x.leaves))
	for _, l := range x.leaves {
		v := StepView{PlannedStep: l.planned, State: l.do.state, Attempts: l.do.attempt, Interruptions: l.do.interruptions + l.undo.interruptions,
			Started: l.do.startedAt, Ended: l.do.endedAt, Detail: l.do.detail, Values: maps.Clone(l.do.values), Approved: slices.Clone(l.approvals)}
		switch {
		case l.undo.state == StepSucceeded:
			v.State = StepCompensated
		case l.undo.attempt > 0 && l.undo.state != StepSkipped:
			v.State = StepCompensating
		case l.isApproval() && !l.do.over() && x.atFront(l) && x.State() != RunEnded:
			v.State = StepAwaitingApproval
		case ready[l.spec.ID] && l.do.state == StepPending:
			v.State = StepReady
		}
		if l.undo.attempt > 0 {
			v.Undo = &UndoView{l.undo.state, l.undo.attempt, l.undo.startedAt, l.undo.endedAt, l.undo.detail}
		}
		if !v.Ended.IsZero() {
			v.Duration = v.Ended.Sub(v.Started)
		}
		views = append(views, v)
	}
	return views
}

// Current returns the step that the run stands at, or "" where there is none:
// what runs, failed or waits, or else what comes next.
func (x *Execution) Current() StepID {
	if x.start == nil || x.ended != nil {
		return ""
	}
	for _, l := range x.leaves {
		if l.undo.mayRun() || l.undo.state == StepFailed || x.stuck(l) != nil {
			return l.spec.ID
		}
	}
	if front := x.frontier(); len(front) > 0 {
		return front[0].spec.ID
	}
	return ""
}

// StartedBy returns who started the run.
func (x *Execution) StartedBy() string { return x.by }

// Reason returns why the run was started.
func (x *Execution) Reason() string { return x.why }

// Approvers returns who has agreed to the run's plan so far.
func (x *Execution) Approvers() []string {
	var people []string
	for _, l := range x.leaves {
		for _, a := range l.approvals {
			people = append(people, a.By)
		}
	}
	return people
}

// StartedAt returns when the run was started.
func (x *Execution) StartedAt() time.Time { return x.startedAt }

// Ended returns how and when the run ended, and false while it has not.
func (x *Execution) Ended() (Outcome, time.Time, bool) {
	if x.ended == nil {
		return "", time.Time{}, false
	}
	return x.ended.Result, x.ended.At, true
}

// Sentence says where the run stands.
func (x *Execution) Sentence() string {
	step := x.Current()
	switch x.State() {
	case RunEnded:
		return x.ended.Detail
	case RunAwaiting:
		for _, l := range x.leaves {
			if l.isApproval() && x.atFront(l) {
				return fmt.Sprintf("waits for approval of step %s: %d of %d", l.spec.ID, len(l.approvals), l.needs())
			}
		}
	case RunPaused:
		if len(x.InFlight()) > 0 {
			return fmt.Sprintf("pauses once step %s has ended", step)
		}
		return fmt.Sprintf("paused before step %s", step)
	case RunBlocked:
		p := x.stuck(x.index[step])
		if p == nil {
			break
		}
		if p == &x.index[step].undo {
			return fmt.Sprintf("taking back step %s failed: %s; retry, skip or abort", step, p.detail)
		}
		if p.state == StepUnknown {
			return fmt.Sprintf("what became of step %s cannot be seen: %s; retry (it looks first), skip or abort", step, p.detail)
		}
		return fmt.Sprintf("step %s failed: %s; retry, skip or abort", step, p.detail)
	case RunUndoing:
		if x.abandoned {
			return x.stopper + "; ends as it stands"
		}
		return "taking back what was done"
	}
	if step == "" {
		return "about to end"
	}
	return fmt.Sprintf("runs step %s", step)
}

// Receipt is what a promotion may have cost, as the last RPO gate measured it
// before anything was changed. Fields of which nothing is known are nil.
type Receipt struct {
	Step           StepID
	At             time.Time
	BytesMin       *int64
	BytesMax       *int64
	SecondsMin     *float64
	SecondsMax     *float64
	AgeSeconds     *float64 // of the measurement, when it was used
	Source         string   // who measured
	CeilingBytes   *int64
	CeilingSeconds *float64
	Sentence       string
}

// Receipt returns the run's receipt, or false if no RPO gate has passed. A
// step gives one by setting the value receipt, and the others beside it.
func (x *Execution) Receipt() (Receipt, bool) {
	for _, l := range slices.Backward(x.leaves) {
		v := l.do.values
		if v[ReceiptValue] == "" || l.do.state != StepSucceeded {
			continue
		}
		return Receipt{Step: l.spec.ID, At: l.do.endedAt, BytesMin: whole(v["bytes_min"]), BytesMax: whole(v["bytes_max"]),
			SecondsMin: decimal(v["seconds_min"]), SecondsMax: decimal(v["seconds_max"]), AgeSeconds: decimal(v["age_seconds"]),
			Source: v["source"], CeilingBytes: whole(v["ceiling_bytes"]), CeilingSeconds: decimal(v["ceiling_seconds"]), Sentence: v[ReceiptValue]}, true
	}
	return Receipt{}, false
}

// ReceiptValue is the value in which an RPO gate says in words what a
// promotion may cost.
const ReceiptValue = "receipt"

func whole(s string) *int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

func decimal(s string) *float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return &f
}
