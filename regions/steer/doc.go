// Package steer decides who gets which traffic, for how long, and why.
//
// [Decide] is a function of the plan before, the world as this node believes
// it, and the time. It has no clock, no network and no memory of its own:
// equal inputs give equal plans on every node, and a past plan can be computed
// again. What a plan takes over from the one before is the newest epoch of
// each database, which regions are latched, and who is in: nothing else. The
// first two, [Plan].Regions and [Plan].Waiting are enough to make the same answers again.
//
// A [Plan] is complete: the DNS compiler and the explanation of an answer both
// read it through [Steered.Choose], so an explanation cannot disagree with
// what was answered.
//
// # Precedence
//
// Highest first: writer interlock, break-glass, override, freeze, health,
// policy. Which one had the last word, and on what grounds, is kept in the
// plan in words.
//
// # Out and back
//
// An endpoint that fails goes and comes back by itself. A region that was
// down as a whole comes back when a person says so: it is latched with the
// generation known then, and a later decision to restore it releases the
// latch. Until then it is a reserve: it answers if nothing else is left, for
// it beats what is dead. Reserves too are ended drains, which are held, and
// whatever a freeze keeps from returning.
//
// # What callers may rely on
//
// A name that had an answer keeps one, unless its policy fails closed. An
// older generation is never applied, an older epoch never moves a name back.
// Clients whose region serves are never moved because another one does not.
// What did not change is shared with the plan before.
package steer
