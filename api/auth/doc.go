// Package auth says who someone is and what they may do. Every act in
// Fairlead has a named principal; this is where the name comes from.
//
// There are three ways in: a token ("id.secret", of which only a SHA-256 of
// the secret is ever kept), a session that a token was exchanged for, and
// [Local], the one principal of a loopback listener while no token exists at
// all. What a principal may do is one table, [May], of roles and verbs, plus an
// optional limit to single regions, services or databases.
//
// The surprising choice: looking is never limited, only acting is. On the
// worst day everybody who may look at all must see everything.
//
// Callers may rely on this: no secret leaves the package but in the one
// answer that [Mint] gives, none is compared in a time that depends on it, and
// a store that cannot be reached takes nobody's access away.
package auth
