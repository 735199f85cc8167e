// Package probe checks endpoints and database servers, and keeps the table of
// what this node believes of each.
//
// A [Prober] makes one check. A [Schedule] makes all of them on time: each
// target has a grid of its own with a random phase, so that the nodes of a
// fleet do not knock in step, and jitter shifts a check inside its slot
// without ever accumulating. A check that hangs does not delay the next one:
// up to [regions.MaxInFlight] of a target overlap, and an outcome that
// arrives after that of a later check is dropped.
//
// The surprising choice: nothing is retried. Hysteresis is the retry, and a
// check that quietly tried twice would hide what users meet.
//
// Reasons are short enough for a table on the wire and plain enough for a
// tired operator: "connection refused", "timeout after 400ms", "HTTP 503".
package probe
