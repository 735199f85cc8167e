package sim

import (
	"fmt"
	"strings"
	"time"

	"fairlead/runbooks"
)

// performance is one attempt at a step, by the rules of the shipped engine:
// observe, act, verify; and after an error of an act, look.
type performance struct {
	run     *run
	command runbooks.RunStep
	step    runbooks.Step
	broken  error
	changes bool
	scope   runbooks.Scope
}

// proofLimit bounds how long a proof may be waited for. The runbooks' own
// limits are minutes, and a history is not.
const proofLimit = 6 * time.Second

func (p performance) perform(t *task) runbooks.Event {
	sc, found := runbooks.NewScope(p.scope)
	acted := p.command.Settle
	outcome, detail := runbooks.Refused, ""
	switch {
	case p.broken != nil:
		detail = p.broken.Error()
	case len(p.command.Missing) > 0:
		detail = "needs " + strings.Join(p.command.Missing, ", ")
	default:
		outcome, detail = p.attempt(t, sc, &acted)
	}
	if notes := found.Detail(); notes != "" {
		detail = strings.TrimSuffix(notes+"; "+detail, "; ")
	}
	return runbooks.Event{Kind: runbooks.Finished, Principal: runbooks.EnginePrefix + t.host.name, Step: p.command.Step, Attempt: p.command.Attempt, Key: p.command.Key, Compensating: p.command.Compensating,
		Outcome: outcome, Untouched: !acted, Detail: detail, Values: found.Values()}
}

func (p performance) attempt(t *task, sc runbooks.Scope, acted *bool) (runbooks.StepOutcome, string) {
	ctx, settle := inTask{t}, p.command.Settle
	var seen runbooks.Seen
	var err error
	if settle && t.host.sim.cores.Manner.Blind {
		seen = runbooks.NotDone
	} else {
		seen, err = p.step.Observe(ctx, sc)
	}
	switch {
	case runbooks.IsRefusal(err):
		return runbooks.Refused, err.Error()
	case err != nil && settle && p.changes:
		return runbooks.Unclear, "what was done cannot be seen: " + err.Error()
	case err != nil:
		return runbooks.Failed, "could not look: " + err.Error()
	case seen == runbooks.IsDone:
	case seen == runbooks.CannotTell && settle && p.changes:
		return runbooks.Unclear, "whether it was done cannot be seen"
	default:
		outcome, detail, untouched := p.act(ctx, sc)
		*acted = settle || !untouched
		if outcome != runbooks.Succeeded {
			return outcome, detail
		}
	}
	for until := t.host.sim.now + proofLimit; ; t.sleep(200 * time.Millisecond) {
		err := p.step.Verify(ctx, sc)
		switch {
		case err == nil:
			return runbooks.Succeeded, ""
		case !runbooks.IsNotYet(err) || t.host.sim.now >= until:
			return runbooks.Failed, "not proved: " + err.Error()
		}
	}
}

func (p performance) act(ctx inTask, sc runbooks.Scope) (outcome runbooks.StepOutcome, detail string, untouched bool) {
	err := p.step.Act(ctx, sc)
	switch {
	case err == nil:
		return runbooks.Succeeded, "", false
	case runbooks.IsRefusal(err):
		return runbooks.Refused, err.Error(), true
	case runbooks.IsNotBegun(err):
		return runbooks.Failed, err.Error(), true
	case !p.changes:
		return runbooks.Failed, err.Error(), false
	}
	sc.Fresh = false
	seen, lookErr := p.step.Observe(ctx, sc)
	switch {
	case seen == runbooks.IsDone && lookErr == nil:
		sc.Note("it is done, although it said: %v", err)
		return runbooks.Succeeded, "", false
	case seen == runbooks.NotDone && lookErr == nil:
		return runbooks.Failed, err.Error(), false
	}
	return runbooks.Unclear, fmt.Sprintf("%v; and what came of it cannot be seen", err), false
}
