package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/report"
)

func whole() *report.Report {
	r := &report.Report{Began: time.Unix(1000, 0)}
	for _, phase := range report.Phases() {
		r.Hold(phase, true, "it works", "%d ms", 7)
	}
	return r
}

func TestOK(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*report.Report)
		want  bool
	}{
		{"every phase held", func(*report.Report) {}, true},
		{"one broken promise spoils it", func(r *report.Report) { r.Hold("kill", false, "quick", "slow") }, false},
		{"a phase that was never looked at spoils it", func(r *report.Report) { r.Promises = r.Promises[1:] }, false},
		{"a story that ended early spoils it", func(r *report.Report) { r.Problem = "the node did not start" }, false},
		{"an empty report is not a good one", func(r *report.Report) { r.Promises = nil }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := whole()
			tt.spoil(r)
			r.Close(time.Unix(1001, 0))
			if r.OK != tt.want {
				t.Errorf("ok = %v, want %v, of %+v", r.OK, tt.want, r.Promises)
			}
		})
	}
}

// TestTheSurface pins the names that other people's scripts rely on.
func TestTheSurface(t *testing.T) {
	surface := map[string][]string{
		"kill": {"name", "first_new_answer_ms", "last_stale_answer_ms", "users_95_ms", "users_99_ms", "dns_queries", "dns_unanswered"},
		"switchover": {"acknowledged_lost", "indeterminate", "write_gap_ms", "write_gap_direct_ms", "raw_promote_ms", "steps",
			"timeline_before", "timeline_after"},
		"failover":   {"acknowledged_lost", "indeterminate", "receipt_bytes_max", "receipt_seconds_max", "write_gap_ms", "old_primary_wrote_after"},
		"crash":      {"resumed_ms", "promotions_seen_by_postgres", "interruption_recorded"},
		"store_lost": {"dns_unanswered", "failed_over_ms", "databases_stopped"},
	}
	r := whole()
	r.Switchover.Steps = []report.Step{{Name: "promote", MS: 70}}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if _, ok := doc["ok"]; !ok {
		t.Error("the report has no field ok")
	}
	for phase, fields := range surface {
		var part map[string]any
		if err := json.Unmarshal(doc[phase], &part); err != nil {
			t.Errorf("phase %s: %v", phase, err)
		}
		for _, f := range fields {
			if _, ok := part[f]; !ok {
				t.Errorf("phase %s has no field %s", phase, f)
			}
		}
	}
	if !strings.Contains(string(text), `"name": "promote"`) || !strings.Contains(string(text), `"ms": 70`) {
		t.Errorf("steps lack name and ms: %s", text)
	}
}

func TestPrintSaysWhatWasBroken(t *testing.T) {
	r := whole()
	r.Kill.LastStaleMS, r.Kill.Users99MS = 1712, -1
	r.Hold("kill", false, "at most 1800 ms", "%d ms", 2000)
	r.Close(time.Unix(1090, 0))
	var b bytes.Buffer
	r.Print(&b)
	for _, want := range []string{"1712 ms", "not measured", "BROKEN  kill: at most 1800 ms (2000 ms)", "held    store lost: it works", "1 of 6 promises were broken."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestMS(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, 1499 * time.Microsecond: 1, 1500 * time.Microsecond: 2, -1: -1, -time.Hour: -1} {
		if got := report.MS(d); got != want {
			t.Errorf("MS(%v) = %d, want %d", d, got, want)
		}
	}
}
