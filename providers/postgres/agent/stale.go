package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fairlead/regions/fault"
)

// pidFile is what a server wrote about itself when it last started. It may
// outlive its server, and PostgreSQL takes the file of a zombie, which nobody
// has reaped yet, for that of a living server.
type pidFile struct {
	pid    int
	state  string // "starting", "ready", "standby", "stopping"
	socket string // its unix socket; empty if it has none
}

func readPidFile(dataDir string) (pidFile, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	var f pidFile
	lines := strings.Split(string(text), "\n")
	line := func(n int) string {
		if n < len(lines) {
			return strings.TrimSpace(lines[n])
		}
		return ""
	}
	f.pid, _ = strconv.Atoi(line(0))
	f.state = line(7)
	if dir := line(4); dir != "" {
		f.socket = filepath.Join(dir, ".s.PGSQL."+line(3))
	}
	return f, nil
}

// ClearStale removes what a server left behind that is off: its pid file and
// the lock of its socket. It refuses while any process holds the data
// directory.
func ClearStale(dataDir string) error {
	f, fileErr := readPidFile(dataDir)
	// Only then look who is there: a server writes the file once it can be seen.
	pids, err := Processes(dataDir)
	switch {
	case err != nil:
		return err
	case len(pids) > 0:
		return fault.Conflictf("data directory "+dataDir, "process %d holds it", pids[0])
	case errors.Is(fileErr, fs.ErrNotExist):
		return nil
	case fileErr != nil:
		return fmt.Errorf("read a stale pid file: %w", fileErr)
	}
	if f.socket != "" {
		// The lock may be a newer server's, on other data.
		if text, err := os.ReadFile(f.socket + ".lock"); err == nil && strings.HasPrefix(string(text), strconv.Itoa(f.pid)+"\n") {
			_ = os.Remove(f.socket + ".lock")
		}
	}
	if err := removeDurably(filepath.Join(dataDir, "postmaster.pid")); err != nil {
		return fmt.Errorf("remove a stale pid file: %w", err)
	}
	return nil
}
