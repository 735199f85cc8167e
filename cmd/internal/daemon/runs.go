package daemon

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/shipped"
	"fairlead/runbooks/steps"
)

// runs lets people read, start and operate runs. It implements [api.Library],
// [api.Runs] and [api.Commander]. What it writes it writes as the person, at
// the position where the run was seen; the engine wakes by itself.
type runs struct{ *Node }

// documents returns the shipped runbooks and the fleet's own, which win.
func (r runs) documents() []regions.Document {
	all := shipped.Documents()
	d := r.decided()
	if d == nil || d.Fleet == nil {
		return all
	}
	own := d.Fleet.Runbooks
	taken := map[string]bool{}
	for _, doc := range own {
		taken[doc.Name] = true
	}
	merged := append([]regions.Document(nil), own...)
	for _, doc := range all {
		if !taken[doc.Name] {
			merged = append(merged, doc)
		}
	}
	return merged
}

func (r runs) runbook(name string) (runbooks.Runbook, error) {
	for _, doc := range r.documents() {
		if doc.Name != name {
			continue
		}
		rb, problems := runbooks.Parse(doc.File, doc.Text, steps.Kinds())
		if len(problems) > 0 {
			return rb, fault.Invalidf("runbook "+name, "%v", problems[0]).Do("mend the file, then load the configuration again")
		}
		return rb, nil
	}
	return runbooks.Runbook{}, fault.NotFoundf("runbook "+name, "there is none of that name").Do("see fairlead runbook list")
}

// Runbooks implements [api.Library].
func (r runs) Runbooks(context.Context) ([]api.Procedure, error) {
	var all []api.Procedure
	for _, doc := range r.documents() {
		rb, problems := runbooks.Parse(doc.File, doc.Text, steps.Kinds())
		if len(problems) > 0 {
			r.log.Error("runbook left out of the library", "file", doc.File, "problem", problems[0].String())
			continue
		}
		source := doc.File
		if len(source) > 8 && source[:8] == "shipped/" {
			source = "shipped"
		}
		all = append(all, api.Procedure{Runbook: rb, Steps: inWords(rb), Source: source, Text: doc.Text, Engine: "postgres"})
	}
	return all, nil
}

// inWords says what a runbook would do before anything is known of where.
func inWords(rb runbooks.Runbook) []runbooks.PlannedStep {
	kinds := steps.Kinds()
	var out []runbooks.PlannedStep
	runbooks.Leaves(rb.Steps, func(s runbooks.Spec, group string) {
		k := kinds[s.Kind]
		p := runbooks.PlannedStep{Step: s.ID, Kind: s.Kind, Title: s.Title, Description: k.About, Group: group,
			Destructive: k.Destructive, Changes: k.Changes, Guard: k.Guard, NoReturn: s.NoReturn, Approvals: s.Approvals}
		if s.When != "" {
			p.Description += " (only when " + s.When + ")"
		}
		if s.Compensate != nil {
			p.Compensate = kinds[s.Compensate.Kind].About
		}
		out = append(out, p)
	})
	return out
}

// CheckRunbook implements [api.Library].
func (r runs) CheckRunbook(_ context.Context, file, text string) []runbooks.Problem {
	_, problems := runbooks.Parse(file, text, steps.Kinds())
	return problems
}

