package steps

import (
	"context"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/runbooks"
)

// Outside is all that steps need from the rest of the house.
type Outside struct {
	Providers Providers
	Steering  Steering
	Overrides Overrides
	World     World
	// Command makes the provider that runs programs; nil where runbooks may
	// run none.
	Command func(act, verify []string, limit time.Duration) (providers.Provider, error)
}

// Providers is the registry of providers.
type Providers interface {
	Observe(ctx context.Context, provider string, r providers.Request) (providers.Result, error)
	Act(ctx context.Context, provider string, r providers.Request) (providers.Result, error)
}

// Steering moves the writer of a database.
type Steering interface {
	// Writer returns the newest epoch of a database.
	Writer(ctx context.Context, database regions.DatabaseID) (regions.Epoch, error)
	// Advance makes writer the writer in the epoch after from, and returns it.
	// It fails with fault.Conflict if from is not the newest epoch any more,
	// unless the newest one was made under the same key.
	Advance(ctx context.Context, key string, database regions.DatabaseID, from regions.Epoch, writer regions.ID, by, why string) (regions.Epoch, error)
	// Confirmed returns how many nodes answer, and those of them that have
	// not confirmed that they answer by this epoch.
	Confirmed(ctx context.Context, database regions.DatabaseID, e regions.Epoch) (nodes int, unconfirmed []regions.NodeID, err error)
}

// Overrides takes regions and services out of answers, and lets them back.
type Overrides interface {
	// Overrides returns those that are in force.
	Overrides(ctx context.Context) ([]regions.Override, error)
	// Put puts one in force; once, by its identifier.
	Put(ctx context.Context, o regions.Override) error
	// Restore ends all overrides of a scope that keep it out, and lets it
	// back into answers.
	Restore(ctx context.Context, scope regions.Scope, by, why string) error
	// Gone returns how many nodes answer, and those of them that may still
	// answer with the scope.
	Gone(ctx context.Context, scope regions.Scope) (nodes int, unconfirmed []regions.NodeID, err error)
}

// World is what is decided and believed now.
type World interface {
	// Fleet returns the fleet as it is decided now; nil if there is none.
	Fleet() *regions.Fleet
	// State returns what is believed of a region, and why.
	State(region regions.ID) (regions.State, string)
	// Running returns the run that has a database in hand, or "".
	Running(ctx context.Context, database regions.DatabaseID) (runbooks.ExecutionID, error)
}
