package apitest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Switchover is the one runbook of the world.
func Switchover() runbooks.Runbook {
	step := func(id, kind, title string) runbooks.Spec {
		return runbooks.Spec{ID: runbooks.StepID(id), Kind: kind, Title: title, Timeout: time.Minute}
	}
	promote := step("promote", "postgres.promote", "Promote the standby")
	promote.NoReturn = true
	agree := step("agree", runbooks.ApproveKind, "A second person agrees")
	agree.Approvals = 1
	return runbooks.Runbook{Name: "switchover", Version: 1, Title: "Move the writer to another region", About: "When both regions are well.",
		Params: []runbooks.Param{{Name: "max_lag", Type: "duration", About: "the most that may be waited for", Default: "30s"}},
		Steps:  []runbooks.Spec{step("preflight", "postgres.preflight", "Look at both servers"), agree, step("fence", "postgres.fence", "Stop the old writer"), promote}}
}

// Runbooks implements [api.Library].
func (w *World) Runbooks(context.Context) ([]api.Procedure, error) {
	leave, err := w.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	return []api.Procedure{{Runbook: Switchover(), Steps: plan("eu-central"), Source: "shipped", Text: "name: switchover\n", Engine: "postgres"}}, nil
}

func plan(to string) []runbooks.PlannedStep {
	return []runbooks.PlannedStep{
		{Step: "preflight", Kind: "postgres.preflight", Title: "Look at both servers", Description: "look at both servers, change nothing"},
		{Step: "agree", Kind: runbooks.ApproveKind, Title: "A second person agrees", Description: "wait for one person who did not start the run", Approvals: 1, Guard: true},
		{Step: "fence", Kind: "postgres.fence", Title: "Stop the old writer", Description: "stop the server in us-east and prove it", Changes: true, Compensate: "start it again"},
		{Step: "promote", Kind: "postgres.promote", Title: "Promote the standby", Description: "promote the server in " + to, Changes: true, Destructive: true, NoReturn: true},
	}
}

// Preview implements [api.Commander].
func (w *World) Preview(_ context.Context, o api.Order) (api.Plan, error) {
	leave, err := w.enter()
	if err != nil {
		return api.Plan{}, err
	}
	defer leave()
	return w.preview(o)
}

func (w *World) preview(o api.Order) (api.Plan, error) {
	if o.Runbook != "switchover" {
		return api.Plan{}, fault.NotFoundf("runbook "+o.Runbook, "there is none of that name").Do("see fairlead runbook list")
	}
	db, ok := w.decided.Fleet.Database(o.Database)
	if !ok {
		return api.Plan{}, fault.NotFoundf("database "+string(o.Database), "is not in the fleet").Do("use one of: orders")
	}
	epoch := w.decided.Writers[db.ID].Epoch
	seconds := 30.0
	p := api.Plan{At: time.Now(), Dangers: []string{"Writes stop for some seconds."},
		Envelope: openapi.Envelope{Sentence: "up to 30 s of waiting, to the server in " + string(o.To), MaxLossSeconds: &seconds, Target: string(o.To)},
		Start: runbooks.Start{Runbook: Switchover(), Params: o.Params, Database: db.ID, From: epoch.Writer, To: o.To, Epoch: epoch, Ungraceful: o.Ungraceful,
			Plan: plan(string(o.To)), PlanHash: "plan-" + string(o.To)}}
	if _, ok := db.Member(o.To); !ok {
		p.Refusals = append(p.Refusals, fault.Conflictf("database orders", "has no server in %s", o.To).Do("use eu-central"))
	}
	if epoch.Writer == o.To {
		p.Refusals = append(p.Refusals, fault.Conflictf("database orders", "%s writes already", o.To))
	}
	return p, nil
}

// Start implements [api.Commander].
func (w *World) Start(ctx context.Context, o api.Order) (runbooks.ExecutionID, error) {
	leave, err := w.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	for _, r := range w.runs {
		if o.Key != "" && r.key == o.Key {
			return r.id, nil
		}
	}
	p, err := w.preview(o)
	if err != nil {
		return "", err
	}
	if len(p.Refusals) > 0 {
		return "", p.Refusals[0]
	}
	if o.PlanHash != "" && o.PlanHash != p.Start.PlanHash {
		return "", fault.Conflictf("run of switchover", "the plan is another one by now").Do("look at it again")
	}
	if err := w.decide(); err != nil {
		return "", err
	}
	id := runbooks.ExecutionID(fmt.Sprintf("r%d", len(w.runs)+1))
	r := &run{id: id, key: o.Key, x: runbooks.New(id)}
	w.runs = append(w.runs, r)
	w.apply(ctx, r, runbooks.Event{Kind: runbooks.Started, At: time.Now(), Principal: auth.From(ctx).Name, Reason: o.Reason, Start: &p.Start})
	w.advance(ctx, r)
	return id, nil
}

