package feed

import (
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// Heard is the newest table of a node, and when it was heard: by this node, or
// by the relay that it came through.
type Heard struct {
	Table Table
	At    time.Time
	Via   regions.NodeID // the relay; empty if it came from the node itself
}

// maxRuns bounds how many earlier runs of a node are remembered.
const maxRuns = 64

// Inbox keeps the newest table of each node.
type Inbox struct {
	changed func()

	mu    sync.Mutex
	nodes map[regions.NodeID]*sender
}

type sender struct {
	heard Heard
	ended []uint64 // earlier runs, whose tables may still arrive
	rival rival
}

// rival is a run that counts as ended and goes on all the same.
type rival struct {
	boot, sequence uint64
	since          time.Time
}

// NewInbox makes an empty inbox. changed, which may be nil, is called after
// each table that is taken; it must not block.
func NewInbox(changed func()) *Inbox {
	if changed == nil {
		changed = func() {}
	}
	return &Inbox{changed: changed, nodes: map[regions.NodeID]*sender{}}
}

// Take takes a table in, unless one is known that is as new: of the same run
// with at least its sequence, or of a run that came after it. It reports
// whether it did.
func (in *Inbox) Take(t Table, at time.Time) bool { return in.TakeVia("", t, at) }

// TakeVia is Take for a table that came through a relay, which heard it at
// that moment.
func (in *Inbox) TakeVia(via regions.NodeID, t Table, at time.Time) bool {
	if !in.take(Heard{t, at, via}) {
		return false
	}
	in.changed()
	return true
}

// Knows reports whether a table would not be taken because the very run has
// already said as much or more: it need not even be read.
func (in *Inbox) Knows(n regions.NodeID, boot, sequence uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.nodes[n]
	return s != nil && s.heard.Table.Boot == boot && sequence <= s.heard.Table.Sequence
}

func (in *Inbox) take(h Heard) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.nodes[h.Table.Node]
	switch {
	case s == nil:
		in.nodes[h.Table.Node] = &sender{heard: h}
		return true
	case s.heard.Table.Boot == h.Table.Boot:
		if h.Table.Sequence <= s.heard.Table.Sequence {
			return false
		}
		if h.At.Before(s.heard.At) {
			h.At = s.heard.At // it is later, whatever a relay's stopwatch says
		}
	case slices.Contains(s.ended, h.Table.Boot):
		if !s.revives(h) {
			return false
		}
		s.ended = slices.DeleteFunc(s.ended, func(b uint64) bool { return b == h.Table.Boot })
		s.end()
	case h.Via != "" && !h.At.After(s.heard.At):
		// A relay kept it from before the run that is known. Nothing says that
		// this run is over, only that this table is of no use.
		return false
	default:
		s.end()
	}
	s.heard, s.rival = h, rival{}
	return true
}

// end notes that the present run is over.
func (s *sender) end() {
	s.ended = append(s.ended, s.heard.Table.Boot)
	s.ended = s.ended[max(0, len(s.ended)-maxRuns):]
}

// revives reports whether a run that counts as ended is the one that lives: it
// has gone on for as long as it takes to be silent, and the other was silent
// all that time. Two ways for a table make this needed: one that was held up
// on a slow way can look like the beginning of a run. Leftovers cannot do
// this: a run that is over has no tables to go on with.
func (s *sender) revives(h Heard) bool {
	r := &s.rival
	if r.boot != h.Table.Boot || s.heard.At.After(r.since) {
		*r = rival{h.Table.Boot, h.Table.Sequence, h.At}
		return false
	}
	if h.Table.Sequence <= r.sequence {
		return false
	}
	r.sequence = h.Table.Sequence
	return h.At.Sub(r.since) > max(health.MinSilence, 3*h.Table.Interval)
}

// Forget drops the nodes that keep does not hold: those that left the fleet
// are no longer missed.
func (in *Inbox) Forget(keep func(regions.NodeID) bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for id := range in.nodes {
		if !keep(id) {
			delete(in.nodes, id)
		}
	}
}

// Nodes returns what was last heard of each node, by name.
func (in *Inbox) Nodes() []Heard {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]Heard, 0, len(in.nodes))
	for _, s := range in.nodes {
		all = append(all, s.heard)
	}
	slices.SortFunc(all, func(a, b Heard) int { return strings.Compare(string(a.Table.Node), string(b.Table.Node)) })
	return all
}

// Tables returns what the judgement needs of them.
func (in *Inbox) Tables() []health.Table {
	nodes := in.Nodes()
	all := make([]health.Table, len(nodes))
	for i, h := range nodes {
		all[i] = health.Table{Node: h.Table.Node, Region: h.Table.Region, Heard: h.At, Interval: h.Table.Interval, Reports: h.Table.Reports}
	}
	return all
}

// Epochs returns every epoch that the newest tables carry; they are not
// verified.
func (in *Inbox) Epochs() []regions.SignedEpoch {
	var all []regions.SignedEpoch
	for _, h := range in.Nodes() {
		all = append(all, h.Table.Epochs...)
	}
	return all
}
