// Package linear checks that what several people decide at once, through
// several nodes and over a network that breaks, is as if they had decided one
// after the other, each between their question and its answer.
//
// A [Crowd] drains, ends drains, moves a writer's epoch and reads, through
// whatever [Decider]s it is given, and records what was asked and answered. The
// history is then held against a model of a page of code, [Check], by an
// implementation of Wing and Gong's search (Lowe, "Testing for
// linearizability", 2017).
//
// The surprising choice: an act whose answer never came is not left out. It may
// have been done at any moment after it was asked, also long after everybody
// gave up, or never; the search tries both.
package linear
