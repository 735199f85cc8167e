package api

import (
	"context"
	"time"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Library holds the runbooks of this fleet.
type Library interface {
	Runbooks(context.Context) ([]Procedure, error)
	CheckRunbook(ctx context.Context, file, text string) []runbooks.Problem
}

// Procedure is a runbook and where it is from.
type Procedure struct {
	Runbook runbooks.Runbook
	// Steps are what it would do, in words, before anything is known of where.
	Steps  []runbooks.PlannedStep
	Source string // "shipped", or a file
	Text   string // its YAML
	Engine string // of the databases it is for; empty if any
}

// Runs reads runs. What it returns belongs to the caller.
type Runs interface {
	// Runs returns the newest first; open ones alone if asked.
	Runs(ctx context.Context, open bool, limit int) ([]*runbooks.Execution, error)
	// Run fails with fault.NotFound if there is none of that name.
	Run(ctx context.Context, id runbooks.ExecutionID) (Run, error)
}

// Run is one run with its part of the trail.
type Run struct {
	Execution *runbooks.Execution
	Journal   []Entry
}

// Entry is an event and its place in the audit chain.
type Entry struct {
	Position uint64
	Hash     string
	Event    runbooks.Event
}

// Commander is through whom people run procedures. Who asks is [auth.From] of
// the context; every rule about who may not is decided behind it.
type Commander interface {
	Preview(context.Context, Order) (Plan, error)
	// Start returns the run that the order's key already started, if it did.
	Start(context.Context, Order) (runbooks.ExecutionID, error)
	Operate(ctx context.Context, id runbooks.ExecutionID, r Request) error
}

// Order asks for a run.
type Order struct {
	Key        string // chosen by the caller, once per intent; may be empty
	Runbook    string
	Database   regions.DatabaseID
	To         regions.ID
	Ungraceful bool
	Params     map[string]string
	Reason     string
	PlanHash   string // of the plan that was shown; empty if none was
}

// Plan is what an order would do.
type Plan struct {
	Start    runbooks.Start
	At       time.Time
	Dangers  []string
	Refusals []*fault.Error   // what would refuse it now
	Envelope openapi.Envelope // what an approval of it covers; may be zero
}

// Request asks something of a run.
type Request struct {
	Operation runbooks.Operation
	Step      runbooks.StepID // the one meant; empty for the one whose turn it is
	Reason    string
	PlanHash  string // of the plan that was looked at; empty for that of the run
}
