package pair_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"fairlead/providers/postgres/pair"
	"fairlead/providers/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// segments returns the lines of the machine's table of shared memory that
// belong to a server.
func segments(t *testing.T, s *pair.Server) []string {
	t.Helper()
	info, err := os.Stat(s.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprint(int32(info.Sys().(*syscall.Stat_t).Ino))
	var found []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == key {
			found = append(found, line)
		}
	}
	return found
}

func TestCloseLeavesNothingToTheMachine(t *testing.T) {
	p := pgtest.New(t)
	for _, s := range p.Servers() {
		if len(segments(t, s)) == 0 {
			t.Fatalf("%s runs without a segment of shared memory under the inode of its data directory", s.Region)
		}
		if v, err := s.Value(t.Context(), "SELECT current_setting('dynamic_shared_memory_type')"); err != nil || v != "mmap" {
			t.Errorf("%s keeps its dynamic shared memory as %q (%v), want it in its data directory", s.Region, v, err)
		}
	}
	if err := p.Primary.Kill(); err != nil { // as a test does, before the end
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Servers() {
		if left := segments(t, s); len(left) > 0 || s.PID() != 0 {
			t.Errorf("%s left %q and process %d", s.Region, left, s.PID())
		}
	}
}
