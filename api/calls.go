package api

import (
	"context"
	"io"
	"net/netip"
	"time"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// Overview is what a node knows. View must not block on a store that is gone:
// it is asked when nothing else works any more.
type Overview interface {
	View(context.Context) (View, error)
}

// View is one consistent picture: all parts belong to the same moment. It is
// read and never changed.
type View struct {
	At       time.Time
	Node     regions.NodeID
	Version  string
	Decided  *regions.Decided
	Plan     *steer.Plan
	Verdicts map[regions.TargetID]regions.Verdict // of endpoints and of database members
	Regions  map[regions.ID]steer.RegionVerdict
	Alarms   []regions.Alarm // all of them, the plan's included

	Store   openapi.StoreStatus
	Config  openapi.ConfigStatus
	Members map[regions.TargetID]openapi.DatabaseMember // what agents and probes say; region, state and because may be empty
	Nodes   []openapi.Node
	// Standpoint says whether it is us or the world; nil if nobody can tell.
	Standpoint *openapi.Standpoint
}

// Explainer says what a client is answered, now or then.
type Explainer interface {
	// Explain fails with fault.NotFound if the name is in no zone of ours, or
	// the instant lies beyond what this node remembers.
	Explain(context.Context, Question) (Explained, error)
}

// Question is what a client asks. An invalid Client means everyone else; a
// zero At means now.
type Question struct {
	Name   regions.Name
	Type   string
	Client netip.Prefix
	At     time.Time
}

// Explained is the plan that answered, and the answer as it went out.
type Explained struct {
	At      time.Time
	Node    regions.NodeID
	Plan    *steer.Plan
	Decided *regions.Decided
	Wire    string // in dig's notation
	Note    string // why the name is answered otherwise than planned; mostly empty
}

// Overrider puts people over measurement. The author is [auth.From] of the
// context; everything that forbids an act is decided behind it.
type Overrider interface {
	Steer(context.Context, Act) (Decision, error)
}

// Verb is what an [Act] does.
type Verb string

const (
	Drain     Verb = "drain"
	Restore   Verb = "restore"
	ForceUp   Verb = "force_up"
	ForceDown Verb = "force_down"
	End       Verb = "end" // the override named by ID
)

// Act is one act of steering.
type Act struct {
	Verb   Verb
	Scope  regions.Scope
	ID     string        // End only
	For    time.Duration // Drain, ForceUp, ForceDown
	Reason string
	Force  bool // although it hurts
	DryRun bool // say what would happen; decide nothing
}

// Decision is what came of an act.
type Decision struct {
	Generation uint64
	Effects    []string // a sentence each: who gains and loses what
	Overrides  []regions.Override
}

// GlassBreaker takes what people have signed past the store. What it returns
// is how this node stands.
type GlassBreaker interface {
	Glass(ctx context.Context) (openapi.BreakGlass, error)
	BreakGlass(ctx context.Context, bundle string) (openapi.BreakGlass, error)
	EndGlass(ctx context.Context, reason string) (openapi.BreakGlass, error)
}

// Freezer stops automatic changes, and lets them go on again.
type Freezer interface {
	Freeze(ctx context.Context, reason string, d time.Duration) (*regions.Freeze, error)
	Unfreeze(ctx context.Context, reason string) error
}

// Auditor reads the trail of decisions.
type Auditor interface {
	// Audit returns entries in rising order from a position; a negative from
	// means the newest ones.
	Audit(ctx context.Context, from int64, limit int) (openapi.AuditPage, error)
	VerifyAudit(context.Context) (openapi.AuditVerification, error)
	// Note adds what was not decided but belongs into the trail: that somebody
	// signed in ("sign-in"), or asked for what they may not do ("refused").
	Note(ctx context.Context, kind, subject, sentence string) error
}

// Archivist writes copies of the store.
type Archivist interface {
	// Backup writes a whole copy to out, and that it was asked for into the
	// trail. What was written of one that fails is worth nothing.
	Backup(ctx context.Context, out io.Writer) error
}

// Historian reads what this node saw. From is as for [Auditor].
type Historian interface {
	History(ctx context.Context, from int64, limit int) (openapi.HistoryPage, error)
}

// Configuration is this node's own.
type Configuration interface {
	Config(context.Context) (openapi.Config, error)
	CheckConfig(ctx context.Context, file, text string) []openapi.TextProblem
}

// Readiness says why this node should not be asked; nothing means it is ready.
type Readiness interface {
	Unready(context.Context) []string
}
