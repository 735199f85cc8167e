package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Refusal is why a run would be refused if it were started now.
type Refusal struct {
	Step    runbooks.StepID // which step would refuse; empty: the run as a whole
	Subject string
	Problem string
	Remedy  string
}

// Rehearser is a step that can say, without changing anything, what would
// refuse it now.
type Rehearser interface {
	Rehearse(ctx context.Context, sc runbooks.Scope) error
}

// rehearsal bounds how long making a plan may look at the world.
const rehearsal = 5 * time.Second

// Ask is what a plan is wanted for.
type Ask struct {
	Params     map[string]string
	Ungraceful bool // the old writer is lost or cannot be asked
}

// Plan describes what a runbook would do in this fleet now: every step in
// words, with real names, and everything that would refuse it already. A
// plan with refusals must not be started. The error is about the asking: a
// parameter that is missing, a database that is not there.
func (s *Set) Plan(ctx context.Context, rb runbooks.Runbook, ask Ask) (runbooks.Start, []Refusal, error) {
	params, err := rb.Bind(ask.Params)
	if err != nil {
		return runbooks.Start{}, nil, err
	}
	if ask.Ungraceful && !rb.Ungraceful {
		return runbooks.Start{}, nil, fault.Invalidf("runbook "+rb.Name, "needs the old writer to be alive and to be asked").
			Do("use a runbook for a writer that is lost, such as failover")
	}
	start := runbooks.Start{Runbook: rb, Params: params, Ungraceful: rb.Ungraceful}
	refusals, err := s.subject(ctx, &start)
	if err != nil {
		return runbooks.Start{}, nil, err
	}
	if err := s.describe(&start); err != nil {
		return runbooks.Start{}, nil, err
	}
	start.PlanHash = hash(start)
	return start, append(refusals, s.rehearse(ctx, start)...), nil
}

// subject finds out which database the run is about, who writes it, and who
// shall, and what stands against that.
func (s *Set) subject(ctx context.Context, start *runbooks.Start) ([]Refusal, error) {
	fleet := s.fleet()
	for _, p := range start.Runbook.Params {
		value := start.Params[p.Name]
		switch {
		case value == "":
		case p.Type == "region":
			if _, ok := fleet.Region(regions.ID(value)); !ok {
				return nil, fault.NotFoundf("region "+value, "is not in the fleet").Do("use one of %s", regionNames(fleet))
			}
			if p.Name == "to" {
				start.To = regions.ID(value)
			}
		case p.Type == "database":
			d, err := binding{fleet: fleet, start: &runbooks.Start{Database: regions.DatabaseID(value)}}.database()
			if err != nil {
				return nil, err
			}
			if p.Name == "database" {
				start.Database = d.ID
			}
		}
	}
	if start.Database == "" {
		return nil, nil
	}
	return s.writer(ctx, start)
}

func (s *Set) writer(ctx context.Context, start *runbooks.Start) ([]Refusal, error) {
	subject := "database " + string(start.Database)
	epoch, err := s.out.Steering.Writer(ctx, start.Database)
	if err != nil {
		return nil, fmt.Errorf("find the writer of %s: %w", start.Database, err)
	}
	start.Epoch, start.From = epoch, epoch.Writer
	var refusals []Refusal
	if start.To != "" {
		d, _ := s.fleet().Database(start.Database)
		if _, ok := d.Member(start.To); !ok {
			return nil, fault.NotFoundf(subject, "has no member in %s", start.To).Do("use one of %s", memberNames(d))
		}
		if start.To == start.From {
			refusals = append(refusals, Refusal{Subject: subject, Problem: fmt.Sprintf("%s is its writer already", start.To), Remedy: "nothing is to be done, or choose another region"})
		}
	}
	if running, err := s.out.World.Running(ctx, start.Database); err != nil {
		return nil, fmt.Errorf("look for runs on %s: %w", start.Database, err)
	} else if running != "" {
		refusals = append(refusals, Refusal{Subject: subject, Problem: fmt.Sprintf("run %s has it in hand", running), Remedy: "wait until that has ended, or abort it"})
	}
	return refusals, nil
}

// describe fills in the plan.
func (s *Set) describe(start *runbooks.Start) error {
	var plan []runbooks.PlannedStep
	specs := start.PlannedSpecs()
	for _, p := range specs {
		plan = append(plan, runbooks.PlannedStep{Step: p.Spec.ID, Approvals: p.Spec.Approvals})
	}
	start.Plan = plan // steps may ask what else is planned
	for i, p := range specs {
		k := s.kinds[p.Spec.Kind]
		step, err := s.Step(p.Spec, start)
		if err != nil {
			return err
		}
		plan[i] = runbooks.PlannedStep{Step: p.Spec.ID, Kind: p.Spec.Kind, Title: p.Spec.Title, Description: step.Describe(), Group: p.Group,
			Destructive: k.Destructive, Changes: k.Changes, Guard: k.Guard, NoReturn: p.Spec.NoReturn, Approvals: p.Spec.Approvals}
		if c := p.Spec.Compensate; c != nil {
			undo, err := s.Step(*c, start)
			if err != nil {
				return err
			}
			plan[i].Compensate = undo.Describe()
		}
	}
	for i := range plan {
		plan[i].Abort = runbooks.WhereAbortLeaves(plan, plan[i].Step).Sentence
	}
	return nil
}

// rehearse asks every step that can, all at once, what would refuse it now.
func (s *Set) rehearse(ctx context.Context, start runbooks.Start) []Refusal {
	ctx, cancel := context.WithTimeout(ctx, rehearsal)
	defer cancel()
	specs := start.PlannedSpecs()
	found := make([][]Refusal, len(specs))
	var all sync.WaitGroup
	for i, p := range specs {
		step, err := s.Step(p.Spec, &start)
		r, ok := step.(Rehearser)
		if err != nil || !ok {
			continue
		}
		all.Go(func() {
			sc, _ := runbooks.NewScope(runbooks.Scope{Key: "rehearsal", Step: p.Spec.ID, Start: &start, Epoch: start.Epoch})
			for _, err := range each(r.Rehearse(ctx, sc)) {
				found[i] = append(found[i], refusalOf(p.Spec.ID, err))
			}
		})
	}
	all.Wait()
	var refusals []Refusal
	for _, f := range found {
		refusals = append(refusals, f...)
	}
	return refusals
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if runbooks.IsRefusal(err) {
		if inner := errors.Unwrap(err); inner != nil {
			return each(inner)
		}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, each(e)...)
		}
		return all
	}
	return []error{err}
}

func refusalOf(step runbooks.StepID, err error) Refusal {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		problem := f.Problem
		if f.Err != nil {
			problem += ": " + f.Err.Error()
		}
		return Refusal{step, f.Subject, problem, f.Remedy}
	}
	return Refusal{Step: step, Subject: "step " + string(step), Problem: err.Error()}
}

// hash is what people approve: everything that says what will be done.
func hash(start runbooks.Start) string {
	start.PlanHash = ""
	start.Runbook = runbooks.Runbook{Name: start.Runbook.Name, Version: start.Runbook.Version, Hash: start.Runbook.Hash}
	b, err := json.Marshal(start)
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func regionNames(f *regions.Fleet) string {
	var ids []regions.ID
	for _, r := range f.Regions {
		ids = append(ids, r.ID)
	}
	return join(ids)
}

func memberNames(d regions.Database) string {
	var ids []regions.ID
	for _, m := range d.Members {
		ids = append(ids, m.Region)
	}
	return join(ids)
}
