package identity

import (
	"bytes"
	"crypto/x509"
	"slices"

	"fairlead/regions/fault"
)

// Refresh takes up a renewed certificate from the identity's directory and
// reports whether there was one. Whatever is wrong with the files, the
// identity goes on with what it has: they may be half written, and are looked
// at again the next time.
//
// A name, a role and a cluster are not changed under a running node. The
// authorities on disk must have one in common with those trusted until now,
// so that another cluster's files, copied here by mistake, cut nobody off.
func (i *Identity) Refresh() (renewed bool, err error) {
	next, err := Load(i.dir)
	if err != nil {
		return false, err
	}
	was, is := i.held.Load(), next.held.Load()
	subject := "renewed certificate in " + i.dir
	switch {
	case next.Node != i.Node:
		return false, fault.Conflictf(subject, "is that of node %s, and this is %s", next.Node, i.Node).Do("issue one for %s", i.Node)
	case !sameRoles(next.Roles, i.Roles):
		return false, fault.Conflictf(subject, "has the roles %v, and this node runs with %v", next.Roles, i.Roles).
			Do("restart the node to change its roles, or issue one with the same")
	case !slices.ContainsFunc(is.cas, func(c *x509.Certificate) bool { return slices.ContainsFunc(was.cas, c.Equal) }):
		return false, fault.Conflictf(subject, "was issued by another cluster's authority").
			Do("issue one with this cluster's authority; to change the authority, let ca.crt hold both for a while")
	}
	if bytes.Equal(is.cert.Certificate[0], was.cert.Certificate[0]) && slices.EqualFunc(is.cas, was.cas, (*x509.Certificate).Equal) {
		return false, nil
	}
	i.held.Store(is)
	return true, nil
}

func sameRoles(a, b []Role) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
