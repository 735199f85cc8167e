package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

func encodeProcedureSummary(p Procedure) openapi.RunbookSummary {
	return openapi.RunbookSummary{Name: p.Runbook.Name, Title: p.Runbook.Title, Description: p.Runbook.About, Source: p.Source, Engine: p.Engine,
		StepsTotal: len(procedureSteps(p)), Params: encodeParams(p.Runbook.Params)}
}

func encodeProcedure(p Procedure) openapi.Runbook {
	return openapi.Runbook{Name: p.Runbook.Name, Title: p.Runbook.Title, Description: p.Runbook.About, Source: p.Source, Engine: p.Engine,
		Params: encodeParams(p.Runbook.Params), Steps: encodePlanned(procedureSteps(p)), Text: p.Text}
}

func encodeParams(params []runbooks.Param) []openapi.RunbookParam {
	var out []openapi.RunbookParam
	for _, p := range params {
		out = append(out, openapi.RunbookParam{Name: p.Name, Type: p.Type, Description: p.About, Required: p.Required, Default: p.Default})
	}
	return out
}

// procedureSteps falls back to what the text itself says of its steps.
func procedureSteps(p Procedure) []runbooks.PlannedStep {
	if len(p.Steps) > 0 {
		return p.Steps
	}
	var steps []runbooks.PlannedStep
	runbooks.Leaves(p.Runbook.Steps, func(s runbooks.Spec, group string) {
		steps = append(steps, runbooks.PlannedStep{Step: s.ID, Kind: s.Kind, Title: s.Title, Description: s.Title, Group: group, NoReturn: s.NoReturn,
			Approvals: s.Approvals})
	})
	return steps
}

func encodePlanned(steps []runbooks.PlannedStep) []openapi.PlannedStep {
	var out []openapi.PlannedStep
	for _, s := range steps {
		out = append(out, openapi.PlannedStep{Id: string(s.Step), Name: stepName(s), Kind: s.Kind, Description: s.Description, Danger: danger(s),
			Compensate: s.Compensate, ParallelGroup: s.Group, NeedsApproval: s.Kind == runbooks.ApproveKind, Guard: s.Guard, NoReturn: s.NoReturn,
			ApprovalsTotal: approvals(s), IfAborted: s.Abort})
	}
	return out
}

func stepName(s runbooks.PlannedStep) string {
	if s.Title != "" {
		return s.Title
	}
	return strings.ReplaceAll(string(s.Step), "-", " ")
}

// danger says what cannot be taken back.
func danger(s runbooks.PlannedStep) string {
	switch {
	case s.Destructive && s.NoReturn:
		return "does what is hard to take back, and after it nothing is undone any more"
	case s.Destructive:
		return "does what is hard to take back"
	case s.NoReturn:
		return "after it nothing is undone any more"
	}
	return ""
}

func approvals(s runbooks.PlannedStep) int {
	if s.Kind != runbooks.ApproveKind {
		return 0
	}
	return max(s.Approvals, 1)
}

func encodePlan(p Plan) openapi.Plan {
	out := openapi.Plan{Runbook: p.Start.Runbook.Name, Title: titleOf(&p.Start), Database: string(p.Start.Database), From: string(p.Start.From),
		To: string(p.Start.To), Ungraceful: p.Start.Ungraceful, At: p.At.UTC(), PlanHash: p.Start.PlanHash, Steps: encodePlanned(p.Start.Plan),
		Dangers: p.Dangers, Envelope: envelopeOr(p.Envelope, &p.Start)}
	for _, f := range p.Refusals {
		out.Refusals = append(out.Refusals, openapi.Refusal{Subject: f.Subject, Problem: f.Problem, Remedy: f.Remedy})
	}
	return out
}

