package feed

import (
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// Heard is the newest table of a node, and when it was heard.
type Heard struct {
	Table Table
	At    time.Time
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
func (in *Inbox) Take(t Table, at time.Time) bool {
	if !in.take(t, at) {
		return false
	}
	in.changed()
	return true
}

func (in *Inbox) take(t Table, at time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.nodes[t.Node]
	switch {
	case s == nil:
		in.nodes[t.Node] = &sender{heard: Heard{t, at}}
		return true
	case slices.Contains(s.ended, t.Boot):
		return false
	case s.heard.Table.Boot == t.Boot && t.Sequence <= s.heard.Table.Sequence:
		return false
	case s.heard.Table.Boot != t.Boot:
		s.ended = append(s.ended, s.heard.Table.Boot)
		s.ended = s.ended[max(0, len(s.ended)-maxRuns):]
	}
	s.heard = Heard{t, at}
	return true
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
