package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/runbooks"
)

// drain takes a scope out of every answer, or forces it, and waits until the
// nodes say so and resolvers have forgotten what was answered before.
type drain struct {
	overrides Overrides
	scope     regions.Scope
	state     regions.State
	isDrain   bool
	last, ttl time.Duration
}

var drainKind = kind{
	Kind: runbooks.Kind{Name: "drain", About: "take a region, or one service in it, out of every answer, and wait until resolvers have forgotten it", Changes: true,
		With: []runbooks.Field{{Name: "region", Required: true}, {Name: "service"}, {Name: "for"}}},
	build: func(b binding) (runbooks.Step, error) {
		d, err := newDrain(b)
		d.state, d.isDrain = regions.Down, true
		return d, err
	},
}

var shiftKind = kind{
	Kind: runbooks.Kind{Name: "shift", About: "force a region, or one service in it, up or down whatever is measured", Changes: true,
		With: []runbooks.Field{{Name: "region", Required: true}, {Name: "service"}, {Name: "state", Required: true}, {Name: "for"}}},
	build: func(b binding) (runbooks.Step, error) {
		d, err := newDrain(b)
		if err != nil {
			return d, err
		}
		d.state, err = regions.ParseState(b.with("state", ""))
		return d, err
	},
}

func newDrain(b binding) (drain, error) {
	last, err := b.duration("for", 24*time.Hour)
	d := drain{overrides: b.out.Overrides, last: last,
		scope: regions.Scope{Region: regions.ID(b.with("region", "")), Service: regions.ServiceID(b.with("service", ""))}}
	for _, s := range b.fleet.Services {
		if d.scope.Service == "" || d.scope.Service == s.ID {
			d.ttl = max(d.ttl, s.TTL)
		}
	}
	return d, err
}

// Describe implements [runbooks.Step].
func (d drain) Describe() string {
	if d.isDrain {
		return fmt.Sprintf("drain %s for at most %v, then wait %v for resolvers to forget it", d.scope, d.last, d.ttl)
	}
	return fmt.Sprintf("force %s %v for at most %v", d.scope, d.state, d.last)
}

// id derives the override's identifier from the key: what is put twice under
// one key is one override.
func (d drain) id(sc runbooks.Scope) string {
	return "run-" + strings.ReplaceAll(sc.Key, "/", "-")
}

// Observe implements [runbooks.Step].
func (d drain) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	all, err := d.overrides.Overrides(ctx)
	if err != nil {
		return runbooks.CannotTell, fmt.Errorf("read the overrides: %w", err)
	}
	return runbooks.SeenIf(slices.ContainsFunc(all, func(o regions.Override) bool {
		return o.ID() == d.id(sc) && o.Rules(d.scope.Region, d.scope.Service)
	})), nil
}

// Act implements [runbooks.Step].
func (d drain) Act(ctx context.Context, sc runbooks.Scope) error {
	now := time.Now()
	o, err := regions.NewForce(d.id(sc), d.scope, d.state, sc.By, sc.Why, now, now.Add(d.last))
	if d.isDrain {
		o, err = regions.NewDrain(d.id(sc), d.scope, sc.By, sc.Why, now, now.Add(d.last))
	}
	if err != nil {
		return runbooks.Refuse(err)
	}
	if err := d.overrides.Put(ctx, o); err != nil {
		return fmt.Errorf("put the override of %s in force: %w", d.scope, err)
	}
	return nil
}

// Verify implements [runbooks.Step]: it asks the nodes, not the store.
func (d drain) Verify(ctx context.Context, sc runbooks.Scope) error {
	if d.state != regions.Down {
		return nil
	}
	nodes, unconfirmed, err := d.overrides.Gone(ctx, d.scope)
	switch {
	case err != nil:
		return fmt.Errorf("ask the nodes about %s: %w", d.scope, err)
	case len(unconfirmed) > 0:
		return runbooks.NotYet("%d of %d nodes may still answer %s: %s", len(unconfirmed), nodes, d.scope, join(unconfirmed))
	}
	sc.Note("no node of %d answers %s any more", nodes, d.scope)
	return sc.Sleep(ctx, d.ttl)
}

// restore lets a scope back into answers.
type restore struct {
	overrides Overrides
	scope     regions.Scope
}

var restoreKind = kind{
	Kind: runbooks.Kind{Name: "restore", About: "let a region, or one service in it, back into answers", Changes: true,
		With: []runbooks.Field{{Name: "region", Required: true}, {Name: "service"}}},
	build: func(b binding) (runbooks.Step, error) {
		return restore{b.out.Overrides, regions.Scope{Region: regions.ID(b.with("region", "")), Service: regions.ServiceID(b.with("service", ""))}}, nil
	},
}

// Describe implements [runbooks.Step].
func (r restore) Describe() string { return fmt.Sprintf("let %s back into answers", r.scope) }

// Observe implements [runbooks.Step]. Letting something back twice does no
// harm, so there is no need to remember.
func (r restore) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	if sc.Fresh {
		return runbooks.NotDone, nil
	}
	all, err := r.overrides.Overrides(ctx)
	if err != nil {
		return runbooks.CannotTell, fmt.Errorf("read the overrides: %w", err)
	}
	return runbooks.SeenIf(!slices.ContainsFunc(all, func(o regions.Override) bool {
		return o.Scope() == r.scope && o.State() == regions.Down && o.Phase() != regions.Ended
	})), nil
}

// Act implements [runbooks.Step].
func (r restore) Act(ctx context.Context, sc runbooks.Scope) error {
	if err := r.overrides.Restore(ctx, r.scope, sc.By, sc.Why); err != nil {
		return fmt.Errorf("restore %s: %w", r.scope, err)
	}
	return nil
}

// Verify implements [runbooks.Step].
func (r restore) Verify(context.Context, runbooks.Scope) error { return nil }