// titleOf is a run in one line.
func titleOf(s *runbooks.Start) string {
	if s == nil {
		return "not started"
	}
	what := s.Runbook.Name
	if s.Database != "" {
		what += " of " + string(s.Database)
	}
	switch {
	case s.From != "" && s.To != "":
		what += fmt.Sprintf(" from %s to %s", s.From, s.To)
	case s.To != "":
		what += " to " + string(s.To)
	}
	return what
}

func envelopeOr(e openapi.Envelope, s *runbooks.Start) openapi.Envelope {
	if e.Sentence != "" || s == nil {
		return e
	}
	e.Sentence = "this plan, and no other"
	if s.To != "" {
		e.Target = string(s.To)
		e.Sentence = fmt.Sprintf("this plan, to the server in %s", s.To)
	}
	return e
}

// envelopeOf is what an approval covers: the plan, and the ceiling of the
// measurement that let the run pass.
func envelopeOf(x *runbooks.Execution) openapi.Envelope {
	e := envelopeOr(openapi.Envelope{}, x.Start())
	r, ok := x.Receipt()
	if !ok || r.CeilingBytes == nil && r.CeilingSeconds == nil {
		return e
	}
	e.MaxLossBytes, e.MaxLossSeconds = r.CeilingBytes, r.CeilingSeconds
	var most []string
	if r.CeilingSeconds != nil {
		most = append(most, fmt.Sprintf("%g s", *r.CeilingSeconds))
	}
	if r.CeilingBytes != nil {
		most = append(most, fmt.Sprintf("%d bytes", *r.CeilingBytes))
	}
	e.Sentence += ", losing at most " + strings.Join(most, " and ")
	return e
}

func encodeSummary(x *runbooks.Execution, now time.Time) openapi.ExecutionSummary {
	start := x.Start()
	out := openapi.ExecutionSummary{Id: string(x.ID()), Title: titleOf(start), State: openapi.ExecutionState(x.State()), Sentence: x.Sentence(),
		Reason: x.Reason(), StartedBy: x.StartedBy(), StartedAt: x.StartedAt().UTC(), CurrentStep: string(x.Current())}
	if start != nil {
		out.Runbook, out.PlanHash, out.Ungraceful = start.Runbook.Name, start.PlanHash, start.Ungraceful
		out.Database, out.From, out.To = string(start.Database), string(start.From), string(start.To)
	}
	until := now
	if outcome, at, ended := x.Ended(); ended {
		out.Outcome, out.EndedAt, until = openapi.Outcome(outcome), at.UTC(), at
	}
	out.DurationMs = span(x.StartedAt(), until)
	return out
}

// span is how long something took. The clocks of two nodes may lie in it, so
// it can come out negative; then it is not told.
func span(from, to time.Time) *int64 {
	if from.IsZero() || to.Before(from) {
		return nil
	}
	ms := to.Sub(from).Milliseconds()
	return &ms
}

func encodeExecution(run Run, who auth.Principal, now time.Time) openapi.Execution {
	x := run.Execution
	s := encodeSummary(x, now)
	out := openapi.Execution{At: now.UTC(), Id: s.Id, Runbook: s.Runbook, Title: s.Title, Database: s.Database, From: s.From, To: s.To,
		Ungraceful: s.Ungraceful, State: s.State, Outcome: s.Outcome, Sentence: s.Sentence, Reason: s.Reason, StartedBy: s.StartedBy,
		StartedAt: s.StartedAt, EndedAt: s.EndedAt, DurationMs: s.DurationMs, CurrentStep: s.CurrentStep, PlanHash: s.PlanHash,
		Params: openapi.Params{}, Envelope: envelopeOf(x), IfAborted: x.Abort().Sentence, Receipt: encodeReceipt(x)}
	if start := x.Start(); start != nil {
		maps.Copy(out.Params, start.Params)
	}
	out.AllowedOperations, out.RefusedOperations = operations(x, who, now)
	for _, v := range x.Steps() {
		out.Steps = append(out.Steps, encodeStep(v, now))
	}
	for _, e := range run.Journal {
		out.Journal = append(out.Journal, encodeEntry(e))
	}
	return out
}

