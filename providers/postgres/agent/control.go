package agent

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// Control is what pg_controldata says, as far as procedures need it.
type Control struct {
	SystemIdentifier string `json:"system_identifier"`
	State            string `json:"state"`      // "in production", "shut down", …, in PostgreSQL's words
	Checkpoint       string `json:"checkpoint"` // latest checkpoint location, an LSN
	Redo             string `json:"redo"`       // its REDO location, an LSN
	Timeline         int    `json:"timeline"`   // of the latest checkpoint
	MinRecovery      string `json:"min_recovery,omitempty"`
	WALLogHints      bool   `json:"wal_log_hints"`
	Checksums        bool   `json:"checksums"`
	SegmentBytes     uint64 `json:"segment_bytes"` // of one file of the log; 0 if it is not said
}

// Clean reports whether the server was shut down as a primary, everything it
// ever acknowledged being on its disk and sent.
func (c Control) Clean() bool { return c.State == "shut down" }

// ParseControl reads what pg_controldata prints in the C locale.
func ParseControl(text string) (Control, error) {
	var c Control
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	for name, into := range map[string]*string{
		"Database system identifier":        &c.SystemIdentifier,
		"Database cluster state":            &c.State,
		"Latest checkpoint location":        &c.Checkpoint,
		"Latest checkpoint's REDO location": &c.Redo,
	} {
		if *into = fields[name]; *into == "" {
			return Control{}, fmt.Errorf("read control data: no line %q in %d lines", name, len(fields))
		}
	}
	var err error
	if c.Timeline, err = strconv.Atoi(fields["Latest checkpoint's TimeLineID"]); err != nil {
		return Control{}, fmt.Errorf("read control data: timeline %q is no number", fields["Latest checkpoint's TimeLineID"])
	}
	if min := fields["Minimum recovery ending location"]; min != "0/0" {
		c.MinRecovery = min
	}
	if text, ok := fields["Bytes per WAL segment"]; ok {
		if c.SegmentBytes, err = strconv.ParseUint(text, 10, 32); err != nil {
			return Control{}, fmt.Errorf("read control data: the size of a WAL segment, %q, is no number", text)
		}
	}
	c.WALLogHints = fields["wal_log_hints setting"] == "on"
	c.Checksums = fields["Data page checksum version"] != "0" && fields["Data page checksum version"] != ""
	return c, nil
}
