package steps

import (
	"context"
	"fmt"

	"fairlead/runbooks"
)

// approve waits for people. The execution itself carries it out; this is only
// its line in the plan.
type approve struct{ people int }

var approveKind = kind{
	Kind:  runbooks.Kind{Name: runbooks.ApproveKind, About: "wait until other people than the one who started the run agree to its plan", Approves: true, Guard: true},
	build: func(b binding) (runbooks.Step, error) { return approve{max(b.spec.Approvals, 1)}, nil },
}

func (a approve) Describe() string {
	if a.people == 1 {
		return "wait until another person than the one who starts it approves this plan"
	}
	return fmt.Sprintf("wait until %d other people than the one who starts it approve this plan", a.people)
}

func (approve) Observe(context.Context, runbooks.Scope) (runbooks.Seen, error) {
	return runbooks.NotDone, nil
}

func (approve) Act(context.Context, runbooks.Scope) error {
	return fmt.Errorf("an approval cannot be carried out")
}

func (approve) Verify(context.Context, runbooks.Scope) error { return nil }
