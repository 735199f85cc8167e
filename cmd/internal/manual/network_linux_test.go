package manual

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"
)

// inside says in the environment that this process has a network of its own.
const inside = "FAIRLEAD_MANUAL_INSIDE"

// isolated runs this test program once more in a network of its own, and
// returns its exit code. It reports false where that cannot be had: then the
// caller goes on as it is.
func isolated() (code int, done bool) {
	if os.Getenv(inside) != "" || os.Geteuid() != 0 {
		return 0, false
	}
	runtime.LockOSThread() // the signal at our death is that of this thread
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), true
	}
	return 0, err == nil
}

// furnish brings the loopback interface up and gives it the addresses that
// documentation uses.
func furnish(addresses ...netip.Addr) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := interfaceRequest(fd, syscall.SIOCSIFFLAGS, "lo", func(data []byte) {
		*(*uint16)(unsafe.Pointer(&data[0])) = syscall.IFF_UP | syscall.IFF_RUNNING
	}); err != nil {
		return fmt.Errorf("bring up the loopback interface: %w", err)
	}
	for i, a := range addresses {
		err := interfaceRequest(fd, syscall.SIOCSIFADDR, fmt.Sprintf("lo:%d", i+1), func(data []byte) {
			*(*uint16)(unsafe.Pointer(&data[0])) = syscall.AF_INET
			ip := a.As4()
			copy(data[4:], ip[:]) // of a sockaddr_in: family, port, address
		})
		if err != nil {
			return fmt.Errorf("add the address %v: %w", a, err)
		}
	}
	return nil
}

// interfaceRequest makes one ioctl about an interface; see netdevice(7).
func interfaceRequest(fd int, request uintptr, name string, fill func(data []byte)) error {
	var r [40]byte // struct ifreq: a name of 16 bytes, then what it is about
	copy(r[:15], name)
	fill(r[16:])
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return errno
	}
	return nil
}
