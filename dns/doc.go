// Package dns answers questions from memory: wire in, wire out.
//
// [Compile] turns zones and a plan into a [Snapshot], an immutable value that
// holds every answer almost as it goes on the wire. [Snapshot.Answer] finds
// the question's name in it, copies what is there and patches a few pointers.
// It takes no lock, reads no clock, touches no disk, asks nobody and, given
// room in dst, allocates nothing. Whoever swaps snapshots needs one atomic
// pointer and nothing else.
//
// # Two layers
//
// The static base is what zone files say; it is compiled once per file and
// shared by all later snapshots. Steered names lie in a thin overlay. A new
// plan through [Snapshot.With] compiles only the names whose answers changed,
// so a region's failure costs a few microseconds however large the zones are.
//
// # How the wire form is kept
//
// An RRset is stored ready but for two kinds of two-byte holes: the pointer to
// its owner and pointers to the zone's origin. Both are known when a question
// arrives, because every answer's owner ends in the question's name or follows
// from it. So names compress without a dictionary, and the question's own
// spelling comes back in the answer (RFC 4343).
//
// # Refused, never fatal
//
// A steered name that cannot be served (outside every zone, below a
// delegation, beside a static A, AAAA or CNAME) is put aside with a reason,
// see [Snapshot.Quarantined]. Whatever the zone file says about it stays
// answered, and nothing else is affected.
//
// # What is not here
//
// Signing, transfers, cookies and rate limits.
package dns
