package runbooks_test

import (
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/runbooks"
)

// kinds are small kinds for tests: what matters of a kind is its flags.
var kinds = runbooks.Kinds{
	"look":    {Name: "look", Guard: true, Values: []string{"seen"}},
	"wait":    {Name: "wait", With: []runbooks.Field{{Name: "for"}, {Name: "lsn"}}},
	"change":  {Name: "change", Changes: true, With: []runbooks.Field{{Name: "to"}, {Name: "run", List: true}}, Values: []string{"lsn"}},
	"fence":   {Name: "fence", Changes: true, Guard: true, Fences: true, With: []runbooks.Field{{Name: "database"}}, Values: []string{"lsn"}},
	"unfence": {Name: "unfence", Changes: true},
	"promote": {Name: "promote", Changes: true, Guard: true, Promotes: true, With: []runbooks.Field{{Name: "database"}}},
	"repoint": {Name: "repoint", Changes: true, Guard: true, Values: []string{"epoch"}},
	"approve": {Name: "approve", Approves: true, Guard: true},
}

const began = "2026-11-23T03:00:00Z"

var t0, _ = time.Parse(time.RFC3339, began)

// written makes the first event of a run of a runbook's text.
func written(t *testing.T, text string, params map[string]string) runbooks.Event {
	t.Helper()
	rb, problems := runbooks.Parse("test.yaml", text, kinds)
	if len(problems) > 0 {
		t.Fatalf("the test's runbook has problems: %v", problems)
	}
	bound, err := rb.Bind(params)
	if err != nil {
		t.Fatal(err)
	}
	start := &runbooks.Start{Runbook: rb, Params: bound, Database: "orders", From: "us-east", To: "eu-central",
		Epoch: regions.Epoch{Incarnation: 1, Number: 7, Writer: "us-east"}, PlanHash: "plan"}
	for _, p := range start.PlannedSpecs() {
		k := kinds[p.Spec.Kind]
		planned := runbooks.PlannedStep{Step: p.Spec.ID, Kind: p.Spec.Kind, Description: "do " + string(p.Spec.ID), Group: p.Group,
			Changes: k.Changes, Guard: k.Guard, NoReturn: p.Spec.NoReturn, Approvals: p.Spec.Approvals}
		if p.Spec.Compensate != nil {
			planned.Compensate = "undo " + string(p.Spec.ID)
		}
		start.Plan = append(start.Plan, planned)
	}
	return runbooks.Event{Kind: runbooks.Started, At: t0, Principal: "anna", Reason: "test", Start: start}
}

// machine drives an execution as an engine would, one event at a time.
type machine struct {
	*testing.T
	x   *runbooks.Execution
	now time.Time
}

func started(t *testing.T, text string) *machine {
	t.Helper()
	m := &machine{t, runbooks.New("run-1"), t0}
	m.must(written(t, text, nil))
	return m
}

func (m *machine) must(ev runbooks.Event) {
	m.Helper()
	if ev.At.IsZero() {
		ev.At = m.now
	}
	if err := m.x.Apply(ev); err != nil {
		m.Fatalf("Apply(%s %s) = %v, want it accepted", ev.Kind, ev.Step, err)
	}
}

func (m *machine) ask(op runbooks.Operation, by string, step runbooks.StepID) error {
	ev, err := m.x.Propose(runbooks.Ask{Operation: op, By: by, Reason: "because", Step: step}, m.now)
	if err != nil {
		return err
	}
	return m.x.Apply(ev)
}

func (m *machine) asks(op runbooks.Operation, by string, step runbooks.StepID) {
	m.Helper()
	if err := m.ask(op, by, step); err != nil {
		m.Fatalf("%s by %s of %q = %v, want it accepted", op, by, step, err)
	}
}

// runnable returns the steps that Next says to run now.
func (m *machine) runnable() []runbooks.RunStep {
	var steps []runbooks.RunStep
	for _, c := range m.x.Next(m.now) {
		if r, ok := c.(runbooks.RunStep); ok {
			steps = append(steps, r)
		}
	}
	return steps
}

// next returns the one step to run now.
func (m *machine) next() runbooks.RunStep {
	m.Helper()
	steps := m.runnable()
	if len(steps) != 1 {
		m.Fatalf("Next = %+v in state %s, want exactly one step to run", m.x.Next(m.now), m.x.State())
	}
	return steps[0]
}

func intent(r runbooks.RunStep) runbooks.Event {
	return runbooks.Event{Kind: runbooks.Intended, Principal: "engine@a", Step: r.Step, Attempt: r.Attempt, Key: r.Key, Compensating: r.Compensating}
}

func outcome(r runbooks.RunStep, o runbooks.StepOutcome) runbooks.Event {
	ev := intent(r)
	ev.Kind, ev.Outcome, ev.Detail = runbooks.Finished, o, string(o)
	return ev
}

// does runs the one step that is due, which must be the one named.
func (m *machine) does(step runbooks.StepID, o runbooks.StepOutcome) {
	m.Helper()
	r := m.next()
	if r.Step != step {
		m.Fatalf("Next runs %s, want %s", r.Step, step)
	}
	m.must(intent(r))
	m.must(outcome(r, o))
}

func (m *machine) stop() (runbooks.Outcome, string) {
	m.Helper()
	next := m.x.Next(m.now)
	if len(next) == 1 {
		if s, ok := next[0].(runbooks.Stop); ok {
			return s.Outcome, s.Sentence
		}
	}
	m.Fatalf("Next = %+v in state %s, want a stop", next, m.x.State())
	return "", ""
}

func (m *machine) ends(want runbooks.Outcome) {
	m.Helper()
	got, sentence := m.stop()
	if got != want {
		m.Fatalf("the run ends as %s (%s), want %s", got, sentence, want)
	}
	m.must(runbooks.Event{Kind: runbooks.Ended, Principal: "engine@a", Result: got, Detail: sentence})
	if m.x.State() != runbooks.RunEnded || len(m.x.Next(m.now)) != 0 {
		m.Fatalf("after its end the run is %s and has %v to do", m.x.State(), m.x.Next(m.now))
	}
}

func (m *machine) state(want runbooks.RunState) {
	m.Helper()
	if got := m.x.State(); got != want {
		m.Fatalf("the run is %s (%s), want %s", got, m.x.Sentence(), want)
	}
}

func (m *machine) step(id runbooks.StepID) runbooks.StepView {
	m.Helper()
	for _, v := range m.x.Steps() {
		if v.Step == id {
			return v
		}
	}
	m.Fatalf("there is no step %s", id)
	return runbooks.StepView{}
}
