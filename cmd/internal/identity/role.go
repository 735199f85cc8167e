package identity

import (
	"crypto/x509"
	"slices"

	"fairlead/regions/fault"
)

// Role is what a node may be in its cluster.
type Role string

const (
	Control Role = "control" // agrees on decisions, signs epochs
	Probe   Role = "probe"   // reports what it measures
	DNS     Role = "dns"     // answers
	Agent   Role = "agent"   // controls a database's server
)

// ParseRole reads the name of a role.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains([]Role{Control, Probe, DNS, Agent}, r) {
		return r, nil
	}
	return "", fault.Invalidf("role "+s, "is not a role").Do("use control, probe, dns or agent")
}

// RolesOf returns the roles in a certificate.
func RolesOf(c *x509.Certificate) []Role {
	var roles []Role
	for _, ou := range c.Subject.OrganizationalUnit {
		if r, err := ParseRole(ou); err == nil {
			roles = append(roles, r)
		}
	}
	return roles
}

// has reports whether a certificate bears any of the roles; none wanted is
// any.
func has(c *x509.Certificate, wanted []Role) bool {
	if len(wanted) == 0 {
		return true
	}
	return slices.ContainsFunc(RolesOf(c), func(r Role) bool { return slices.Contains(wanted, r) })
}
