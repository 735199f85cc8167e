// Package backup writes and reads copies of everything that the store holds.
//
// A backup is a logical dump, read at one revision: it does not depend on how
// or where the store keeps its keys, and holds no half of a decision. It
// begins with a line that people can read, goes on in frames with a checksum
// each, and ends with a trailer that says how many there are and what SHA-256
// all of it has. So a file that was cut off, or in which one bit is wrong, is
// refused with the place. [Read] believes nothing before the trailer fits.
//
// [Verify] does more than checksums can: it puts the keys into a store in
// memory and has that one walk its audit trail, as `fairlead audit verify`
// does, so a backup is proved to be one that can be restored.
//
// Encryption is age's (filippo.io/age): an encrypted backup is an ordinary age
// file, which can be opened without this program. Inside lies the same text.
//
// The surprising choice: a backup is written by whoever receives it and not by
// the node, and encrypted there. The node never needs to know the passphrase,
// nor a place to write.
package backup
