// Package spread carries the decided state from the control nodes to every
// node that has no store of its own.
//
// A [Server] on each control node announces, on every beat and after every
// decision, which generation it has: incarnation, number, length and SHA-256
// of the whole state. A [Client] hears all control nodes at once, and asks one
// of them for what it lacks: the difference to the state it has, or, where
// nobody remembers that one, the whole. Whichever came, what must fit is the
// hash of the whole, so that a difference that was made against something else,
// a lost byte and a lie are all the same to it: refused, and asked for again,
// of somebody else.
//
// The surprising choice: a difference knows nothing of fleets, names or
// overrides. It says which bytes of the old state the new one repeats; see
// [Diff]. A change of one override among 100,000 names costs some hundred
// bytes, and a field that a later version adds travels like any other.
//
// What callers may rely on: what is not newer than what the node has is never
// taken, and that is looked at by [Client.Take] at the moment of taking. A
// control node that answers something older is named, what the node has stays,
// and another is asked. Nothing here needs a store, a leader or a clock that is
// right. Sizes are bounded, waiting is bounded, and every retry is jittered.
package spread
