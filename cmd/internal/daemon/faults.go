package daemon

import (
	"errors"
	"syscall"

	"fairlead/regions"
	"fairlead/regions/fault"
)

func cannotWrite(dir string, err error) error {
	f := fault.Deniedf("data directory "+dir, "cannot be made").Because(err).Do("make it, and let this user write there; or choose another with --data-dir")
	if errors.Is(err, syscall.ENOSPC) {
		f = fault.Unavailablef("data directory "+dir, "the disk is full").Because(err).Do("make room, then start again; nothing was lost")
	}
	return f
}

func wrongCertificate(has, wants regions.NodeID) error {
	return fault.Invalidf("node "+string(wants), "its certificate is that of node %s", has).
		Do("issue one with fairlead certs --node %s, or correct the name", wants)
}

func noControl(node regions.NodeID) error {
	return fault.Invalidf("node "+string(node), "has no control role and no peer that has, so nobody could tell it what is decided").
		Do("list the control nodes under node.peers, or give this node the role control")
}
