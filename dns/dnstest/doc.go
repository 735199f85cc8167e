// Package dnstest compares what a snapshot answers with what a person wrote
// down.
//
// A golden file is a txtar archive that reads from top to bottom:
//
//	-- zone example.com --      a zone file
//	-- plan --                  the steered names; a later one replaces it
//	-- quarantined --           wanted: the names put aside, and why
//	-- dig www.example.com A +subnet=192.0.2.0/24 @198.51.100.1 --
//	                            a question and, below it, the wanted answer
//
// Questions take dig's words: +noedns, +bufsize=N, +edns=VERSION, +subnet=,
// +dnssec, +nsid, +tcp, +norec, +opcode=NAME, +class=NAME, and @ADDRESS for who
// asks. Plans are read by [ParsePlan].
//
// The tests of this package compare a whole server with Knot DNS, NSD and BIND.
//
// Every answer is also held against what must be true of all answers, see
// [Sound].
package dnstest
