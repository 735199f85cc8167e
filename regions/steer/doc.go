// Package steer decides who gets which traffic, for how long, and why.
//
// [Decide] is a function of the plan before, the world as this node believes
// it, and the time. It has no clock, no network and no memory of its own:
// equal inputs give equal plans on every node, and a past plan can be computed
// again.
//
// A [Plan] is complete: the DNS compiler and the explanation of an answer both
// read it through [Steered.Choose], so an explanation cannot disagree with
// what was answered.
//
// Precedence, highest first: writer interlock, override, freeze, health,
// policy. What was decided by which is kept in the plan's words.
//
// A plan is never empty: a name that had an answer keeps one, unless its
// policy says fail closed.
package steer
