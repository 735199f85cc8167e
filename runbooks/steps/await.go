package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/runbooks"
)

// await waits: for a time, until a region is in a state, or until a provider
// says that something is so. It changes nothing and may be skipped.
type await struct {
	last     time.Duration
	world    World
	region   regions.ID
	state    regions.State
	look     *act
	describe string
}

var awaitKind = kind{
	Kind: runbooks.Kind{Name: "await", About: "wait for a time (for), a region's state (region, state), or until a provider says that an action is done (action)",
		With: []runbooks.Field{{Name: "for"}, {Name: "region"}, {Name: "state"}, {Name: "action"}, {Name: "database"}}},
	build: func(b binding) (runbooks.Step, error) {
		last, err := b.duration("for", 0)
		if err != nil {
			return nil, err
		}
		a := await{last: last, world: b.out.World, region: regions.ID(b.with("region", ""))}
		switch {
		case b.with("action", "") != "":
			look, err := asked(b)
			a.look, a.describe = look, "wait until "+look.describe
			return a, err
		case b.with("state", "") != "":
			a.state, err = regions.ParseState(b.with("state", ""))
			a.describe = fmt.Sprintf("wait until %s is %v", a.region, a.state)
			return a, err
		case last > 0:
			a.describe = fmt.Sprintf("wait %v", last)
			return a, nil
		}
		return nil, b.invalid("does not say what to wait for; give for, region and state, or action")
	},
}

// Describe implements [runbooks.Step].
func (a await) Describe() string { return a.describe }

// Observe implements [runbooks.Step]. Whether a time has passed is not seen
// from the world: an interrupted wait begins again.
func (a await) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	switch {
	case a.look != nil:
		return a.look.look(ctx, sc)
	case a.state != regions.Unknown:
		state, because := a.world.State(a.region)
		sc.Note("%s is %v: %s", a.region, state, because)
		return runbooks.SeenIf(state == a.state), nil
	}
	return runbooks.NotDone, nil
}

// Act implements [runbooks.Step].
func (a await) Act(ctx context.Context, sc runbooks.Scope) error {
	if a.look == nil && a.state == regions.Unknown {
		return sc.Sleep(ctx, a.last)
	}
	return nil
}

// Verify implements [runbooks.Step]: this is where it waits for a condition.
func (a await) Verify(ctx context.Context, sc runbooks.Scope) error {
	if a.look == nil && a.state == regions.Unknown {
		return nil
	}
	seen, err := a.Observe(ctx, sc)
	if err == nil && seen != runbooks.IsDone {
		return runbooks.NotYet("not yet: %s", a.describe)
	}
	return err
}

// verify asks a provider once, from outside of the steps that acted.
type verify struct{ look *act }

var verifyKind = kind{
	Kind: runbooks.Kind{Name: "verify", About: "have a provider prove that an action is done, such as postgres.verify_writable",
		With: []runbooks.Field{{Name: "action", Required: true}, {Name: "region"}, {Name: "database"}}},
	build: func(b binding) (runbooks.Step, error) {
		look, err := asked(b)
		return verify{look}, err
	},
}

// asked is the look that await and verify take.
func asked(b binding) (*act, error) {
	d, err := b.database()
	if err != nil {
		return &act{}, err
	}
	action, ok := strings.CutPrefix(b.with("action", ""), d.Engine+".")
	if !ok {
		return &act{}, b.invalid("action is %q; write it like %s.status", b.with("action", ""), d.Engine)
	}
	region := regions.ID(b.with("region", string(b.start.To)))
	r := request(b, action, d.ID, region)
	delete(r.Params, "action")
	return &act{ask: b.out.Providers, provider: d.Engine, subject: b.subject(), request: r,
		describe: fmt.Sprintf("%s of %s in %s is done", action, d.ID, region)}, nil
}

func (v verify) Describe() string { return "prove that " + v.look.describe }

func (v verify) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	return runbooks.NotDone, nil // a proof is always taken afresh
}

func (v verify) Act(context.Context, runbooks.Scope) error { return nil }

func (v verify) Verify(ctx context.Context, sc runbooks.Scope) error {
	seen, err := v.look.look(ctx, sc)
	if err == nil && seen != runbooks.IsDone {
		return runbooks.NotYet("%s: %v", v.look.describe, seen)
	}
	return err
}
