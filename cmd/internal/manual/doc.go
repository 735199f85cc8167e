// Package manual keeps the documentation true: it runs every shell example
// of README.md and docs/*.md with the program as it is now.
//
// A document says where an example runs by an HTML comment on the line before
// its fence:
//
//	<!-- example: demo -->        against one `fairlead demo`, started for all of them
//	<!-- example: files -->       where the fenced files of the same document lie
//	<!-- example: background -->  likewise, and it stays running for the examples after it
//	<!-- example: usage -->       lines of fairlead, of which only command and flags are checked
//	<!-- example: make -->        is only planned (make -n): a test cannot run itself
//
// An example may add ", may exit 4" where the program says with that code that
// a person is waited for. Assignments carry over from one example to the next
// of the same document and kind, as they do in a terminal. A fence
// whose info string has file=NAME is a file of its document; YAML without a
// name is refused, because nobody would check it. A ```text fence is not run;
// with <!-- output --> before it, each of its lines must stand in what the
// example before it printed, … for any text.
//
// The surprising choice: as root on Linux all of it happens in a network of
// its own, in which the addresses that documentation uses (RFC 5737) exist. So
// an example can listen on port 53 of 192.0.2.53 and find web servers in
// two regions, and no port of the machine is in the way.
package manual
