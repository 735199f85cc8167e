package daemon

import (
	"errors"
	"syscall"

	"fairlead/regions/fault"
)

// cannotListen says why a port could not be had, and what to do.
func cannotListen(what, address string, err error) error {
	subject := what + " on " + address
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.Unavailablef(subject, "another program listens there already").Do("end that program, or choose another address").Because(err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fault.Deniedf(subject, "this user may not listen there").Do("give the program CAP_NET_BIND_SERVICE, or choose a port above 1023").Because(err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.Invalidf(subject, "this machine has no such address").Do("choose one of its addresses").Because(err)
	}
	return fault.New(fault.Internal, subject, "cannot listen").Because(err)
}
