package steps

import (
	"context"
	"fmt"
	"strconv"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// act asks a provider to bring something about.
type act struct {
	ask      asker
	provider string
	request  providers.Request
	database regions.DatabaseID
	describe string
	subject  string
	steering Steering // nil for what changes nothing
	proof    bool     // look again after acting
	lenient  bool     // what is not done is left over and named, and fails nothing
}

// asker is the part of [Providers] that act uses; a single provider is one
// too, through [sole].
type asker = Providers

// Describe implements [runbooks.Step].
func (a act) Describe() string { return a.describe }

func (a act) with(sc runbooks.Scope) providers.Request {
	r := a.request
	r.Key, r.Epoch = sc.Key, sc.Epoch
	return r
}

// Observe implements [runbooks.Step]. When nothing has gone out yet there is
// nothing to look for, and a provider's act is harmless on a world in which
// it is done already; so the round trip is saved where writers wait.
func (a act) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	if sc.Fresh {
		return runbooks.NotDone, nil
	}
	return a.look(ctx, sc)
}

func (a act) look(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	res, err := a.ask.Observe(ctx, a.provider, a.with(sc))
	if err != nil {
		return runbooks.CannotTell, err
	}
	switch res.State {
	case providers.Done:
		sc.SetAll(res.Values)
		sc.Note("%s", res.Detail)
		return runbooks.IsDone, nil
	case providers.NotDone:
		return runbooks.NotDone, nil
	}
	sc.Note("%s", res.Detail)
	return runbooks.CannotTell, nil
}

// Act implements [runbooks.Step]. An act under an epoch that is over is
// refused here already; the provider and whoever it speaks to refuse it too.
func (a act) Act(ctx context.Context, sc runbooks.Scope) error {
	if a.steering != nil && a.database != "" {
		newest, err := a.steering.Writer(ctx, a.database)
		if err == nil && newest.Compare(sc.Epoch) > 0 {
			return runbooks.Refuse(providers.Stale(string(a.database), sc.Epoch, newest))
		}
	}
	res, err := a.ask.Act(ctx, a.provider, a.with(sc))
	switch {
	case err != nil && res.State == providers.Untouched:
		return untouched(err)
	case err != nil:
		return err
	case res.State == providers.Done:
		sc.SetAll(res.Values)
		sc.Note("%s", res.Detail)
		return nil
	case res.State == providers.NotDone && a.lenient:
		sc.Set(runbooks.LeftoverValue, res.Detail)
		sc.Note("%s", res.Detail)
		return nil
	case res.State == providers.NotDone:
		return fault.Conflictf(a.subject, "it is not done: %s", res.Detail)
	}
	return fault.Unavailablef(a.subject, "what came of it could not be seen: %s", res.Detail)
}

// untouched is the error of an act that began nothing: asking again helps
// where time can mend it, or where nobody knows what is wrong.
func untouched(err error) error {
	switch fault.Of(err) {
	case fault.Unavailable, fault.Internal:
		return runbooks.NotBegun(err)
	}
	return runbooks.Refuse(err)
}

// Verify implements [runbooks.Step]. A provider returns from an act once it
// is so; where time allows, it is asked once more.
func (a act) Verify(ctx context.Context, sc runbooks.Scope) error {
	if !a.proof {
		return nil
	}
	silent, _ := runbooks.NewScope(sc) // what it found has been noted already
	seen, err := a.look(ctx, silent)
	switch {
	case err != nil:
		return err
	case seen != runbooks.IsDone:
		return runbooks.NotYet("%s: %v", a.describe, seen)
	}
	return nil
}

// sole makes one provider a registry.
type sole struct{ providers.Provider }

func (s sole) Observe(ctx context.Context, _ string, r providers.Request) (providers.Result, error) {
	return s.Provider.Observe(ctx, r)
}

func (s sole) Act(ctx context.Context, _ string, r providers.Request) (providers.Result, error) {
	return s.Provider.Act(ctx, r)
}

// commandKind runs a program of the house, with another one that proves it.
var commandKind = kind{
	Kind: runbooks.Kind{Name: "command", About: "run a program; exit 0 is done, 75 out of reach, anything else failed", Changes: true,
		With: []runbooks.Field{{Name: "run", Required: true, List: true}, {Name: "verify", List: true}, {Name: "region"}}},
	build: func(b binding) (runbooks.Step, error) {
		run, verify := runbooks.List(b.spec.With["run"]), runbooks.List(b.spec.With["verify"])
		describe := fmt.Sprintf("run %s", quoted(run))
		if len(verify) > 0 {
			describe += fmt.Sprintf(", proved by %s", quoted(verify))
		}
		a := act{describe: describe, subject: b.subject(), database: b.start.Database, steering: b.out.Steering,
			request: providers.Request{Action: "run", Region: regions.ID(b.with("region", string(b.start.To))), Params: map[string]string{}}}
		if b.out.Command == nil {
			a.ask = sole{nothing{}}
			return a, nil
		}
		p, err := b.out.Command(run, verify, b.spec.Timeout)
		a.ask = sole{p}
		return a, err
	},
}

func quoted(list []string) string {
	text := ""
	for i, s := range list {
		if i > 0 {
			text += " "
		}
		if q := strconv.Quote(s); len(q) > len(s)+2 || s == "" {
			s = q
		}
		text += s
	}
	return text
}

// nothing stands where runbooks may run no programs.
type nothing struct{}

func (nothing) Observe(context.Context, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.NotDone}, nil
}

func (nothing) Act(context.Context, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Untouched}, fault.Deniedf("command", "this node runs no programs for runbooks")
}
