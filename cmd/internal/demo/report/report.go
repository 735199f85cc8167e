// Package report is what `fairlead demo --headless` hands over: figures that
// were measured from outside, and for each promise whether it held.
//
// The names of the fields are a contract with other people's scripts. They
// may grow and never change their meaning. A figure that could not be measured
// is -1, never 0: nothing may look better for having failed.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Report is the whole document. Times are milliseconds.
type Report struct {
	OK         bool       `json:"ok"` // every promise was looked at, and held
	Kill       Kill       `json:"kill"`
	Switchover Switchover `json:"switchover"`
	Failover   Failover   `json:"failover"`
	Crash      Crash      `json:"crash"`
	StoreLost  StoreLost  `json:"store_lost"`

	Version  string    `json:"version"`
	Cores    int       `json:"cores"`
	Began    time.Time `json:"began"`
	TookMS   int64     `json:"took_ms"`
	Promises []Promise `json:"promises"`
	Problem  string    `json:"problem,omitempty"` // what ended the story before its end
}

// Kill is a region's shop processes killed with SIGKILL.
type Kill struct {
	Name             string `json:"name"`                // the DNS name that was watched
	FirstNewAnswerMS int64  `json:"first_new_answer_ms"` // until the first answer that no longer named the dead region
	LastStaleMS      int64  `json:"last_stale_answer_ms"`
	Users95MS        int64  `json:"users_95_ms"` // until 95 % of the users whom the dead region served were served again, all habits
	Users99MS        int64  `json:"users_99_ms"`
	DNSQueries       int    `json:"dns_queries"`
	DNSUnanswered    int    `json:"dns_unanswered"`

	KilledAt        time.Time `json:"killed_at"` // to find the moment in the logs
	UsersAffected   int       `json:"users_affected"`
	Honest95MS      int64     `json:"honest_users_95_ms"` // of those who honour the TTL
	Honest99MS      int64     `json:"honest_users_99_ms"`
	TTLMS           int64     `json:"ttl_ms"`
	CheckIntervalMS int64     `json:"check_interval_ms"`
	BoundMS         int64     `json:"bound_ms"`
	ReturnedMS      int64     `json:"returned_ms"` // from a person's restore to the first answer that names the region again
}

// Step is how long a step of a run took, by the record of the run.
type Step struct {
	Name  string `json:"name"`
	State string `json:"state"`
	MS    int64  `json:"ms"`
}

// Switchover is a planned move of the writer under load.
type Switchover struct {
	AcknowledgedLost int    `json:"acknowledged_lost"`
	Indeterminate    int    `json:"indeterminate"`
	WriteGapMS       int64  `json:"write_gap_ms"`        // the worst of the clients that resolve and honour the TTL
	WriteGapDirectMS int64  `json:"write_gap_direct_ms"` // of a client that tries both servers
	RawPromoteMS     int64  `json:"raw_promote_ms"`      // bare pg_promote to first write, on an idle pair, median
	Steps            []Step `json:"steps"`
	TimelineBefore   int    `json:"timeline_before"`
	TimelineAfter    int    `json:"timeline_after"`

	WriteGapMedianMS int64    `json:"write_gap_median_ms"` // of the same clients, in the middle
	Orders           int      `json:"orders_acknowledged"` // during the phase
	OrdersPerSecond  int      `json:"orders_per_second"`   // before the run
	TTLMS            int64    `json:"ttl_ms"`
	Outcome          string   `json:"outcome"`
	People           []string `json:"people"` // who started and who approved
}

// Failover is an unplanned move of the writer after its server was killed.
type Failover struct {
	AcknowledgedLost     int     `json:"acknowledged_lost"`
	Indeterminate        int     `json:"indeterminate"`
	ReceiptBytesMax      int64   `json:"receipt_bytes_max"`
	ReceiptSecondsMax    float64 `json:"receipt_seconds_max"`
	WriteGapMS           int64   `json:"write_gap_ms"` // from the kill, people's approvals included
	OldPrimaryWroteAfter bool    `json:"old_primary_wrote_after"`

	WriteGapDirectMS   int64   `json:"write_gap_direct_ms"`
	CommandToWriteMS   int64   `json:"command_to_write_ms"` // from the person's command to the first acknowledged write
	ReceiptBytesMin    int64   `json:"receipt_bytes_min"`
	ReceiptSecondsMin  float64 `json:"receipt_seconds_min"`
	ReceiptAgeSeconds  float64 `json:"receipt_age_seconds"` // of the measurement that the receipt is made of
	Receipt            string  `json:"receipt"`
	LostBytes          int64   `json:"lost_bytes"`   // of write-ahead log that the old primary had and the new one never got
	LostSeconds        float64 `json:"lost_seconds"` // from the oldest lost order to the kill
	StalledMS          int64   `json:"stalled_ms"`   // for how long before the kill nothing was replicated
	OldPrimaryRefusal  string  `json:"old_primary_refusal"`
	Steps              []Step  `json:"steps"`
	Outcome            string  `json:"outcome"`
	TimelineBefore     int     `json:"timeline_before"`
	TimelineAfter      int     `json:"timeline_after"`
	AcknowledgedOrders int     `json:"orders_acknowledged"`
	ReprotectMS        int64   `json:"reprotect_ms"` // by the run's record, until the old server was a standby again
}