// Runs implements [api.Runs].
func (r runs) Runs(ctx context.Context, open bool, limit int) ([]*runbooks.Execution, error) {
	list, err := r.store.Executions(ctx)
	if err != nil {
		return nil, err
	}
	var all []*runbooks.Execution
	for _, run := range list {
		if open && run.Over() {
			continue
		}
		if len(all) == limit {
			break
		}
		x, err := r.fold(ctx, run.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

func (r runs) fold(ctx context.Context, id runbooks.ExecutionID) (*runbooks.Execution, error) {
	events, err := r.store.Execution(ctx, id)
	if err != nil {
		return nil, err
	}
	return runbooks.Fold(id, events)
}

// Run implements [api.Runs].
func (r runs) Run(ctx context.Context, id runbooks.ExecutionID) (api.Run, error) {
	sealed, err := r.store.Journal(ctx, id)
	if err != nil {
		return api.Run{}, err
	}
	events := make([]runbooks.Event, len(sealed))
	entries := make([]api.Entry, len(sealed))
	for i, s := range sealed {
		events[i] = s.Event
		entries[i] = api.Entry{Position: s.Number, Hash: s.Hash, Event: s.Event}
	}
	x, err := runbooks.Fold(id, events)
	return api.Run{Execution: x, Journal: entries}, err
}

// Preview implements [api.Commander].
func (r runs) Preview(ctx context.Context, o api.Order) (api.Plan, error) {
	rb, err := r.runbook(o.Runbook)
	if err != nil {
		return api.Plan{}, err
	}
	set := steps.New(r.outside(steering{Node: r.Node}))
	start, refused, err := set.Plan(ctx, rb, steps.Ask{Params: params(o), Ungraceful: o.Ungraceful})
	if err != nil {
		return api.Plan{}, err
	}
	plan := api.Plan{Start: start, At: time.Now(), Dangers: dangers(start)}
	for _, f := range refused {
		plan.Refusals = append(plan.Refusals, fault.Conflictf(f.Subject, "%s", f.Problem).Do("%s", f.Remedy))
	}
	return plan, nil
}

// dangers are the sentences to read before agreeing.
func dangers(s runbooks.Start) []string {
	var out []string
	for _, p := range s.Plan {
		switch {
		case p.NoReturn:
			out = append(out, fmt.Sprintf("after %q there is no way back but another run", p.Description))
		case p.Destructive:
			out = append(out, p.Description)
		}
	}
	if s.Ungraceful {
		out = append(out, "the old writer is not asked: what it acknowledged and did not send is lost, within the ceiling")
	}
	return out
}

// Start implements [api.Commander]. The same key starts the same run: its
// identifier is made of it.
func (r runs) Start(ctx context.Context, o api.Order) (runbooks.ExecutionID, error) {
	by := auth.From(ctx).Name
	id := runbooks.ExecutionID("x-" + rand.Text()[:10])
	if o.Key != "" {
		sum := sha256.Sum256([]byte(by + "\x00" + o.Key))
		id = runbooks.ExecutionID("x-" + hex.EncodeToString(sum[:8]))
		if err := r.started(ctx, id, o); !fault.Is(err, fault.NotFound) {
			return id, err
		}
	}
	return id, r.start(ctx, by, id, o)
}

// started returns nil if the run was started by this very order, and NotFound
// if it was not started at all. A key that was used for something else is a
// mistake of the caller, who would believe that the run is what they asked for.
func (r runs) started(ctx context.Context, id runbooks.ExecutionID, o api.Order) error {
	x, err := r.fold(ctx, id)
	if err != nil {
		return err
	}
	start := x.Start()
	same := start.Runbook.Name == o.Runbook && (o.PlanHash == "" || o.PlanHash == start.PlanHash)
	for name, value := range params(o) {
		same = same && start.Params[name] == value
	}
	if !same {
		return fault.Conflictf("idempotency key "+o.Key, "it belongs to run %s of %s, which is another order", id, start.Runbook.Name).
			Do("choose a new key for a new order; see that run with fairlead execution show %s", id)
	}
	return nil
}

// params are the values that an order gives to a runbook.
func params(o api.Order) map[string]string {
	all := maps.Clone(o.Params)
	if all == nil {
		all = map[string]string{}
	}
	if o.Database != "" {
		all["database"] = string(o.Database)
	}
	if o.To != "" {
		all["to"] = string(o.To)
	}
	return all
}

func (r runs) start(ctx context.Context, by string, id runbooks.ExecutionID, o api.Order) error {
	plan, err := r.Preview(ctx, o)
	if err != nil {
		return err
	}
	twice := func() bool { return o.Key != "" && r.started(ctx, id, o) == nil } // the same order, sent twice at once
	if o.PlanHash != "" && o.PlanHash != plan.Start.PlanHash {
		return fault.Conflictf("run of "+o.Runbook, "the plan is another one than you were shown").Do("look at it again: something has changed since")
	}
	err = refusal(plan.Refusals)
	if err == nil {
		err = mayRunAlone(auth.From(ctx), plan.Start)
	}
	if err != nil {
		if twice() {
			return nil
		}
		r.record(ctx, by, o, err)
		return err
	}
	_, err = r.store.StartExecution(ctx, store.Lease{}, id, runbooks.Event{
		Kind: runbooks.Started, At: time.Now().UTC(), Principal: by, Reason: o.Reason, Start: &plan.Start,
	})
	if err != nil && twice() {
		return nil
	}
	return err
}

// mayRunAlone refuses to leave out the approval that a runbook has, unless
// whoever starts the run could have given one.
func mayRunAlone(who auth.Principal, s runbooks.Start) error {
	planned := func(p runbooks.PlannedStep) bool { return p.Kind == runbooks.ApproveKind }
	asks := false
	runbooks.Leaves(s.Runbook.Steps, func(spec runbooks.Spec, _ string) { asks = asks || spec.Kind == runbooks.ApproveKind })
	if !asks || slices.ContainsFunc(s.Plan, planned) || who.May(auth.Approve) {
		return nil
	}
	return fault.Deniedf(who.Name, "may not run %s without the approval that it asks for", s.Runbook.Name).
		Do("leave the approval in, or ask somebody who is approver or admin")
}

// refusal makes one fault of all that stands against a run.
func refusal(all []*fault.Error) error {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	first := *all[0]
	first.Problem += fmt.Sprintf("; and %d more", len(all)-1)
	for _, f := range all[1:] {
		first.Problem += "; " + f.Error()
	}
	return &first
}

// record writes a refused start into the trail. That it was refused matters
// more than that it could be written.
func (r runs) record(ctx context.Context, by string, o api.Order, refused error) {
	_, err := r.store.Record(ctx, store.Entry{Principal: by, Act: "run.refused", Subject: "runbook " + o.Runbook, Why: o.Reason,
		Sentence: fmt.Sprintf("%s asked for %s of %s to %s, refused: %v", by, o.Runbook, o.Database, o.To, refused)})
	if err != nil {
		r.log.Error("a refusal could not be written to the trail", "runbook", o.Runbook, "by", by, "problem", err.Error())
	}
}

// operateTries bounds how often an order is tried again because the run moved
// meanwhile; a person's order is about the run, not about a position.
const operateTries = 8

// Operate implements [api.Commander].
func (r runs) Operate(ctx context.Context, id runbooks.ExecutionID, req api.Request) error {
	var err error
	for range operateTries {
		var x *runbooks.Execution
		if x, err = r.fold(ctx, id); err != nil {
			return err
		}
		if req.PlanHash != "" && req.PlanHash != x.Start().PlanHash {
			return fault.Conflictf("run "+string(id), "its plan is not the one you looked at").Do("look at the run again")
		}
		var ev runbooks.Event
		ev, err = x.Propose(runbooks.Ask{Operation: req.Operation, By: auth.From(ctx).Name, Reason: req.Reason, Step: req.Step, PlanHash: req.PlanHash}, time.Now().UTC())
		if err != nil {
			return err
		}
		if _, err = r.store.Append(ctx, store.Lease{}, id, x.Position(), ev); err == nil || !moved(err) {
			return err
		}
	}
	return fmt.Errorf("%s of run %s: it moved %s times while this was tried: %w", req.Operation, id, strconv.Itoa(operateTries), err)
}

// moved reports whether a journal has gone on since it was read.
func moved(err error) bool { return errors.Is(err, store.ErrMoved) }
