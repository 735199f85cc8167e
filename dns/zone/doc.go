// Package zone turns zone files into records, and records back into text.
//
// The text is that of RFC 1035, section 5, with $ORIGIN, $TTL and $GENERATE.
// [Parse] reports every problem of a file at once, each as a sentence with
// file, line and column, because a person who mends a zone on a bad day should
// not have to run the check once per mistake.
//
// A [Zone] that exists is sound: it has one SOA and at least one NS at its
// apex, no record outside itself, no CNAME beside other data, nothing below a
// DNAME, and every record fits the wire. The compiler in package dns relies on
// that and checks none of it again.
//
// $INCLUDE is refused. A zone travels to every node as one text; a second file
// would be a part of it that nobody carries.
package zone