// Crash is the node killed in the middle of a run.
type Crash struct {
	ResumedMS                int64 `json:"resumed_ms"` // from the restart of the process to the run's next act
	PromotionsSeenByPostgres int   `json:"promotions_seen_by_postgres"`
	InterruptionRecorded     bool  `json:"interruption_recorded"`

	KilledAfterStep  string `json:"killed_after_step"`
	KilledBefore     string `json:"killed_before_step"`
	AcknowledgedLost int    `json:"acknowledged_lost"`
	WriteGapMS       int64  `json:"write_gap_ms"`
	RestartMS        int64  `json:"restart_ms"` // until the node answered again
	Outcome          string `json:"outcome"`
	Steps            []Step `json:"steps"`
}

// StoreLost is three nodes whose store is gone.
type StoreLost struct {
	DNSUnanswered    int   `json:"dns_unanswered"`
	FailedOverMS     int64 `json:"failed_over_ms"` // last answer that named the dead region
	DatabasesStopped int   `json:"databases_stopped"`

	DNSQueries          int   `json:"dns_queries"`
	BoundMS             int64 `json:"bound_ms"`
	FirstNewAnswerMS    int64 `json:"first_new_answer_ms"`
	NodesKilled         int   `json:"nodes_killed"`
	StoreReportedGone   bool  `json:"store_reported_gone"`   // the surviving node says so itself
	LongestWriteGapMS   int64 `json:"longest_write_gap_ms"`  // of the database, while the store was gone
	DecisionsRefused    bool  `json:"decisions_refused"`     // and with a reason, rather than pretended
	StartedWithoutStore bool  `json:"started_without_store"` // a node restarted from its own disk answered
}

// Promise is one thing that was looked at.
type Promise struct {
	Phase  string `json:"phase"`
	Says   string `json:"says"`   // what should hold
	Figure string `json:"figure"` // what was seen
	Held   bool   `json:"held"`
}

// New makes a report in which nothing has been measured yet.
func New(began time.Time, version string, cores int) *Report {
	return &Report{
		Began: began, Version: version, Cores: cores,
		Kill:       Kill{FirstNewAnswerMS: -1, LastStaleMS: -1, Users95MS: -1, Users99MS: -1, DNSQueries: -1, DNSUnanswered: -1, UsersAffected: -1, Honest95MS: -1, Honest99MS: -1, ReturnedMS: -1},
		Switchover: Switchover{AcknowledgedLost: -1, Indeterminate: -1, WriteGapMS: -1, WriteGapDirectMS: -1, RawPromoteMS: -1, WriteGapMedianMS: -1, Orders: -1, OrdersPerSecond: -1},
		Failover: Failover{AcknowledgedLost: -1, Indeterminate: -1, ReceiptBytesMax: -1, ReceiptSecondsMax: -1, WriteGapMS: -1, WriteGapDirectMS: -1, CommandToWriteMS: -1,
			ReceiptBytesMin: -1, ReceiptSecondsMin: -1, ReceiptAgeSeconds: -1, LostBytes: -1, LostSeconds: -1, StalledMS: -1, AcknowledgedOrders: -1, ReprotectMS: -1},
		Crash:     Crash{ResumedMS: -1, PromotionsSeenByPostgres: -1, AcknowledgedLost: -1, WriteGapMS: -1, RestartMS: -1},
		StoreLost: StoreLost{DNSUnanswered: -1, FailedOverMS: -1, DatabasesStopped: -1, DNSQueries: -1, FirstNewAnswerMS: -1, LongestWriteGapMS: -1},
	}
}

// Hold enters a promise and whether it held.
func (r *Report) Hold(phase string, held bool, says, format string, args ...any) {
	r.Promises = append(r.Promises, Promise{Phase: phase, Says: says, Figure: fmt.Sprintf(format, args...), Held: held})
}

// Phases are the parts of the story that a whole report must have.
func Phases() []string { return []string{"kill", "switchover", "crash", "failover", "store_lost"} }

// Close settles OK: every phase has promises, all of them held, and nothing
// ended the story early.
func (r *Report) Close(now time.Time) {
	r.TookMS = now.Sub(r.Began).Milliseconds()
	seen := map[string]bool{}
	r.OK = r.Problem == ""
	for _, p := range r.Promises {
		seen[p.Phase] = true
		r.OK = r.OK && p.Held
	}
	for _, phase := range Phases() {
		r.OK = r.OK && seen[phase]
	}
}

// Broken lists the promises that did not hold.
func (r *Report) Broken() []Promise {
	var out []Promise
	for _, p := range r.Promises {
		if !p.Held {
			out = append(out, p)
		}
	}
	return out
}

// Write puts the report into a file, whole or not at all.
func (r *Report) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".report-*")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer os.Remove(f.Name()) // gone already if all went well
	_, err = f.Write(append(text, '\n'))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// MS is a duration as the report has it, rounded to the nearest millisecond;
// negative durations mean "not measured" and are -1.
func MS(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Round(time.Millisecond).Milliseconds()
}
