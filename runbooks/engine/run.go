package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// run follows one execution: a single goroutine owns its fold and writes its
// journal; steps run beside it and hand in their outcomes.
type run struct {
	engine *Engine
	id     runbooks.ExecutionID
	log    *slog.Logger
	x      *runbooks.Execution

	moved   chan runbooks.Position // where the journal stands, as the watch says; the newest only
	results chan runbooks.Event    // outcomes of steps
	flights map[string]context.CancelCauseFunc
	pending []runbooks.Event // outcomes that are not journaled yet
	steps   sync.WaitGroup
}

func newRun(e *Engine, id runbooks.ExecutionID) *run {
	return &run{engine: e, id: id, log: e.log.With("run", string(id)), moved: make(chan runbooks.Position, 1),
		results: make(chan runbooks.Event), flights: map[string]context.CancelCauseFunc{}}
}

// tell says where the journal stands. It never blocks.
func (r *run) tell(at runbooks.Position) {
	for {
		select {
		case r.moved <- at:
			return
		case <-r.moved:
		}
	}
}

// follow drives the execution until it has ended or ctx has.
func (r *run) follow(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer r.steps.Wait()
	defer cancel()
	if !r.reload(ctx) {
		return
	}
	for failures := 0; ctx.Err() == nil; {
		over, err := r.advance(ctx)
		switch {
		case over:
			return
		case err != nil:
			if ctx.Err() != nil {
				return
			}
			level := slog.LevelWarn
			if fault.Is(err, fault.Conflict) {
				level = slog.LevelDebug // a person was faster
			}
			r.log.Log(ctx, level, "journal not written, reading it again", "because", err.Error())
			if failures++; failures > 1 && !pause(ctx, failures) || !r.reload(ctx) {
				return
			}
			continue
		}
		failures = 0
		if !r.wait(ctx) {
			return
		}
	}
}

// advance journals everything that can be journaled now and begins what can
// begin. It returns at the first journal write that fails: the fold is then
// to be read again.
func (r *run) advance(ctx context.Context) (over bool, err error) {
	r.cancelPointless()
	for len(r.pending) > 0 {
		ev := r.pending[0]
		if why := r.x.Can(ev); why != nil {
			// Skipped by a person meanwhile, or written by an append whose
			// answer was lost.
			r.log.Debug("outcome dropped", "step", string(ev.Step), "because", why.Error())
		} else if err := r.append(ctx, ev); err != nil {
			return false, err
		}
		r.pending = r.pending[1:]
	}
	if err := r.settle(ctx); err != nil {
		return false, err
	}
	for _, c := range r.x.Next(time.Now()) {
		switch c := c.(type) {
		case runbooks.RunStep:
			if err := r.begin(ctx, c); err != nil {
				return false, err
			}
		case runbooks.Stop:
			err := r.append(ctx, runbooks.Event{Kind: runbooks.Ended, Result: c.Outcome, Detail: c.Sentence})
			if err == nil {
				r.log.Info("run ended", "outcome", string(c.Outcome), "because", c.Sentence)
			}
			return err == nil, err
		}
	}
	return false, nil
}

// settle records steps that are in flight by the journal but not here: the
// engine that began them is gone.
func (r *run) settle(ctx context.Context) error {
	for _, f := range r.x.InFlight() {
		if _, mine := r.flights[f.Key]; mine {
			continue
		}
		r.log.Warn("step was interrupted", "step", string(f.Step), "attempt", f.Attempt, "compensating", f.Compensating)
		err := r.append(ctx, runbooks.Event{Kind: runbooks.Interrupted, Step: f.Step, Attempt: f.Attempt, Key: f.Key, Compensating: f.Compensating,
			Detail: "the engine that ran it was lost before it saw the outcome"})
		if err != nil {
			return err
		}
	}
	return nil
}

