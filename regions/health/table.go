package health

import (
	"time"

	"fairlead/regions"
)

// Table is everything that one vantage point reports, as last heard.
type Table struct {
	Node     regions.NodeID
	Region   regions.ID
	Heard    time.Time     // by this node's clock; zero if never
	Interval time.Duration // how often the node says it sends
	// Reports are keyed by [regions.TargetID.Hash]. Treat them as immutable.
	Reports map[uint64]Report
}

// MinSilence is the shortest time without a table after which a vantage point
// counts as silent.
const MinSilence = 2 * time.Second

// Silent reports whether so much time has passed without a table that what it
// said no longer counts: three of its intervals, and at least [MinSilence].
func (t *Table) Silent(now time.Time) bool {
	return t.Heard.IsZero() || now.Sub(t.Heard) > max(MinSilence, 3*t.Interval)
}

// fresh returns what the table says of a target, decayed by age: a vantage
// point that is heard but no longer checks says nothing either.
func (t *Table) fresh(r Report, c regions.Check, silent bool, now time.Time) Report {
	patience := max(MinSilence, 3*t.Interval) + 3*c.Interval + c.Timeout
	if silent || now.Sub(r.Last) > patience {
		r.State = regions.Unknown
	}
	return r
}
