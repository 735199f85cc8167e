// Package history is this node's memory of what it knew and when: the inputs
// of every decision, appended as they came. Explaining what was answered at
// three last night, and playing it back, read nothing else.
//
// Records lie in segments: files of frames, each with its length and a
// checksum. The surprising choice: there are no snapshots, and yet any
// segment can be understood alone. Each begins by restating, as ordinary
// records marked so, what held when it was begun; so the oldest can be
// deleted at any time, and the memory is bounded by bytes and by age.
//
// A record's [Position] counts up for ever and is the id of the event that the
// API streams. What a crash has torn off the end is cut off when the history
// is opened, and said; damage elsewhere costs the rest of its segment, and is
// said too. A disk that is full loses records, never the node: the next
// segment that can be written restates what holds.
package history
