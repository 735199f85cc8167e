// Package identity says which node this is, and proves it.
//
// Each cluster has one small authority of its own. A node's certificate names
// the node (common name), what it may be (organizational units: control,
// probe, dns, agent) and where it is reached. The same certificate opens the
// feed, the agent and the store's ports, and signs writer epochs; nothing
// outside the cluster has to be asked, on the day when nothing outside can
// be.
//
// Peers are known by the authority and by their role, not by where they
// connect from. The surprising choice: a signature outlives the certificate
// that made it. [Verify] does not look whether the certificate has expired
// since, because an epoch says who may write a database for as long as that
// is so, and must not lapse on a date.
//
// Files in an identity's directory: ca.crt, node.crt, node.key, and ca.key
// where certificates are issued. Keys are readable by their owner alone.
package identity
