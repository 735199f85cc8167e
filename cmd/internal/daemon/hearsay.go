package daemon

import (
	"slices"
	"time"

	"fairlead/api"
	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/feed"
	"fairlead/regions/health"
)

// hears is what this node tells the others about whom it hears: one row for
// each peer that speaks, whether it does so now or not.
func (n *Node) hears() map[uint64]bool {
	if n.relayed() {
		return nil // it hears them through others, who say so themselves
	}
	heard, out := n.peersHeard(), map[uint64]bool{}
	for _, s := range n.senders() {
		h, known := heard[s.Node]
		out[feed.NodeHash(s.Node)] = known && !h.silent
	}
	return out
}

// standpoint answers "is it us?".
func (n *Node) standpoint(down []regions.ID, now time.Time) health.Standpoint {
	names := []regions.NodeID{n.settings.Name}
	for _, s := range n.senders() {
		names = append(names, s.Node)
	}
	last := map[regions.NodeID]feed.Heard{}
	for _, h := range n.inbox.Nodes() {
		last[h.Table.Node] = h
	}
	own := map[regions.NodeID]bool{}
	ears := []health.Ear{{Node: n.settings.Name, Hears: own}}
	for _, name := range names[1:] {
		h, known := last[name]
		t := health.Table{Heard: h.At, Interval: h.Table.Interval}
		ear := health.Ear{Node: name, Heard: h.At, Silent: !known || t.Silent(now), Hears: map[regions.NodeID]bool{}}
		for _, of := range names {
			if yes, told := h.Table.Hears[feed.NodeHash(of)]; told {
				ear.Hears[of] = yes
			}
		}
		own[name] = !ear.Silent
		ears = append(ears, ear)
	}
	return health.Stands(n.settings.Name, ears, down, n.began, now)
}

// downRegions are those measured down.
func downRegions(all map[regions.ID]regions.RegionVerdict) []regions.ID {
	var down []regions.ID
	for id, v := range all {
		if v.State == regions.Down {
			down = append(down, id)
		}
	}
	slices.Sort(down)
	return down
}

// placed writes into a picture where this node stands, and who hears whom.
func (n *Node) placed(v *api.View, p health.Standpoint) {
	out := openapi.Standpoint{Stand: openapi.StandpointStand(p.Stand.String()), Us: p.Stand == health.Us, Sentence: p.Sentence, Missing: texts(p.Missing)}
	if !p.Since.IsZero() {
		since := p.Since.UTC()
		out.Since = &since
	}
	v.Standpoint = &out
	for i := range v.Nodes {
		node := &v.Nodes[i]
		node.HeardBy, node.NotHeardBy = texts(p.HeardBy[regions.NodeID(node.Name)]), texts(p.NotHeardBy[regions.NodeID(node.Name)])
	}
}

func texts(ids []regions.NodeID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// standing is the alarm about where this node stands. That others are cut off
// is told node by node already.
func standing(p health.Standpoint) []regions.Alarm {
	switch p.Stand {
	case health.Us:
		return []regions.Alarm{{ID: "us", Severity: regions.Critical, Subject: "this node", Sentence: p.Sentence, Since: p.Since,
			Remedy: "ask a node of the larger part (fairlead --server URL status), and mend this node's network"}}
	case health.Split:
		return []regions.Alarm{{ID: "split", Severity: regions.Critical, Subject: "the cluster", Sentence: p.Sentence, Since: p.Since,
			Remedy: "mend the network between the parts; look at both before you decide anything: fairlead --server URL status"}}
	}
	return nil
}