// begin journals the intent and starts the step.
func (r *run) begin(ctx context.Context, c runbooks.RunStep) error {
	start := r.x.Start()
	step, broken := r.engine.steps.Step(c.Spec, start)
	detail := string(c.Step)
	if broken == nil {
		detail = step.Describe()
	}
	err := r.append(ctx, runbooks.Event{Kind: runbooks.Intended, Step: c.Step, Attempt: c.Attempt, Key: c.Key, Compensating: c.Compensating, Detail: detail})
	if err != nil {
		return err
	}
	r.log.Info("step begins", "step", string(c.Step), "kind", c.Spec.Kind, "attempt", c.Attempt, "compensating", c.Compensating, "settle", c.Settle)
	p := performance{command: c, step: step, broken: broken, changes: r.x.Changes(c.Step) || c.Compensating, log: r.log,
		scope: runbooks.Scope{Key: c.Key, Execution: r.id, Step: c.Step, Attempt: c.Attempt, Compensating: c.Compensating,
			Fresh: !c.Settle && c.Attempt == 1, By: r.x.StartedBy(), Why: r.x.Reason(), Approvers: r.x.Approvers(), Start: start, Epoch: r.x.Epoch()}}
	stepCtx, cancel := context.WithCancelCause(ctx)
	r.flights[c.Key] = cancel
	r.steps.Go(func() {
		defer cancel(nil)
		ev := p.perform(stepCtx)
		select {
		case r.results <- ev:
		case <-ctx.Done():
		}
	})
	return nil
}

// cancelPointless ends steps that the journal no longer wants: they were
// skipped, or change nothing in a run that is being undone.
func (r *run) cancelPointless() {
	wanted := map[string]bool{}
	for _, f := range r.x.InFlight() {
		wanted[f.Key] = !f.Pointless
	}
	for key, cancel := range r.flights {
		if !wanted[key] {
			cancel(errPointless)
		}
	}
}

// append writes one event and folds it in.
func (r *run) append(ctx context.Context, ev runbooks.Event) error {
	if ev.At.IsZero() {
		ev.At = time.Now()
	}
	ev.Principal = r.engine.principal
	if _, err := r.engine.journal.Append(ctx, r.id, r.x.Position(), ev); err != nil {
		return fmt.Errorf("journal %s of step %q: %w", ev.Kind, ev.Step, err)
	}
	return r.x.Apply(ev)
}

// reload reads the journal and folds it anew, until that works or ctx ends.
// Waits that the fold holds begin now: other machines' clocks do not count.
func (r *run) reload(ctx context.Context) bool {
	for failures := 1; ; failures++ {
		events, err := r.engine.journal.Read(ctx, r.id)
		if err == nil {
			x, err := runbooks.Fold(r.id, events)
			if err != nil {
				r.log.Error("journal does not fold; the run is left alone", "because", err.Error())
				return false
			}
			x.Rebase(time.Now())
			r.x = x
			_, _, over := x.Ended()
			return !over
		}
		if ctx.Err() != nil {
			return false
		}
		r.log.Warn("journal not read", "because", err.Error())
		if !pause(ctx, failures) {
			return false
		}
	}
}

// pause waits longer with each failure, up to a second and a half, and never
// quite as long as others that failed at the same time.
func pause(ctx context.Context, failures int) bool {
	d := min(10*time.Millisecond<<min(failures, 7), time.Second)
	select {
	case <-time.After(d + rand.N(d/2)):
		return true
	case <-ctx.Done():
		return false
	}
}

// wait blocks until something may have changed: an outcome, another event in
// the journal, or the end of a pause.
func (r *run) wait(ctx context.Context) bool {
	var due <-chan time.Time
	for _, c := range r.x.Next(time.Now()) {
		switch c := c.(type) {
		case runbooks.Wait:
			due = time.After(time.Until(c.Until))
		case runbooks.RunStep, runbooks.Stop:
			return true // became due meanwhile
		}
	}
	select {
	case ev := <-r.results:
		r.land(ev)
	case at := <-r.moved:
		if at > r.x.Position() {
			return r.reload(ctx)
		}
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// land takes a step's outcome.
func (r *run) land(ev runbooks.Event) {
	delete(r.flights, ev.Key)
	ev.Principal = r.engine.principal
	r.pending = append(r.pending, ev)
	r.log.Info("step ended", "step", string(ev.Step), "attempt", ev.Attempt, "compensating", ev.Compensating, "outcome", string(ev.Outcome), "because", ev.Detail)
}
