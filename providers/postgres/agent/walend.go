package agent

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"fairlead/regions/fault"
)

// pg_waldump reads until a record is not there, and says where: at a location,
// or, where a page ends with the record before, at an offset of a file. What it
// names first is the last record that is there, which is not the end.
var (
	endAtLocation = regexp.MustCompile(`error in WAL record at [0-9A-F]+/[0-9A-F]+: .* at ([0-9A-F]+/[0-9A-F]+)`)
	endAtOffset   = regexp.MustCompile(`error in WAL record at [0-9A-F]+/[0-9A-F]+: .* in log segment [0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8}), offset (\d+)`)
)

// walEnd returns how far the log of a server goes that is off: whatever it
// acknowledged lies before that.
func (s *server) walEnd(ctx context.Context, c Control) (string, error) {
	out, err := s.program(ctx, 5*time.Second, "pg_waldump", "-p", s.file("pg_wal"), "-t", strconv.Itoa(c.Timeline), "-s", c.Checkpoint, "-q")
	if err != nil {
		return "", err
	}
	if out.TimedOut {
		return "", fault.Unavailablef(s.subject, "the log since the last checkpoint is too long to be read to its end in %v", out.Took.Round(time.Second))
	}
	if end := endOfLog(out.Stderr, c.SegmentBytes); end != "" {
		return end, nil
	}
	return "", fault.New(fault.Internal, s.subject, "the end of the log is not found: %s", out.Reason())
}

// endOfLog reads where pg_waldump gave up; "" if it does not say.
func endOfLog(said string, segment uint64) string {
	if m := endAtOffset.FindStringSubmatch(said); m != nil && segment > 0 {
		high, errHigh := strconv.ParseUint(m[1], 16, 32)
		file, errFile := strconv.ParseUint(m[2], 16, 32)
		offset, errOffset := strconv.ParseUint(m[3], 10, 32)
		if errHigh != nil || errFile != nil || errOffset != nil {
			return ""
		}
		return fmt.Sprintf("%X/%X", high, file*segment+offset)
	}
	if m := endAtLocation.FindStringSubmatch(said); m != nil {
		return m[1]
	}
	return ""
}
