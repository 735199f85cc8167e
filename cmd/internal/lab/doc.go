// Package lab is a laboratory: three regions in network namespaces, a node and
// a shop in each, and an observer outside of them all, in which regions can be
// cut off, slowed, frozen and killed.
//
// Nodes are processes of the built program. What happens to them is real: a
// cut drops packets, a freeze is SIGSTOP, a full disk is a full file system,
// and a disk that stalls is a file system of ours that waits in fsync. Each
// fault is a function that begins it and returns the one that ends it.
//
// Every number is measured by the [Observer], which asks all listed servers as
// resolvers do and judges each answer by what it knows of the shops, and by
// the [Clerk], who decides things and compares what was acknowledged with the
// trail. The system is never asked about itself.
//
// A run prints its seed and, when it fails, its [History] as a picture of
// characters: a line for each quarter of a second with what was answered, and
// the faults at their times. The same seed gives the same faults, loss and
// order of questions; what processes do with their time is theirs.
//
// `go test ./cmd/internal/lab` plays each fault once, and `make chaos` for as
// long as it is told in an order by chance.
package lab
