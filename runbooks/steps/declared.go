package steps

import (
	"context"

	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// declared is a fence for which a person gives their word where nothing can
// confirm it. Whoever is named must answer for the run: must have started it,
// or have agreed to its plan, which says what they declare. A name that
// somebody else wrote down is nobody's word.
type declared struct {
	act
	by string
}

func (d declared) given(sc runbooks.Scope) error {
	if sc.Answers(d.by) {
		return nil
	}
	return runbooks.Refuse(fault.Deniedf(d.subject, "declared_lost_by names %s, who has neither started nor approved this run", d.by).
		Do("have %s start or approve it, or start it again with the name of somebody who does", d.by))
}

// Observe implements [runbooks.Step].
func (d declared) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	if err := d.given(sc); err != nil {
		return runbooks.CannotTell, err
	}
	return d.act.Observe(ctx, sc)
}

// Act implements [runbooks.Step].
func (d declared) Act(ctx context.Context, sc runbooks.Scope) error {
	if err := d.given(sc); err != nil {
		return err
	}
	return d.act.Act(ctx, sc)
}
