package world

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// reclaim gives back the shared memory of a database server that was killed
// and never started again: a few bytes that would stay until the machine
// restarts. PostgreSQL notes the segment in the seventh line of postmaster.pid,
// a file that a clean end removes.
func reclaim(dataDir string) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return // it ended cleanly, or never ran
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 7 {
		return
	}
	fields := strings.Fields(lines[6])
	if len(fields) != 2 {
		return
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return
	}
	var seg unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &seg); err != nil || seg.Nattch != 0 {
		return // gone, or somebody else's by now
	}
	unix.SysvShmCtl(id, unix.IPC_RMID, nil)
}
