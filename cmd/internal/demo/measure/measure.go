// Package measure draws the demo's figures from what its observers wrote
// down. Its functions are pure: the same ledger always gives the same figure.
//
// Each figure is the least flattering that its name allows. A gap runs from
// the last acknowledgement before to the first one after; a user has recovered
// when his last failure is behind him, not at his first lucky request; and a
// stale answer counts when it arrives, not when it was asked for.
package measure

import (
	"net/netip"
	"slices"
	"time"

	"fairlead/cmd/internal/demo/ledger"
)

// Answers is how a name moved, as resolvers of several networks saw it.
type Answers struct {
	FirstNew   time.Duration // until a network that had been sent there was sent elsewhere; negative: never
	LastStale  time.Duration // until the last answer that named the dead address; 0 if there was none
	Queries    int
	Unanswered int
}

// Moved looks at the replies around the moment at, when dead died.
func Moved(replies []ledger.Reply, at time.Time, dead netip.Addr) Answers {
	a := Answers{FirstNew: -1}
	affected := map[netip.Prefix]bool{}
	for _, r := range replies {
		if r.Settled.Before(at) && names(r, dead) {
			affected[r.Client] = true
		}
	}
	for _, r := range replies {
		if r.Settled.Before(at) {
			continue
		}
		a.Queries++
		took := r.Settled.Sub(at)
		switch {
		case !r.Answered:
			a.Unanswered++
		case names(r, dead):
			a.LastStale = max(a.LastStale, took)
		case affected[r.Client] && !r.Sent.Before(at) && (a.FirstNew < 0 || took < a.FirstNew):
			a.FirstNew = took
		}
	}
	return a
}

func names(r ledger.Reply, addr netip.Addr) bool { return slices.Contains(r.Addresses, addr) }

// Gap is the longest time between from and to in which none of orders was
// acknowledged, reckoned from the last acknowledgement before it to the first
// one after it.
func Gap(orders []ledger.Order, from, to time.Time) time.Duration {
	var acks []time.Time
	before := from
	for _, o := range orders {
		switch {
		case o.Fate != ledger.Acknowledged || o.Settled.After(to):
		case o.Settled.Before(from):
			before = o.Settled // nearly in order, and the last one wins
		default:
			acks = append(acks, o.Settled)
		}
	}
	slices.SortFunc(acks, time.Time.Compare)
	var longest time.Duration
	last := before
	for _, at := range append(acks, to) {
		longest = max(longest, at.Sub(last))
		last = at
	}
	return longest
}

// GapEach is the gap of each client whose habit is one of those given,
// shortest first: what single clients suffered, where Gap over all of them is
// what the service did.
func GapEach(orders []ledger.Order, from, to time.Time, habits ...ledger.Habit) []time.Duration {
	byClient := map[string][]ledger.Order{}
	for _, o := range orders {
		if slices.Contains(habits, o.Habit) {
			byClient[o.Client] = append(byClient[o.Client], o)
		}
	}
	var gaps []time.Duration
	for _, mine := range byClient {
		gaps = append(gaps, Gap(mine, from, to))
	}
	slices.Sort(gaps)
	return gaps
}

// Recovery is how users of a dead region fared.
type Recovery struct {
	Affected int             // users whom the dead region served last
	Took     []time.Duration // of those who recovered, shortest first; 0 for who never saw a failure
	Never    int             // users whose last visit in the ledger failed
}

// Recovered follows every client whose last good visit before at was served
// by dead, and whose habit is one of habits (all, if none is given).
func Recovered(visits []ledger.Visit, at time.Time, dead string, habits ...ledger.Habit) Recovery {
	type user struct {
		region   string        // that served the last good visit before at
		took     time.Duration // until the first success after the last failure
		failing  bool
		affected bool
	}
	users := map[string]*user{}
	for _, v := range slices.SortedFunc(slices.Values(visits), func(a, b ledger.Visit) int { return a.Settled.Compare(b.Settled) }) {
		if len(habits) > 0 && !slices.Contains(habits, v.Habit) {
			continue
		}
		u := users[v.Client]
		if u == nil {
			u = &user{}
			users[v.Client] = u
		}
		switch {
		case v.Settled.Before(at) && v.OK:
			u.region = v.Region
		case v.Settled.Before(at):
		case !v.OK:
			u.failing = true
		case u.failing:
			u.failing, u.took = false, v.Settled.Sub(at)
		}
	}
	var r Recovery
	for _, u := range users {
		if u.region != dead {
			continue
		}
		r.Affected++
		if u.failing {
			r.Never++
			continue
		}
		r.Took = append(r.Took, u.took)
	}
	slices.Sort(r.Took)
	return r
}

// Share is the time after which the given share of the affected users (0.95)
// had recovered; negative if they never did.
func (r Recovery) Share(share float64) time.Duration {
	if r.Affected == 0 {
		return -1
	}
	rank := int(float64(r.Affected)*share + 0.999999) // nearest rank, rounded up
	if rank > len(r.Took) {
		return -1
	}
	return r.Took[max(rank, 1)-1]
}

// Lost lists the acknowledged orders that are not in the database.
func Lost(orders []ledger.Order, present map[string]bool) []ledger.Order {
	var lost []ledger.Order
	for _, o := range orders {
		if o.Fate == ledger.Acknowledged && !present[o.ID] {
			lost = append(lost, o)
		}
	}
	return lost
}

// Indeterminate counts orders whose fate their senders do not know.
func Indeterminate(orders []ledger.Order) int {
	n := 0
	for _, o := range orders {
		if o.Fate == ledger.Indeterminate {
			n++
		}
	}
	return n
}
