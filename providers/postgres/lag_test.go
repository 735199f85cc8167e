package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"fairlead/providers/postgres/agent"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// written makes a track of a server that was seen once a second.
func written(start time.Time, at ...LSN) *track {
	t := &track{}
	for i, lsn := range at {
		t.add(sample{at: start.Add(time.Duration(i) * time.Second), lsn: lsn})
	}
	return t
}

func TestLagIsARangeWithAnAge(t *testing.T) {
	start := time.Now()
	now := start.Add(5 * time.Second)
	tests := []struct {
		name     string
		got      Lag
		bytesMin int64
		bytesMax int64
		seconds  float64
		known    bool
		certain  bool
	}{
		{"a primary that answers is exact",
			exact(3000, 2500, written(start, 1000, 2000, 3000), now, 0, ""), 500, 500, 4, true, true},
		{"a standby that has everything has no lag, whatever the age",
			exact(3000, 3000, written(start, 1000, 2000, 3000), now, 0, ""), 0, 0, 0, true, true},
		{"a dead primary may have written on since it was last seen",
			remembered(written(start, 1000, 2000, 3000), 2500, now), 500, 3500, 4, true, true},
		{"an idle primary that died is not supposed to have written",
			remembered(written(start, 3000, 3000, 3000), 3000, now), 0, 0, 3, true, true},
		{"a standby that received more than was seen has lost what came after",
			remembered(written(start, 1000, 2000, 3000), 3400, now), 0, 2600, 3, true, true},
		{"a standby behind the oldest sample has an unknown time",
			remembered(written(start, 1000, 2000, 3000), 500, now), 2500, 5500, 0, true, false},
		{"a primary that was never seen is unknown",
			remembered(written(start), 500, now), 0, 0, 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.got
			if l.Known != tt.known || l.BytesMin != tt.bytesMin || l.BytesMax != tt.bytesMax || l.SecondsKnown != tt.certain || l.SecondsMax != tt.seconds {
				t.Errorf("got %+v, want known %v, %d to %d bytes, at most %v s (known: %v)", l, tt.known, tt.bytesMin, tt.bytesMax, tt.seconds, tt.certain)
			}
			for name, v := range l.Values() {
				if (v == "unknown") != (!tt.known || strings.HasPrefix(name, "seconds") && !tt.certain) && name != "source" {
					t.Errorf("value %s = %q of %+v", name, v, l)
				}
			}
		})
	}
}

// TestSecondsNeverUnderstate: whatever a primary writes and whenever it is
// looked at, nothing that a standby lacks was written before the range says.
func TestSecondsNeverUnderstate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Now()
		type write struct {
			at  time.Duration
			end LSN
		}
		var writes []write
		tr := &track{}
		var at time.Duration
		end := LSN(1000)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			at += time.Duration(rapid.IntRange(1, 700).Draw(t, "ms")) * time.Millisecond
			if rapid.Bool().Draw(t, "look") {
				tr.add(sample{at: start.Add(at), lsn: end})
				continue
			}
			end += LSN(rapid.IntRange(1, 500).Draw(t, "bytes"))
			writes = append(writes, write{at, end})
		}
		received := LSN(rapid.Uint64Range(1000, uint64(end)).Draw(t, "received"))
		now := start.Add(at)
		l := remembered(tr, received, now)
		if !l.SecondsKnown {
			return
		}
		for _, w := range writes {
			if lost := w.end > received; lost && (at-w.at).Seconds() > l.SecondsMax {
				t.Fatalf("a write %v before now is lost, the range ends at %v s", at-w.at, l.SecondsMax)
			}
		}
	})
}

func TestTrackStartsAgainWhenHistoryGoesBack(t *testing.T) {
	start := time.Now()
	tr := written(start, 5000, 6000, 100)
	if _, ok := tr.since(50, start.Add(3*time.Second)); ok {
		t.Error("a track knows how old something is that lies before a rewind")
	}
	if last, _ := tr.last(); last.lsn != 100 {
		t.Errorf("last = %v, want 0/64", last.lsn)
	}
}

func TestTrackIsBounded(t *testing.T) {
	tr := &track{}
	for i := range maxSamples + 100 {
		tr.add(sample{at: time.Now(), lsn: LSN(i)})
	}
	if len(tr.samples) != maxSamples {
		t.Errorf("a track holds %d samples, want %d", len(tr.samples), maxSamples)
	}
}

func TestLSNRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := LSN(rapid.Uint64().Draw(t, "lsn"))
		if got, err := ParseLSN(l.String()); err != nil || got != l {
			t.Fatalf("ParseLSN(%q) = %v, %v", l.String(), got, err)
		}
	})
	for _, bad := range []string{"", "0", "/", "0/", "g/0", "0/100000000", "1/2/3", "-1/0"} {
		if l, err := ParseLSN(bad); err == nil {
			t.Errorf("ParseLSN(%q) = %v, want it refused", bad, l)
		}
	}
}

// healthy is a survey in which every check passes.
func healthy() survey {
	settings := Settings{WALLogHints: true, ApplyDelay: "0", ReadOnly: "off"}
	return survey{
		fromRegion: "us-east", toRegion: "eu-central", planned: true, maxLag: 1000, epoch: regions.Epoch{Incarnation: 1, Number: 5},
		from: Facts{SystemIdentifier: "1", Current: 5000, Settings: settings, CanPromote: true, Canary: true},
		to: Facts{Standby: true, SystemIdentifier: "1", Current: 5000, PauseState: "not paused", Settings: settings, Slot: "s", CanPromote: true, Canary: true,
			Seen: regions.Epoch{Incarnation: 1, Number: 4}},
		receiver: Receiver{Exists: true, Active: true, State: "streaming", Replayed: 5000},
	}
}

