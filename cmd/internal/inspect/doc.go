// Package inspect looks whether each file in the data directory of a stopped
// node is whole, and names those that are not.
//
// What a node writes itself, its identity, copies of the decided state,
// history, memory and break-glass state, carries checksums or signatures. Of the embedded etcd's
// files the log and the snapshots do; its database does not. There the
// structure is checked, and then what can be checked of the content: the keys
// are read as etcd reads them, the audit trail in them is walked, the journals
// it seals are compared, and the fleet that is in force is unpacked.
//
// What is not found: a changed byte in a page that is free or holds what was
// decided earlier, which does no harm; and one in a value that nothing seals,
// such as an address in an override, if it still reads as one. The backups hold
// those.
//
// The surprising choice: nothing is opened for writing and nothing mended. A
// directory is the same after it was looked at.
package inspect
