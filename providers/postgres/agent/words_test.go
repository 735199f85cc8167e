package agent

import (
	"strings"
	"testing"
)

func TestEndOfLog(t *testing.T) {
	tests := []struct{ name, said, want string }{
		{"the next record is not there", "pg_waldump: error: error in WAL record at 0/1500780: invalid record length at 0/15007F8: wanted 24, got 0\n", "0/15007F8"},
		{"the next record is an old one", "pg_waldump: error: error in WAL record at 0/1500780: record with incorrect prev-link 0/14FF000 at 0/15007F8\n", "0/15007F8"},
		{"the page ends with the record before", "pg_waldump: error: error in WAL record at 0/1931FD0: invalid magic number 0000 in log segment 000000010000000000000001, offset 9641984", "0/1932000"},
		{"in a later file", "pg_waldump: error: error in WAL record at 2/1931FD0: unexpected pageaddr 0/0 in log segment 000000010000000200000003, offset 8192", "2/3002000"},
		{"another reason", "pg_waldump: error: error in WAL record at 0/1500780: could not read", ""},
		{"nothing that says where", "pg_waldump: error: could not find a valid record", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := endOfLog(tt.said, 16<<20); got != tt.want {
				t.Errorf("endOfLog(%q) = %q, want %q", tt.said, got, tt.want)
			}
		})
	}
}

func TestParseControl(t *testing.T) {
	text := `pg_control version number:            1300
Database system identifier:           7711292252229317982
Database cluster state:               shut down
Latest checkpoint location:           0/1500708
Latest checkpoint's REDO location:    0/1500700
Latest checkpoint's TimeLineID:       3
Minimum recovery ending location:     0/0
wal_log_hints setting:                on
Bytes per WAL segment:                16777216
Data page checksum version:           0
`
	got, err := ParseControl(text)
	want := Control{SystemIdentifier: "7711292252229317982", State: "shut down", Checkpoint: "0/1500708", Redo: "0/1500700", Timeline: 3, WALLogHints: true, SegmentBytes: 16 << 20}
	if err != nil || got != want || !got.Clean() {
		t.Errorf("ParseControl = %+v, %v; want %+v", got, err, want)
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Database") && !strings.HasPrefix(line, "Latest") {
			continue
		}
		if _, err := ParseControl(strings.Replace(text, line, "", 1)); err == nil {
			t.Errorf("ParseControl without %q succeeded, want it refused", strings.TrimSpace(line))
		}
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add("Database system identifier: 1\nLatest checkpoint's TimeLineID: x\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = ParseControl(text)
		_ = endOfLog(text, 16<<20)
	})
}

func TestSegmentNamesTheFileOfALocation(t *testing.T) {
	for _, tt := range []struct {
		high, low string
		size      uint64
		want      string
	}{
		{"0", "1500708", 16 << 20, "0000000000000001"},
		{"2", "FF000000", 16 << 20, "00000002000000FF"},
		{"2", "FF000000", 64 << 20, "000000020000003F"},
		{"2", "FF000000", 0, ""}, // unknown: everything is kept
		{"x", "FF000000", 16 << 20, ""},
	} {
		if got := segment(tt.high, tt.low, tt.size); got != tt.want {
			t.Errorf("segment(%s/%s, %d) = %q, want %q", tt.high, tt.low, tt.size, got, tt.want)
		}
	}
}
