package dnstest_test

import (
	"os/exec"
	"syscall"
)

// belong makes a reference end with the test, also where the test is killed.
func belong(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
