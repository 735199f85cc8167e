package regions

import (
	"fmt"
	"strings"

	"fairlead/regions/fault"
)

// ID names a region, such as "eu-central".
type ID string

// ServiceID names a service, such as "www".
type ServiceID string

// DatabaseID names a database with one writer, such as "orders".
type DatabaseID string

// NodeID names a Fairlead node. It is never reused.
type NodeID string

// TargetID names one thing that is checked and judged: an endpoint
// ("www@us-east/1") or a member of a database ("orders#us-east").
type TargetID string

// Name is a domain name in canonical form: lower case, with the final dot.
type Name string

// CanonicalName makes a Name of what a person or a packet wrote.
func CanonicalName(s string) Name {
	s = strings.ToLower(s)
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return Name(s)
}

const maxIDLength = 63

// CheckID says what is wrong with an identifier written by a person. Such
// names become parts of DNS names, file names and store keys, so they are
// kept to lower-case letters, digits and inner hyphens.
func CheckID(kind, id string) error {
	bad := func(why string) error {
		return fault.Invalidf(fmt.Sprintf("%s %q", kind, id), "%s", why).
			Do("use 1 to %d lower-case letters, digits and hyphens, beginning with a letter", maxIDLength)
	}
	switch {
	case id == "":
		return bad("the name is empty")
	case len(id) > maxIDLength:
		return bad("the name is too long")
	case id[0] < 'a' || id[0] > 'z':
		return bad("the name does not begin with a letter")
	case id[len(id)-1] == '-':
		return bad("the name ends with a hyphen")
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return bad(fmt.Sprintf("the name contains %q", c))
		}
	}
	return nil
}
