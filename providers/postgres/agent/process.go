package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// process is one process that holds the data directory.
type process struct {
	pid, parent int
	frozen      bool
}

// holders returns every process of the server on dir, found by what PostgreSQL
// never changes: its executable, and the data directory as working directory.
// The pid file is not asked: it survives its server, and its server survives
// it. Zombies hold nothing and are not found.
func holders(dir string) ([]process, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := holder(pid, dir); ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// Processes returns the ids of all processes that hold a data directory, the
// postmaster's first.
func Processes(dataDir string) ([]int, error) {
	ps, err := holders(dataDir)
	if err != nil {
		return nil, err
	}
	var pids []int
	pm, _ := postmaster(ps)
	for _, p := range ps {
		if p == pm {
			pids = append([]int{p.pid}, pids...)
		} else {
			pids = append(pids, p.pid)
		}
	}
	return pids, nil
}

// holder looks at one process; dir must be free of symbolic links.
func holder(pid int, dir string) (process, bool) {
	proc := "/proc/" + strconv.Itoa(pid)
	if cwd, err := os.Readlink(proc + "/cwd"); err != nil || cwd != dir {
		return process{}, false
	}
	// A process that is dying has lost its program before it closes its files
	// and sockets, and leaves the directory last: until then it holds the data.
	exe, err := os.Readlink(proc + "/exe")
	switch name := strings.TrimSuffix(filepath.Base(exe), " (deleted)"); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return process{}, false
	case name != "postgres" && name != "postmaster":
		return process{}, false // somebody's shell in the data directory
	}
	state, parent, ok := stat(pid)
	if !ok || state == 'Z' || state == 'X' {
		return process{}, false
	}
	return process{pid: pid, parent: parent, frozen: state == 'T' || state == 't'}, true
}

// stat reads the state and the parent of a process; the name in between may
// hold anything, so it is read from behind.
func stat(pid int) (state byte, parent int, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, false
	}
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	if end < 0 || len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0][0], parent, err == nil
}

// exists reports whether a process does something: it is there, and it is no
// zombie.
func exists(pid int) bool {
	state, _, ok := stat(pid)
	return ok && state != 'Z' && state != 'X'
}

// postmaster returns the process that is the parent of the others.
func postmaster(ps []process) (process, bool) {
	i := slices.IndexFunc(ps, func(p process) bool {
		return !slices.ContainsFunc(ps, func(q process) bool { return q.pid == p.parent })
	})
	if i < 0 {
		return process{}, false
	}
	return ps[i], true
}

// signalAll sends a signal to every process; one that is gone is no error.
func signalAll(ps []process, sig syscall.Signal) {
	for _, p := range ps {
		_ = syscall.Kill(p.pid, sig)
	}
}
