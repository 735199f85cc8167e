// Package server carries packets between sockets and a snapshot.
//
// It decides nothing about answers: whatever snapshot is current when a packet
// arrives answers it. Each datagram socket has one goroutine that reads,
// answers and writes in its own buffers, so more sockets on one port
// (SO_REUSEPORT, see [Listen]) use more processors without sharing anything.
//
// Streams follow RFC 7766: many queries in one connection, answered in order as
// they come, an idle limit that shrinks when connections run short, and bounds
// on connections in all and for each client. At a bound the connection that was
// silent for longest makes room, so whoever holds many open keeps nobody out.
//
// A reply leaves from the address that the query was sent to, also where a
// socket listens on all addresses.
//
// [Standalone] serves zone files alone; one that is broken fails by itself.
//
// A server never withdraws itself: without a snapshot it says SERVFAIL, and a
// fault in answering one packet is counted, logged and costs that packet only.
package server
