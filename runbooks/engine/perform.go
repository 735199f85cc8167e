package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"fairlead/runbooks"
)

var errPointless = errors.New("it is no longer wanted")

// Pauses between two requests for a proof, and how long a last look may take
// once a step's own time is up.
const (
	quickProof = 5 * time.Millisecond
	slowProof  = 100 * time.Millisecond
	lastLook   = 5 * time.Second
)

// performance is one attempt at a step: observe, act, verify.
type performance struct {
	command runbooks.RunStep
	step    runbooks.Step
	broken  error // why the step could not be made
	changes bool
	scope   runbooks.Scope
	log     *slog.Logger
}

// perform returns the outcome as the event to be journaled. It never panics.
func (p performance) perform(ctx context.Context) (ev runbooks.Event) {
	sc, found := runbooks.NewScope(p.scope)
	acted := p.command.Settle
	outcome, detail := runbooks.Failed, ""
	defer func() {
		if bug := recover(); bug != nil {
			outcome, detail = runbooks.Failed, fmt.Sprintf("a bug in the step: %v", bug)
			if acted && p.changes {
				outcome = runbooks.Unclear
			}
			p.log.Error("step panicked", "step", string(p.command.Step), "because", detail)
		}
		if notes := found.Detail(); notes != "" && detail != "" {
			detail = notes + "; " + detail
		} else if detail == "" {
			detail = notes
		}
		ev = runbooks.Event{Kind: runbooks.Finished, At: time.Now(), Step: p.command.Step, Attempt: p.command.Attempt, Key: p.command.Key,
			Compensating: p.command.Compensating, Outcome: outcome, Untouched: !acted, Detail: detail, Values: found.Values()}
	}()
	switch {
	case p.broken != nil:
		outcome, detail = runbooks.Refused, p.broken.Error()
		return
	case len(p.command.Missing) > 0:
		outcome, detail = runbooks.Refused, fmt.Sprintf("needs %s, which no step gave", strings.Join(p.command.Missing, ", "))
		return
	}
	limit := p.command.Spec.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	stepCtx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("its time of %v is up", limit))
	defer cancel()
	outcome, detail = p.attempt(stepCtx, ctx, sc, &acted)
	return
}

func (p performance) attempt(ctx, outer context.Context, sc runbooks.Scope, acted *bool) (runbooks.StepOutcome, string) {
	seen, err := p.step.Observe(ctx, sc)
	switch {
	case runbooks.IsRefusal(err):
		return runbooks.Refused, err.Error()
	case err != nil && p.command.Settle && p.changes:
		return runbooks.Unclear, "what was done cannot be seen: " + say(ctx, err)
	case err != nil:
		return runbooks.Failed, "could not look: " + say(ctx, err)
	case seen == runbooks.IsDone && p.command.Settle:
		sc.Note("observed after an interruption: it is done")
	case seen == runbooks.IsDone:
		sc.Note("it was so already")
	case seen == runbooks.CannotTell && p.command.Settle && p.changes:
		return runbooks.Unclear, "whether it was done cannot be seen"
	default:
		if p.command.Settle {
			sc.Note("observed after an interruption: it is not done")
		}
		*acted = true // until it says otherwise: it may panic
		outcome, detail, untouched := p.act(ctx, outer, sc)
		*acted = p.command.Settle || !untouched
		if outcome != runbooks.Succeeded {
			return outcome, detail
		}
	}
	if err := prove(ctx, p.step, sc); err != nil {
		return runbooks.Failed, "not proved: " + say(ctx, err)
	}
	return runbooks.Succeeded, ""
}

// act acts. After an error it looks at the world, even if the step's time is
// up, because an error does not say that nothing happened, unless the step is
// certain that it left the world untouched.
func (p performance) act(ctx, outer context.Context, sc runbooks.Scope) (outcome runbooks.StepOutcome, detail string, untouched bool) {
	err := p.step.Act(ctx, sc)
	switch {
	case err == nil:
		return runbooks.Succeeded, "", false
	case runbooks.IsRefusal(err):
		return runbooks.Refused, err.Error(), true
	case runbooks.IsNotBegun(err):
		return runbooks.Failed, say(ctx, err), true
	case !p.changes:
		return runbooks.Failed, say(ctx, err), false
	}
	outcome, detail = p.lookAfter(ctx, outer, sc, err)
	return outcome, detail, false
}

// lookAfter finds out what came of an act that failed.
func (p performance) lookAfter(ctx, outer context.Context, sc runbooks.Scope, err error) (runbooks.StepOutcome, string) {
	why := say(ctx, err)
	look, cancel := context.WithTimeout(outer, lastLook)
	defer cancel()
	sc.Fresh = false
	seen, lookErr := p.step.Observe(look, sc)
	switch {
	case seen == runbooks.IsDone && lookErr == nil:
		sc.Note("it is done, although it said: %s", why)
		return runbooks.Succeeded, ""
	case seen == runbooks.NotDone && lookErr == nil:
		return runbooks.Failed, why
	case lookErr != nil:
		return runbooks.Unclear, fmt.Sprintf("%s; and what came of it cannot be seen: %v", why, lookErr)
	}
	return runbooks.Unclear, why + "; and what came of it cannot be seen"
}

// prove asks for the proof until it is there, cannot come, or time is up.
func prove(ctx context.Context, step runbooks.Step, sc runbooks.Scope) error {
	began := time.Now()
	for {
		err := step.Verify(ctx, sc)
		if err == nil || !runbooks.IsNotYet(err) {
			return err
		}
		pause := quickProof
		if time.Since(began) > 2*time.Second {
			pause = slowProof
		}
		if ended := sc.Sleep(ctx, pause); ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
}

// say is err with the reason for which its context ended, if it has.
func say(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Sprintf("%v: %v", cause, err)
	}
	return err.Error()
}