// Operate implements [api.Commander].
func (w *World) Operate(ctx context.Context, id runbooks.ExecutionID, req api.Request) error {
	leave, err := w.enter()
	if err != nil {
		return err
	}
	defer leave()
	r, err := w.find(id)
	if err != nil {
		return err
	}
	ev, err := r.x.Propose(runbooks.Ask{Operation: req.Operation, By: auth.From(ctx).Name, Reason: req.Reason, Step: req.Step, PlanHash: req.PlanHash}, time.Now())
	if err != nil {
		return err
	}
	w.apply(ctx, r, ev)
	w.advance(ctx, r)
	return nil
}

// advance is an engine whose steps succeed at once.
func (w *World) advance(ctx context.Context, r *run) {
	engine := auth.With(ctx, auth.Principal{Name: runbooks.EnginePrefix + "n1"})
	for {
		moved := false
		for _, c := range r.x.Next(time.Now()) {
			ev := runbooks.Event{At: time.Now(), Principal: runbooks.EnginePrefix + "n1"}
			switch c := c.(type) {
			case runbooks.RunStep:
				ev.Kind, ev.Step, ev.Attempt, ev.Key, ev.Compensating = runbooks.Intended, c.Step, c.Attempt, c.Key, c.Compensating
				w.apply(engine, r, ev)
				ev.Kind, ev.Outcome, ev.Detail = runbooks.Finished, runbooks.Succeeded, "seen to be so"
				ev.Values = map[string]string{"proof": string(c.Step)}
				w.apply(engine, r, ev)
				moved = true
			case runbooks.Stop:
				ev.Kind, ev.Result, ev.Detail = runbooks.Ended, c.Outcome, c.Sentence
				w.apply(engine, r, ev)
				return
			}
		}
		if !moved {
			return
		}
	}
}

func (w *World) apply(ctx context.Context, r *run, ev runbooks.Event) {
	if err := r.x.Apply(ev); err != nil {
		panic(err)
	}
	w.record(ctx, "run."+string(ev.Kind), "run "+string(r.id), ev.Detail, ev.Reason, string(r.id))
	last := w.trail[len(w.trail)-1]
	r.journal = append(r.journal, api.Entry{Position: uint64(last.Position), Hash: last.Hash, Event: ev})
}

func (w *World) find(id runbooks.ExecutionID) (*run, error) {
	i := slices.IndexFunc(w.runs, func(r *run) bool { return r.id == id })
	if i < 0 {
		return nil, fault.NotFoundf("run "+string(id), "there is none of that name").Do("see fairlead execution list")
	}
	return w.runs[i], nil
}

// Runs implements [api.Runs].
func (w *World) Runs(_ context.Context, open bool, limit int) ([]*runbooks.Execution, error) {
	leave, err := w.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	var out []*runbooks.Execution
	for _, r := range slices.Backward(w.runs) {
		if _, _, ended := r.x.Ended(); (!ended || !open) && len(out) < limit {
			out = append(out, r.copied().x)
		}
	}
	return out, nil
}

// Run implements [api.Runs].
func (w *World) Run(_ context.Context, id runbooks.ExecutionID) (api.Run, error) {
	leave, err := w.enter()
	if err != nil {
		return api.Run{}, err
	}
	defer leave()
	r, err := w.find(id)
	if err != nil {
		return api.Run{}, err
	}
	return api.Run{Execution: r.copied().x, Journal: slices.Clone(r.journal)}, nil
}

// copied is the same run for somebody else: an execution belongs to one.
func (r *run) copied() *run {
	x := runbooks.New(r.id)
	for _, e := range r.journal {
		if err := x.Apply(e.Event); err != nil {
			panic(err)
		}
	}
	return &run{id: r.id, x: x}
}
