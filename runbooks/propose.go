package runbooks

import (
	"time"

	"fairlead/regions/fault"
)

// Ask is what a person asks of a run.
type Ask struct {
	Operation Operation
	By        string
	Reason    string
	Step      StepID // the step meant; empty: the one that the operation can only mean
	PlanHash  string // what was approved; empty: the plan of the run, as it was just shown
}

// Propose makes the event by which a person operates the run, or says why the
// run does not take it now. The event still has to be journaled, at the
// position where x stands.
func (x *Execution) Propose(a Ask, now time.Time) (Event, error) {
	kind, ok := eventOf[a.Operation]
	if !ok {
		return Event{}, fault.Invalidf(x.subject(), "%q is no operation", a.Operation)
	}
	ev := Event{Kind: kind, At: now, Principal: a.By, Reason: a.Reason, Step: a.Step, PlanHash: a.PlanHash}
	if ev.Step == "" {
		ev.Step = x.meant(a.Operation)
	}
	if kind == Approved && ev.PlanHash == "" && x.start != nil {
		ev.PlanHash = x.start.PlanHash
	}
	if kind == Paused || kind == Resumed || kind == Aborted {
		ev.Step = ""
	}
	return ev, x.Can(ev)
}

func (x *Execution) meant(op Operation) StepID {
	switch op {
	case OpApprove, OpDecline:
		for _, l := range x.frontier() {
			if l.isApproval() {
				return l.spec.ID
			}
		}
	case OpRetry:
		for _, l := range x.leaves {
			if x.stuck(l) != nil {
				return l.spec.ID
			}
		}
	case OpSkip:
		if l := x.skippable(); l != nil {
			return l.spec.ID
		}
		return x.Current()
	}
	return ""
}
