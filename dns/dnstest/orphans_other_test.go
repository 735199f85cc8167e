//go:build !linux

package dnstest_test

import (
	"os/exec"
	"syscall"
)

// belong gives a reference its own process group, by which it is ended.
func belong(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
