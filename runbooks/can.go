package runbooks

import (
	"fmt"
	"strings"

	"fairlead/regions/fault"
)

// Can says why an event cannot follow, or nil if it can.
func (x *Execution) Can(ev Event) error {
	switch {
	case ev.Principal == "":
		return fault.Invalidf(x.subject(), "an event of kind %q names nobody who did it", ev.Kind)
	case ev.Kind == Started:
		return x.canStart(ev)
	case x.start == nil:
		return x.conflict("nothing can happen to it before it has started, not even %q", ev.Kind)
	case x.ended != nil:
		return x.conflict("it has ended (%s), so nothing can happen to it any more", x.ended.Result).Do("start another run")
	}
	if op, ok := operationOf[ev.Kind]; ok {
		return x.canOperate(op, ev)
	}
	switch ev.Kind {
	case Intended:
		return x.canIntend(ev)
	case Finished, Interrupted:
		return x.canFinish(ev)
	case Ended:
		return x.canEnd(ev)
	}
	return fault.Invalidf(x.subject(), "an event of kind %q is not known", ev.Kind)
}

func (x *Execution) canStart(ev Event) error {
	switch {
	case x.start != nil:
		return x.conflict("it has started before")
	case ev.Start == nil || len(ev.Start.Plan) == 0:
		return fault.Invalidf(x.subject(), "it begins without a plan")
	}
	written := map[StepID]bool{}
	Leaves(ev.Start.Runbook.Steps, func(s Spec, _ string) { written[s.ID] = true })
	for _, p := range ev.Start.Plan {
		if !written[p.Step] {
			return fault.Invalidf(x.subject(), "its plan has the step %s, which its runbook has not, or has only once", p.Step)
		}
		delete(written, p.Step)
	}
	return nil
}

// canIntend holds the engine to the order of the runbook: only what Next
// offers may be intended.
func (x *Execution) canIntend(ev Event) error {
	for _, c := range x.runnable() {
		if c.Step == ev.Step && c.Compensating == ev.Compensating {
			if c.Attempt != ev.Attempt || c.Key != ev.Key {
				return x.conflict("step %s is to be tried as attempt %d under %s, not as %d under %s", ev.Step, c.Attempt, c.Key, ev.Attempt, ev.Key)
			}
			return nil
		}
	}
	return x.conflict("it is not the turn of step %s", ev.Step)
}

func (x *Execution) canFinish(ev Event) error {
	l := x.index[ev.Step]
	if l == nil {
		return fault.NotFoundf(x.subject(), "its plan has no step %s", ev.Step)
	}
	p := l.progress(ev.Compensating)
	switch {
	case p.state != StepRunning:
		return x.conflict("step %s is not running but %s", ev.Step, p.state)
	case p.attempt != ev.Attempt || x.key(ev.Step, ev.Compensating, p.attempt) != ev.Key:
		return x.conflict("step %s runs as attempt %d, not as attempt %d under %s", ev.Step, p.attempt, ev.Attempt, ev.Key)
	case ev.Kind == Interrupted:
		return nil
	}
	switch ev.Outcome {
	case Succeeded, Failed, Refused, Unclear:
		return nil
	}
	return fault.Invalidf(x.subject(), "%q is no outcome of a step", ev.Outcome)
}

func (x *Execution) canEnd(ev Event) error {
	if x.phase() != phaseStopping {
		return x.conflict("it cannot end yet")
	}
	if want, _ := x.outcome(); ev.Result != want {
		return x.conflict("it ends as %s, not as %q", want, ev.Result)
	}
	return nil
}

func (x *Execution) canOperate(op Operation, ev Event) error {
	if !x.tabled(op) {
		return x.denial(op)
	}
	l := x.index[ev.Step]
	switch op {
	case OpApprove, OpDecline:
		if l == nil || !l.isApproval() || !x.atFront(l) {
			return x.conflict("step %q does not wait for an approval", ev.Step).Do("approve %s", x.awaiting())
		}
		if op == OpApprove {
			return x.canApprove(l, ev)
		}
	case OpRetry:
		if x.stuck(l) == nil {
			return x.conflict("step %q has not failed for good, so there is nothing to try again", ev.Step)
		}
	case OpSkip:
		if err := x.canSkip(l, ev); err != nil {
			return err
		}
	}
	if ev.Reason == "" && (op == OpDecline || op == OpSkip || op == OpAbort) {
		return fault.Invalidf(x.subject(), "%s needs a reason", op).Do("say why, for those who read this tonight")
	}
	return nil
}

// canApprove is the rule of the second pair of eyes: so many distinct people,
// none of them the one who started the run, who agreed to this very plan.
func (x *Execution) canApprove(l *leaf, ev Event) error {
	switch {
	case strings.HasPrefix(ev.Principal, EnginePrefix):
		return fault.Deniedf(x.subject(), "a machine cannot approve it")
	case strings.EqualFold(ev.Principal, x.by):
		return fault.Deniedf(x.subject(), "whoever started a run may not approve it").Do("ask another person")
	case ev.PlanHash != x.start.PlanHash:
		return x.conflict("the approval is for another plan").Do("look at the plan again, then approve what it says now")
	}
	for _, a := range l.approvals {
		if strings.EqualFold(a.By, ev.Principal) {
			return x.conflict("%s has approved step %s already", a.By, l.spec.ID).Do("%d more people must, each once", l.needs()-len(l.approvals))
		}
	}
	return nil
}

func (x *Execution) canSkip(l *leaf, ev Event) error {
	if l == nil {
		return fault.NotFoundf(x.subject(), "its plan has no step %q", ev.Step)
	}
	if x.phase() == phaseUndoBlocked {
		if x.stuck(l) == nil {
			return x.conflict("undoing step %s has not failed for good", ev.Step)
		}
		return nil
	}
	switch {
	case l.planned.Guard || l.planned.NoReturn || l.isApproval():
		return fault.Deniedf(x.subject(), "what follows relies on step %s, so it cannot be skipped", ev.Step).Do("retry it, or abort the run")
	case x.stuck(l) != nil:
		return nil
	case !x.atFront(l):
		return x.conflict("it is not the turn of step %s", ev.Step)
	case l.planned.Changes:
		return x.conflict("step %s has not failed for good", ev.Step).Do("let it end first")
	}
	return nil
}

func (x *Execution) atFront(l *leaf) bool {
	for _, f := range x.frontier() {
		if f == l {
			return true
		}
	}
	return false
}

func (x *Execution) awaiting() string {
	for _, l := range x.frontier() {
		if l.isApproval() {
			return string(l.spec.ID)
		}
	}
	return "nothing: no step waits for one"
}

// EnginePrefix begins the names of principals that are machines.
const EnginePrefix = "engine@"

func names(approvals []Approval) string {
	var all []string
	for _, a := range approvals {
		all = append(all, a.By)
	}
	return strings.Join(all, " and ")
}

// denial explains why an operation is not in the table now.
func (x *Execution) denial(op Operation) error {
	state := x.State()
	err := x.conflict("it is %s, so it cannot take %s", state, op)
	switch {
	case op == OpAbort && state == RunRunning:
		return x.conflict("it is past the point of no return, so it cannot be aborted").
			Do("let it finish; if it must stop here, pause it, and then abort to leave everything as it stands")
	case op == OpAbort && state == RunUndoing:
		return err.Do("what was done is being taken back already; let that finish")
	}
	if allowed := x.Allowed(); len(allowed) > 0 {
		return err.Do("it takes %s", fmt.Sprint(allowed))
	}
	return err.Do("wait until it has ended")
}
