// Package feed carries what probe nodes report to every other node.
//
// Each node offers its whole table to whoever subscribes, at every tick, and
// subscribes to each of its peers: no deltas, no acknowledgements, nothing to
// catch up with. A table that is lost is replaced by the next one, and a node
// that has just started knows everything after one tick. With the table
// travel the newest writer epochs, so that those reach a node that the store
// does not.
//
// The surprising choice: rows have a fixed width and carry hashes instead of
// names. What a reader does not know it skips; a table of a later version,
// with more in each row, is read by an earlier one.
//
// A node that reports nothing itself listens through relays where there are
// many to hear: nodes that report pass on, to the bit, what they heard from
// others themselves, and say how long they have had it. See [Relayed].
//
// Clocks of different machines are never compared: a table holds ages, and
// the reader dates them by its own clock when it hears them.
//
// Callers may rely on this: an [Inbox] never goes back. Of one node it keeps
// the newest table of its newest run, whatever arrives late and whichever way.
package feed
