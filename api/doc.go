// Package api is the way in: HTTP routes, problem documents and live events.
//
// A handler decodes, calls and encodes; nothing is decided in it. What it
// calls are the small interfaces of calls.go, which the program implements
// with the store, the judge, the engine and the history. Requests are
// validated against the document in package openapi before a handler sees
// them, and a fault becomes a problem document in one place, problem.go.
//
// The surprising choice: there is no framework of resources. A drain is a
// POST that says "drain", with a reason, because that is what the trail will
// say and what somebody reads at three in the morning.
//
// Callers may rely on this: no act reaches an interface without a principal in
// its context (see [auth.From]) who may do it; no body over 1 MiB is read; no
// panic, and no cause of an internal fault, reaches a user.
package api
