package health_test

import (
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// observe feeds a word of checks, one a second: u up, g degraded, d down (refused), t down (timeout).
func observe(d *health.Detector, word string) health.Report {
	var r health.Report
	for i, c := range word {
		o := health.Observation{At: noon.Add(time.Duration(i) * time.Second)}
		switch c {
		case 'u':
			o.State, o.Latency = regions.Up, 8*time.Millisecond
		case 'g':
			o.State, o.Latency, o.Reason = regions.Degraded, 8*time.Millisecond, "slow"
		case 'd':
			o.State, o.Reason = regions.Down, "connection refused"
		case 't':
			o.State, o.Reason = regions.Down, "timeout after 1s"
		}
		r = d.Observe(o)
	}
	return r
}

func TestHysteresis(t *testing.T) {
	tests := []struct {
		name   string
		word   string // rise 2, fall 3
		want   regions.State
		reason string
	}{
		{"nothing is known at first", "", regions.Unknown, ""},
		{"one success is not enough", "u", regions.Unknown, ""},
		{"two are", "uu", regions.Up, ""},
		{"the first verdict can be down, after three", "ddd", regions.Down, "connection refused"},
		{"and not after two", "dd", regions.Unknown, ""},
		{"one lost packet moves nothing", "uudu", regions.Up, ""},
		{"two move nothing either", "uuddu", regions.Up, ""},
		{"nor do two and two", "uuddudd", regions.Up, ""},
		{"three in a row do", "uuddd", regions.Down, "connection refused"},
		{"whatever their reasons", "uudtd", regions.Down, "connection refused"},
		{"one success brings nothing back", "uudddud", regions.Down, "connection refused"},
		{"two do", "uuddduu", regions.Up, ""},
		{"a new reason shows when it lasts", "uudddttt", regions.Down, "timeout after 1s"},
		{"a passing one does not", "uudddtdt", regions.Down, "connection refused"},
		{"degraded needs three in a row", "uugg", regions.Up, ""},
		{"and has them", "uuggg", regions.Degraded, "slow"},
		{"and is up again after two", "uuggguu", regions.Up, ""},
		{"degraded is an answer, so it ends a series of failures", "uuddgdd", regions.Up, ""},
		{"a target can come back degraded", "dddgg", regions.Degraded, "slow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := observe(health.NewDetector(2, 3), tt.word)
			if r.State != tt.want || r.Reason != tt.reason {
				t.Errorf("after %q: %v %q, want %v %q", tt.word, r.State, r.Reason, tt.want, tt.reason)
			}
		})
	}
}

func TestAReportKeepsWhenItChangedAndWhenItWasChecked(t *testing.T) {
	r := observe(health.NewDetector(2, 3), "uudddd")
	if since := r.Since.Sub(noon); since != 4*time.Second {
		t.Errorf("down since second %v, want 4s: the third failure", since)
	}
	if last := r.Last.Sub(noon); last != 5*time.Second {
		t.Errorf("last checked at %v, want 5s", last)
	}
	if r.Latency != 8*time.Millisecond {
		t.Errorf("latency %v, want 8ms: failures have none", r.Latency)
	}
}

func TestQuorum(t *testing.T) {
	const up, down, unknown, degraded = regions.Up, regions.Down, regions.Unknown, regions.Degraded
	tests := []struct {
		name    string
		rule    regions.Rule
		reports []regions.State // one for each vantage point
		last    regions.State
		want    regions.State
	}{
		{"one voice cannot take a region down", 2, []regions.State{down, up, up}, up, up},
		{"two voices can", 2, []regions.State{down, down, up}, up, down},
		{"silence is not failure", 2, []regions.State{down, unknown, unknown}, up, up},
		{"silence is not recovery", 2, []regions.State{up, unknown, unknown}, down, down},
		{"nobody reports", 2, nil, down, down},
		{"one is enough where the rule says so", 1, []regions.State{down, up, up}, up, down},
		{"and it is up when that one says so too", 1, []regions.State{up, up, up}, down, up},
		{"a rule that nobody can meet moves nothing", 3, []regions.State{down, down}, up, up},
		{"the only vantage point decides", 0, []regions.State{down}, up, down},
		{"a majority decides", 0, []regions.State{down, down, up}, up, down},
		{"an even split moves nothing", 0, []regions.State{down, up}, up, up},
		{"nor does it bring back", 0, []regions.State{down, up}, down, down},
		{"the silent do not vote", 0, []regions.State{down, down, unknown}, up, down},
		{"the last voice that is left is heard", 0, []regions.State{down, unknown, unknown}, up, down},
		{"the last voice of two as well", 0, []regions.State{down, unknown}, up, down},
		{"nobody is heard", 0, []regions.State{unknown, unknown}, up, up},
		{"degraded serves", 0, []regions.State{degraded, degraded, down}, up, degraded},
		{"and is outvoted by up", 0, []regions.State{degraded, up, up}, up, up},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var reports []health.Report
			for _, s := range tt.reports {
				reports = append(reports, health.Report{State: s})
			}
			if got := health.Quorum(reports, tt.rule, tt.last); got != tt.want {
				t.Errorf("Quorum(%v), rule %d, last %v = %v, want %v", tt.reports, tt.rule, tt.last, got, tt.want)
			}
		})
	}
}
