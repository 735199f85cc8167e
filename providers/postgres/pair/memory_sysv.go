//go:build linux || darwin

package pair

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// forget removes the shared memory that a killed server leaves to the machine:
// a few bytes by which PostgreSQL recognises that it runs already, under the
// inode of its data directory as key. The machine has only some thousand of
// these, and once they are used up no server starts any more.
func (s *Server) forget() error {
	info, err := os.Stat(s.DataDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the shared memory of %s: %w", s.Region, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	id, err := unix.SysvShmGet(int(int32(stat.Ino)), 0, 0)
	if err != nil {
		return nil // there is none: it ended by itself
	}
	var seg unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &seg); err != nil || seg.Nattch > 0 {
		return nil // gone meanwhile, or another server's, which has the same inode elsewhere
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil {
		return fmt.Errorf("remove the shared memory of %s: %w", s.Region, err)
	}
	return nil
}
