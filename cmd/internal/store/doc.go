// Package store keeps what people have decided: the fleet, overrides, writer
// epochs, runs and their journals, tokens, and the audit trail of all of it.
//
// It is written once, as domain types over a small interface, [KV]. Etcd,
// embedded or external, is one implementation (package etcd), memory is its
// twin (package store/memory), and store/storetest is the contract of both.
//
// # One chain
//
// The surprising choice: every decision, of whatever kind, is one transaction
// that also appends one entry to a single hash-chained log, and that compares
// the head of that log. So all decisions stand in one order that everyone can
// check, each one saw everything that was decided before it, and no decision
// can be written without its author, its reason and its place in the trail.
// Decisions are rare; the price is a retry when two people decide at once.
//
// A run's journal is part of the same chain: its events lie under their own
// keys, sealed by the chain's entry that carries their hash. There is one
// record of what happened, not two.
//
// # What callers may rely on
//
// A write that failed with [fault.Unavailable] and is retried unchanged does
// no harm. A write made under a [Lease] is refused with [ErrDeposed] once
// that leadership is over, however long the writer slept. Reading never
// blocks on a lost store longer than the caller's context, and [Store.Watch]
// always has the newest decided state that this process has seen.
package store
