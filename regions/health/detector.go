package health

import (
	"time"

	"fairlead/regions"
)

// Observation is the outcome of one check of one target.
type Observation struct {
	At      time.Time     // when it ended
	State   regions.State // Up, Degraded or Down; Unknown is ignored
	Latency time.Duration // of a success
	Reason  string        // why it failed; for a success, what was seen, if that is worth saying
}

// Report is what one vantage point believes of one target. Its times are by
// the clock of whoever holds it: between nodes, only ages travel.
type Report struct {
	State   regions.State
	Reason  string        // why; empty for an ordinary success
	Latency time.Duration // smoothed; 0 if no check succeeded yet
	Since   time.Time     // when State last changed
	Last    time.Time     // when the target was last checked
}

// Detector applies hysteresis to the checks of one target from one vantage
// point. The first verdict needs as many results in a row as any other. It is
// not safe for concurrent use.
type Detector struct {
	rise, fall int
	report     Report
	failures   int // in a row, while not down
	successes  int // in a row, degraded or not
	quality    run // of successes that are as good as each other
	words      run // of results that say the same
}

// run is how often the same was seen in a row.
type run struct {
	state  regions.State
	reason string
	length int
}

func (r *run) add(s regions.State, reason string) int {
	if r.state != s || r.reason != reason {
		*r = run{s, reason, 0}
	}
	r.length++
	return r.length
}

// NewDetector makes a detector that needs rise successes in a row to believe
// in a target, and fall failures to give it up. Values below 1 count as 1.
func NewDetector(rise, fall int) *Detector {
	return &Detector{rise: max(rise, 1), fall: max(fall, 1)}
}

// Report returns what is believed now.
func (d *Detector) Report() Report { return d.report }

// Observe takes in the outcome of a check and returns what is believed now.
func (d *Detector) Observe(o Observation) Report {
	if o.State == regions.Unknown {
		return d.report
	}
	d.report.Last = o.At
	said := d.words.add(o.State, o.Reason)
	if o.State == regions.Down {
		d.fail(o, said)
	} else {
		d.succeed(o, said)
	}
	return d.report
}

func (d *Detector) fail(o Observation, said int) {
	d.successes, d.quality = 0, run{}
	d.failures++
	switch {
	case d.report.State != regions.Down && d.failures >= d.fall:
		d.become(regions.Down, o)
	case d.report.State == regions.Down && said >= d.fall:
		d.report.Reason = o.Reason // but not for each single one: it would chatter
	}
}

func (d *Detector) succeed(o Observation, said int) {
	d.failures = 0
	d.smooth(o.Latency)
	d.successes++
	as := d.quality.add(o.State, "")
	switch {
	case !d.report.State.Serves() && d.successes >= d.rise,
		d.report.State == regions.Up && o.State == regions.Degraded && as >= d.fall,
		d.report.State == regions.Degraded && o.State == regions.Up && as >= d.rise:
		d.become(o.State, o)
	case d.report.State == o.State && said >= d.rise:
		d.report.Reason = o.Reason // a standby has become a primary
	}
}

func (d *Detector) become(s regions.State, o Observation) {
	d.report.State, d.report.Reason, d.report.Since = s, o.Reason, o.At
}

// smooth follows the latency of successes: an eighth of the way with each, as
// TCP does for its round trips (RFC 6298).
func (d *Detector) smooth(l time.Duration) {
	if d.report.Latency == 0 {
		d.report.Latency = l
		return
	}
	d.report.Latency += (l - d.report.Latency) / 8
}
