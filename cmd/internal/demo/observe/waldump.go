package observe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// record is one line of pg_waldump: its length in all, and where it begins.
var record = regexp.MustCompile(`len \(rec/tot\):\s*\d+/\s*(\d+),.* lsn: ([0-9A-F]+/[0-9A-F]+),`)

// EndOfLog reads the write-ahead log that lies on the disk of a server that is
// off, from a place on, and returns where its last whole record ends. A log
// that goes no further than from ends there.
func EndOfLog(ctx context.Context, binDir, dataDir string, timeline int, from LSN) (LSN, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "pg_waldump"), "-p", filepath.Join(dataDir, "pg_wal"),
		"-t", strconv.Itoa(timeline), "-s", from.String())
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	// It always fails in the end: where the log ends, there is no valid record.
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		return 0, fmt.Errorf("read the log of the server that is off: %w", err)
	}
	end, err := endOf(&out, from)
	if err != nil {
		return 0, fmt.Errorf("read the log of the server that is off: %w: %s", err, problem.String())
	}
	return end, nil
}

func endOf(out *bytes.Buffer, from LSN) (LSN, error) {
	end := from
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := record.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		total, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			return 0, err
		}
		at, err := ParseLSN(m[2])
		if err != nil {
			return 0, err
		}
		end = max(end, (at+LSN(total)+7)&^7) // records begin at multiples of eight
	}
	return end, lines.Err()
}

// String writes an LSN as PostgreSQL does.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }
