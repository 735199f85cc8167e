// Package etcd is the store's database where decisions have to survive: an
// etcd, embedded in this process or external, behind [store.KV].
//
// A [DB] is opened without waiting for anybody. Until a quorum of its members
// agrees, and whenever it no longer does, each call answers with
// [fault.Unavailable], and the process goes on with what it has on its own
// disk. The surprising choice follows from that: etcd ends its process when
// its disk fails, and we do not let it. Its fatal messages end the goroutine
// that said them and are returned by [DB.Run] as a sentence, so that a full
// disk stops decisions and never an answer.
//
// Alone, the database is reached by function calls; nothing listens but two
// unix sockets in its own directory. In a cluster, members and clients prove
// themselves with certificates of the cluster's authority, and only the nodes
// named as members, and those named as clients, are let in.
//
// etcd's leases are a minimum lifetime, its watches can hang on a member that
// was cut off, and a write that timed out may have been made. Hence each term
// of leadership carries a guard for transactions, each watch proves every few
// seconds that it is current, and the store looks again after a timeout.
package etcd