func TestPreflightChecks(t *testing.T) {
	dead := errors.New("connection refused")
	tests := []struct {
		name   string
		change func(*survey)
		failed string // planned
		lost   string // in a failover
	}{
		{"all is well", func(*survey) {}, "", ""},
		{"the old writer is dead", func(s *survey) { s.fromErr = dead }, "from_answers", ""},
		{"the old writer is a standby", func(s *survey) { s.from.Standby = true }, "from_writes", "from_writes"},
		{"a base backup is under way", func(s *survey) { s.from.Backups = 1 }, "from_no_backup", ""},
		{"neither wal_log_hints nor checksums", func(s *survey) { s.from.Settings.WALLogHints = false }, "rewind_possible", ""},
		{"checksums are enough", func(s *survey) { s.from.Settings = Settings{Checksums: true} }, "", ""},
		{"the standby is dead", func(s *survey) { s.toErr = dead }, "to_answers", "to_answers"},
		{"the standby writes already", func(s *survey) { s.to.Standby = false }, "to_in_recovery", "to_in_recovery"},
		{"replay is paused", func(s *survey) { s.to.PauseState = "paused" }, "replay_not_paused", "replay_not_paused"},
		{"replay is being paused", func(s *survey) { s.to.PauseState = "pause requested" }, "replay_not_paused", "replay_not_paused"},
		{"replay is delayed", func(s *survey) { s.to.Settings.ApplyDelay = "5min" }, "no_apply_delay", "no_apply_delay"},
		{"a delay of 0 with a unit is none", func(s *survey) { s.to.Settings.ApplyDelay = "0ms" }, "", ""},
		{"read-only by default", func(s *survey) { s.to.Settings.ReadOnly = "on" }, "to_writable_by_default", "to_writable_by_default"},
		{"may not promote", func(s *survey) { s.to.CanPromote = false }, "may_promote", "may_promote"},
		{"no canary table", func(s *survey) { s.to.Canary = false }, "canary_table", "canary_table"},
		{"the data carry a newer epoch", func(s *survey) { s.to.Seen.Number = 6 }, "epoch", "epoch"},
		{"another cluster", func(s *survey) { s.to.SystemIdentifier = "2" }, "same_system", "same_system"},
		{"no slot", func(s *survey) { s.to.Slot = "" }, "slot", ""},
		{"slot missing", func(s *survey) { s.receiver = Receiver{} }, "slot", ""},
		{"slot not active", func(s *survey) { s.receiver = Receiver{Exists: true} }, "slot", ""},
		{"catching up", func(s *survey) { s.receiver.State = "catchup" }, "streaming", ""},
		{"too far behind", func(s *survey) { s.receiver.Replayed = 3000 }, "lag", ""},
		{"the agent does not answer", func(s *survey) { s.hostErr = dead }, "host_controlled", "host_controlled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, planned := range []bool{true, false} {
				s := healthy()
				s.host = agent.Status{Detail: "running"}
				tt.change(&s)
				s.planned = planned
				want := tt.failed
				if !planned {
					want = tt.lost
				}
				var failed []string
				for _, c := range s.checks() {
					if !c.OK {
						failed = append(failed, c.Name)
					}
					if c.OK != (c.Remedy == "") {
						t.Errorf("check %+v: a remedy belongs to what failed, and to nothing else", c)
					}
				}
				if got := strings.Join(failed, ","); got != want {
					t.Errorf("planned %v: failed %q, want %q", planned, got, want)
				}
			}
		})
	}
}

func TestWhoMayBeDeclaredLost(t *testing.T) {
	silent := fault.Unavailablef("orders in us-east", "does not answer")
	login := fault.Deniedf("orders in us-east", "refuses the login").Because(said{&pgconn.PgError{Message: "wrong password"}})
	tests := []struct {
		name             string
		fromErr, hostErr error
		planned          bool
		by               string
		ok               bool
		says             string // in the detail or the remedy
	}{
		{"nobody has to, where a host can be asked", silent, nil, false, "", true, "answers"},
		{"nobody said so, and nothing is seen", silent, silent, false, "", false, "declared_lost_by=YOUR-NAME"},
		{"somebody said so, and nothing is seen", silent, silent, false, "ada", true, "unfenced: ada declares us-east lost"},
		{"not what answers", nil, silent, false, "ada", false, "is there: it answers as a primary"},
		{"not what refuses a login", login, silent, false, "ada", false, "is there: refuses the login"},
		{"nobody is invited to declare what answers", nil, silent, false, "", false, "us-east cannot be fenced"},
		{"not for a planned move", silent, silent, true, "ada", false, "us-east cannot be fenced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := healthy()
			s.fromErr, s.hostErr, s.planned, s.declaredBy = tt.fromErr, tt.hostErr, tt.planned, tt.by
			s.hostKind, s.host = "agent", agent.Status{Detail: "it answers"}
			f := s.controlled()
			if f.OK != tt.ok || !strings.Contains(f.Detail+" "+f.Remedy, tt.says) || f.OK != (f.Remedy == "") {
				t.Errorf("controlled() = %+v, want ok %v and %q", f, tt.ok, tt.says)
			}
			if tt.name == "nobody is invited to declare what answers" && strings.Contains(f.Remedy, "declared_lost_by") {
				t.Errorf("remedy %q invites to declare a living server lost", f.Remedy)
			}
		})
	}
}