// operations divides what the run takes now into what it takes from this
// person, and what not, with the run's own reason.
func operations(x *runbooks.Execution, who auth.Principal, now time.Time) (allowed []openapi.Operation, refused []openapi.RefusedOperation) {
	for _, op := range x.Allowed() {
		err := who.Allow(verbOf(op), objectOf(x))
		if err == nil {
			// Any reason will do: whether one is given is seen when it is.
			_, err = x.Propose(runbooks.Ask{Operation: op, By: who.Name, Reason: "?"}, now)
		}
		if err == nil {
			allowed = append(allowed, openapi.Operation(op))
			continue
		}
		refused = append(refused, openapi.RefusedOperation{Operation: openapi.Operation(op), Because: because(err)})
	}
	return allowed, refused
}

// because leaves out the subject, which the reader is looking at.
func because(err error) string {
	f, ok := err.(*fault.Error)
	if !ok {
		return err.Error()
	}
	if f.Remedy != "" {
		return f.Problem + " (" + f.Remedy + ")"
	}
	return f.Problem
}

func encodeStep(v runbooks.StepView, now time.Time) openapi.Step {
	out := openapi.Step{Id: string(v.Step), Name: stepName(v.PlannedStep), Kind: v.Kind, Description: v.Description, Danger: danger(v.PlannedStep),
		State: openapi.StepState(v.State), StartedAt: v.Started, EndedAt: v.Ended, Attempts: v.Attempts, InterruptionsTotal: v.Interruptions,
		Detail: v.Detail, ParallelGroup: v.Group, NeedsApproval: v.Kind == runbooks.ApproveKind, Guard: v.Guard, NoReturn: v.NoReturn,
		ApprovalsTotal: approvals(v.PlannedStep), IfAborted: v.Abort, Compensate: v.Compensate}
	if v.Undo != nil {
		out.Detail = strings.Trim(out.Detail+"; taking it back: "+orState(v.Undo), "; ")
	}
	until := v.Ended
	if until.IsZero() {
		until = now
	}
	out.DurationMs = span(v.Started, until)
	for _, name := range slices.Sorted(maps.Keys(v.Values)) {
		out.Evidence = append(out.Evidence, openapi.Evidence{Name: name, Value: v.Values[name]})
	}
	for _, a := range v.Approved {
		out.Approvals = append(out.Approvals, openapi.Approval{By: a.By, At: a.At.UTC(), Reason: a.Reason})
	}
	return out
}

func orState(u *runbooks.UndoView) string {
	if u.Detail != "" {
		return u.Detail
	}
	return string(u.State)
}

func encodeEntry(e Entry) openapi.JournalEntry {
	detail := e.Event.Detail
	for _, more := range []string{string(e.Event.Outcome), e.Event.Reason} {
		switch {
		case more == "":
		case detail == "":
			detail = more
		default:
			detail = more + ": " + detail
		}
	}
	return openapi.JournalEntry{Position: int64(e.Position), At: e.Event.At.UTC(), Principal: e.Event.Principal, Kind: string(e.Event.Kind),
		Step: string(e.Event.Step), Detail: detail, Hash: e.Hash}
}

func encodeReceipt(x *runbooks.Execution) *openapi.Receipt {
	r, ok := x.Receipt()
	if !ok {
		return nil
	}
	return &openapi.Receipt{Sentence: r.Sentence, Step: string(r.Step), At: r.At.UTC(), BytesMin: r.BytesMin, BytesMax: r.BytesMax,
		SecondsMin: r.SecondsMin, SecondsMax: r.SecondsMax, AgeSeconds: r.AgeSeconds, Source: r.Source,
		CeilingBytes: r.CeilingBytes, CeilingSeconds: r.CeilingSeconds}
}
