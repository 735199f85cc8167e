// Package recovery is what people sign when the store cannot decide: orders
// to begin a new incarnation after the quorum was lost, and break-glass
// bundles.
//
// Both are files that a person can read before they sign them, and that any
// node can verify with nothing but the keys in its own copy of the fleet: no
// store, no other node, no clock. What is signed is all of the document but
// the signatures, under a name of its own, so that neither can be passed off
// as the other; a field that is not known is refused, so that nothing unsigned
// rides along.
//
// What keeps a file from being used twice is in it: the cluster, the
// incarnation that it was made in, and a nonce or a sequence, of which each
// node keeps the highest. Nothing in it is compared with a clock.
package recovery
