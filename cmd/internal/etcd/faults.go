package etcd

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"fairlead/regions/fault"
)

// explain turns what etcd said when it could not start, or stopped, into a
// sentence for whoever can mend it.
func (s *Settings) explain(err error) error {
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		var op *net.OpError
		at := "a port of the store"
		if errors.As(err, &op) && op.Addr != nil {
			at = op.Addr.String()
		}
		return fault.Conflictf("store", "%s is in use by another program", at).Because(syscall.EADDRINUSE).
			Do("stop that program, or give the store another port")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.Invalidf("store", "this machine has no such address to listen on").Because(err).Do("correct the store's listen address")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), has("no space left on device"):
		return fault.Unavailablef("store", "the disk of %s is full", s.Dir).Because(err).
			Do("free some space, at least 200 MB, and restart this node; nothing that was decided is lost")
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		return fault.Deniedf("store", "%s cannot be written", s.Dir).Because(err).Do("give this user the right to write there")
	case has("downgrade", "detected newer", "storage version", "cluster version"):
		return fault.Invalidf("store", "%s was written by a newer version of this program", s.Dir).Because(err).
			Do("use that version, or another directory")
	case has("has already been bootstrapped"):
		return fault.Conflictf("store member "+s.Name, "the other members remember it, but %s is empty", s.Dir).Because(err).
			Do("put its data back, or remove the member and add it anew")
	case has("cluster ID mismatch", "unmatched member", "member count is unequal", "different cluster"):
		return fault.Conflictf("store member "+s.Name, "its peers belong to another cluster").Because(err).
			Do("compare the peers in the configurations of all control nodes")
	case has("certificate", "x509", "tls:", "KeyFile", "PEM"):
		return fault.Invalidf("store member "+s.Name, "its certificate cannot be used").Because(err).Do("issue a new one with the cluster's authority")
	case has("cannot be repaired", "checksum", "crc mismatch", "failed to read WAL", "failed to open database", "invalid database"):
		return fault.New(fault.Internal, "store", "the data in %s are damaged", s.Dir).Because(err).
			Do("fairlead doctor --data-dir names the file; move the directory away; a member of a cluster copies everything from the others, a node alone needs its backup: fairlead restore-backup")
	}
	return fault.New(fault.Internal, "store", "etcd stopped").Because(err).Do("restart this node; names are answered all the while")
}

// asFault maps an error of a call. All that time can mend is Unavailable.
func (d *DB) asFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Unavailablef("store", "no answer in time from %s", d.where()).Because(err).
			Do("look whether a majority of the control nodes runs and is connected")
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fault.Unavailablef("store", "its database has reached %d GiB", quota>>30).Because(err).Do("compact and defragment it, then clear the alarm")
	case errors.Is(err, rpctypes.ErrRequestTooLarge), errors.Is(err, rpctypes.ErrTooManyOps):
		return fault.Invalidf("store", "too much for one transaction").Because(err)
	case errors.Is(err, rpctypes.ErrFutureRev):
		return fault.Invalidf("store", "that revision is in the future").Because(err)
	case errors.Is(err, rpctypes.ErrCompacted):
		return fault.NotFoundf("store", "that revision is forgotten").Because(err)
	case errors.Is(err, rpctypes.ErrDuplicateKey):
		return fault.New(fault.Internal, "store", "a transaction writes a key twice").Because(err)
	case errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty):
		return fault.Deniedf("store", "etcd refuses this client").Because(err).Do("grant its certificate's user access to keys below %s", keyspace)
	}
	return fault.Unavailablef("store", "%s cannot serve at the moment", d.where()).Because(err)
}

func (d *DB) where() string {
	switch {
	case len(d.set.Endpoints) > 0:
		return "etcd at " + strings.Join(d.set.Endpoints, ", ")
	case len(d.set.Peers) > 0:
		names := make([]string, len(d.set.Peers))
		for i, p := range d.set.Peers {
			names[i] = p.Name
		}
		return "the control nodes " + strings.Join(names, ", ")
	}
	return "the embedded etcd in " + d.set.Dir
}
