// Package publish makes the current snapshot follow the world.
//
// A [Publisher] takes updates, each the zones and the plan of one moment,
// compiles what changed, asks the new snapshot its own questions, and only then
// makes it current, by one pointer store. Whoever answers packets reads
// [Publisher.Current] and never waits.
//
// # What it never does
//
// It never applies an older generation: the check is made under the lock that
// guards the store of the pointer. It never takes a good answer away because of
// a bad part: a zone file that cannot be read leaves the last good one of that
// zone in place, a name that cannot be compiled or fails its test keeps its
// answer, and each is reported with its reason in [Publisher.Status].
//
// A zone file that newly claims the address of a steered name is refused too,
// although it is sound by itself: serving it would quietly turn a watched name
// into a fixed one.
package publish
