package wire

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// prefix begins the name of every namespace of ours, followed by the number of
// the process that made it.
const prefix = "fairlead-lab-"

// Missing says in a sentence what this machine lacks for a network of the
// laboratory; empty if it lacks nothing.
func Missing() string {
	switch {
	case os.Geteuid() != 0:
		return "network namespaces need root: run the tests as root"
	case notThere("/dev/net/tun"):
		return "the kernel has no /dev/net/tun: load the module tun"
	case notInPath("ip"):
		return "the program ip is missing: on Debian apt-get install iproute2"
	}
	return ""
}

func notThere(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}

func notInPath(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil
}

// ip runs the program ip.
func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func handle(namespace string) string { return filepath.Join("/run/netns", namespace) }

// Sweep removes the namespaces of runs that are over.
func Sweep() error {
	entries, err := os.ReadDir("/run/netns")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for namespaces of earlier runs: %w", err)
	}
	var errs []error
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), prefix)
		number, _, _ = strings.Cut(number, "-")
		pid, err := strconv.Atoi(number)
		if !ours || err != nil || alive(pid) {
			continue
		}
		errs = append(errs, ip("netns", "del", e.Name()))
	}
	return errors.Join(errs...)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// inside calls f on a thread that is in a namespace: sockets that f makes are
// of that namespace wherever they are used later. What f starts on other
// threads is not.
func inside(namespace string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked after a failure: the thread ends with the goroutine
		done <- enter(namespace, f)
	}()
	return <-done
}

func enter(namespace string, f func() error) error {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	there, err := os.Open(handle(namespace))
	if err != nil {
		return fmt.Errorf("enter %s: %w", namespace, err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", namespace, err)
	}
	failed := f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return errors.Join(failed, fmt.Errorf("leave %s: %w", namespace, err))
	}
	runtime.UnlockOSThread()
	return failed
}
