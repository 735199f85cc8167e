// Package replica keeps the decided state on this node's disk, so that the
// node can start, judge, steer and answer when nobody else can be reached.
//
// Each generation is a file of its own, written whole beside the others and
// then renamed into place; the newest three are kept. A file says in its first
// line, readable by people, what it is, of which generation and which
// SHA-256 the rest must have. [Replica.Load] takes the newest one that is
// whole, and names every one that is not.
//
// The surprising choice: what may be written is decided at the moment of
// writing, under a lock that other processes respect too, by what lies on the
// disk then. An older generation never replaces a newer one, whatever order
// things arrive in (architecture, rule 2).
package replica
