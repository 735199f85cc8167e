// Package regions is the model that every part of Fairlead speaks: regions,
// the services and databases in them, what is believed of them (verdicts) and
// what people have decided about them (overrides, epochs, the fleet).
//
// It is the ground floor: it knows no clock, no network, no disk and no other
// package of Fairlead but the error vocabulary in regions/fault. Values are
// immutable once made; whoever wants a change makes a new one.
//
// The surprising choice: nothing here says "healthy". A [Verdict] keeps what
// was measured apart from what is steered by, because an override or a hold
// replaces the second and must never hide the first.
package regions
