//go:build !linux

package server

import (
	"errors"
	"syscall"
)

func reusePort(_, _ string, _ syscall.RawConn) error {
	return errors.New("several threads on one port need Linux: use one thread")
}
