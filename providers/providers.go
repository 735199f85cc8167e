// Package providers is how Fairlead acts on systems that are not its own.
//
// A [Provider] knows one kind of outside system: it can look at it, and it can
// change it. A runbook's step never speaks to a database or a cloud; it hands
// a [Request] to the [Registry], which passes it on only if the request's
// epoch is not older than the newest it has seen for that database.
//
// The surprising choice: Observe, not the memory of an earlier Act, decides
// whether something is done. After a crash nobody remembers; the world does.
// So every provider owes its callers what providertest checks: Act twice under
// one key does no harm, Observe after Act says done, an older epoch is
// refused, a cancelled context ends the call, and a dry run changes nothing.
package providers

import (
	"context"

	"fairlead/regions"
)

// States of a [Result].
const (
	Done    = "done"     // the world is as the request wants it
	NotDone = "not_done" // it is not, and that is certain
	Unknown = "unknown"  // it could not be seen; never taken for either of the others
	// Untouched goes with an error of Act alone: it is certain that nothing
	// was begun. Without it an error says nothing of what was done.
	Untouched = "untouched"
)

// Request asks a provider to look at, or to bring about, one thing.
type Request struct {
	Key    string            // the same for each repetition of one act; at most one effect per key
	Action string            // what to do, in the provider's own words: "fence", "promote"
	Epoch  regions.Epoch     // under which decision about the database this is done
	Region regions.ID        // where; providers document which of two regions they mean
	Params map[string]string // the rest, documented by each provider
	DryRun bool              // say what would happen, change nothing
}

// Param returns a parameter, or fallback where it is absent or empty.
func (r Request) Param(name, fallback string) string {
	if v := r.Params[name]; v != "" {
		return v
	}
	return fallback
}

// Result is what a provider saw, or did. What a provider refuses or fails to
// do is an error; the Result beside it then says no more than Untouched.
type Result struct {
	State  string            // Done, NotDone or Unknown; with an error Untouched, or empty
	Detail string            // a sentence for people; evidence claims no more than was seen
	Values map[string]string // the same for programs; keys are snake_case
}

// Provider acts on one outside system.
type Provider interface {
	// Observe says whether what the request asks for is already so. It
	// changes nothing. What it cannot see is [Unknown], and an error only
	// where the request itself makes no sense.
	Observe(ctx context.Context, r Request) (Result, error)
	// Act brings it about and returns once it is so, or fails with a reason.
	// An error promises that nothing happened only if the Result's State is
	// [Untouched]; otherwise Observe tells.
	Act(ctx context.Context, r Request) (Result, error)
}
