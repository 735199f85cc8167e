package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Pauses between two looks where users wait, and where they do not.
const (
	quickLook = 5 * time.Millisecond
	slowLook  = 100 * time.Millisecond
)

// repoint makes a region the writer: it advances the database's epoch in the
// store, then waits until every DNS node answers by it.
type repoint struct {
	steering   Steering
	database   regions.DatabaseID
	to         regions.ID
	ttl, limit time.Duration
	names      string
	subject    string
}

var repointKind = kind{
	Kind: runbooks.Kind{Name: "repoint", About: "advance the epoch of a database, so that its write names answer the new writer", Changes: true, Guard: true,
		With: []runbooks.Field{{Name: "database"}, {Name: "to"}, {Name: "limit"}}, Values: []string{"epoch", "nodes", "unconfirmed", runbooks.LeftoverValue}},
	build: func(b binding) (runbooks.Step, error) {
		d, err := b.database()
		if err != nil {
			return nil, err
		}
		limit, err := b.duration("limit", 10*time.Second)
		if err != nil {
			return nil, err
		}
		return repoint{b.out.Steering, d.ID, regions.ID(b.with("to", string(b.start.To))), b.ttl(d.ID), limit, b.names(d.ID), b.subject()}, nil
	},
}

// Describe implements [runbooks.Step].
func (r repoint) Describe() string {
	return fmt.Sprintf("make %s the writer of %s and have %s answered with it; old answers are forgotten after %v", r.to, r.database, r.names, r.ttl)
}

// Observe implements [runbooks.Step].
func (r repoint) Observe(ctx context.Context, sc runbooks.Scope) (runbooks.Seen, error) {
	e, err := r.steering.Writer(ctx, r.database)
	switch want := sc.Epoch.Next(r.to); {
	case err != nil:
		return runbooks.CannotTell, fmt.Errorf("read the epoch of %s: %w", r.database, err)
	case e == want:
		sc.Set("epoch", e.String())
		return runbooks.IsDone, nil
	case e.Compare(sc.Epoch) > 0:
		return runbooks.NotDone, runbooks.Refuse(providers.Stale(string(r.database), sc.Epoch, e))
	}
	return runbooks.NotDone, nil
}

// Act implements [runbooks.Step].
func (r repoint) Act(ctx context.Context, sc runbooks.Scope) error {
	e, err := r.steering.Advance(ctx, sc.Key, r.database, sc.Epoch, r.to, sc.By, sc.Why)
	if fault.Is(err, fault.Conflict) {
		return runbooks.Refuse(err)
	}
	if err != nil {
		return fmt.Errorf("advance the epoch of %s: %w", r.database, err)
	}
	sc.Set("epoch", e.String())
	sc.Note("the epoch of %s is %s", r.database, e)
	return nil
}

// Verify implements [runbooks.Step]: it asks the nodes, not the store. Who
// has not confirmed once old answers are forgotten and the limit has passed is named
// and left to people, because the writer has moved and nothing may undo that.
func (r repoint) Verify(ctx context.Context, sc runbooks.Scope) error {
	wait := r.ttl + r.limit
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)*9/10)
	}
	began := time.Now()
	for {
		nodes, unconfirmed, err := r.steering.Confirmed(ctx, r.database, sc.Epoch.Next(r.to))
		waited := time.Since(began)
		switch {
		case err != nil && (ctx.Err() != nil || waited >= wait):
			return fmt.Errorf("ask the nodes about %s: %w", r.database, err)
		case err == nil && len(unconfirmed) == 0:
			sc.Set("nodes", fmt.Sprint(nodes))
			sc.Note("all %d nodes answer it", nodes)
			return nil
		case err == nil && waited >= wait:
			left := fmt.Sprintf("%d of %d nodes unconfirmed: %s", len(unconfirmed), nodes, join(unconfirmed))
			sc.Set("nodes", fmt.Sprint(nodes))
			sc.Set("unconfirmed", join(unconfirmed))
			sc.Set(runbooks.LeftoverValue, left)
			sc.Note("%s; after %v resolvers ask them again, and may hear the old writer, which is fenced", left, waited.Round(time.Second))
			return nil
		}
		pause := quickLook
		if waited > 2*time.Second {
			pause = slowLook
		}
		if err := sc.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func join[T ~string](list []T) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(s))
	}
	return b.String()
}
