//go:build !linux

package process

import (
	"syscall"
	"time"
)

type entry struct{ pid int }

func becomeSubreaper() error { return nil }

func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: user}
}

func descendants() []entry { return nil }

func endAll([]entry, time.Duration) error { return nil }

// Orphans has nothing to do where orphans go to init.
func (n *Nursery) Orphans() {}
