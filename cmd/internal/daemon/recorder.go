package daemon

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/cmd/internal/history"
	"fairlead/regions"
	"fairlead/regions/judge"
	"fairlead/regions/steer"
)

// recorder writes into the history what a view says that the one before did
// not: the inputs of every decision, never the decisions themselves.
type recorder struct {
	history *history.History
	last    *judge.View
}

// began notes that this process knows nothing yet.
func (r *recorder) began(node regions.NodeID, now time.Time) error {
	_, err := r.history.Append(history.Record{At: now, Kind: history.Started, Subject: "node " + string(node), Sentence: "this node started"})
	return err
}

// record writes the difference. It goes on after an error: what follows is
// worth having too.
func (r *recorder) record(v *judge.View) error {
	before := r.last
	if before == nil {
		before = &judge.View{}
	}
	r.last = v
	var errs []error
	add := func(rec history.Record) {
		rec.At = v.At
		_, err := r.history.Append(rec)
		errs = append(errs, err)
	}
	if v.Decided != before.Decided {
		r.decided(before.Decided, v.Decided, add)
	}
	for _, p := range v.Peers {
		was, known := peer(before.Peers, p.Node)
		if known && was.Silent == p.Silent || !known && !p.Silent {
			continue
		}
		word := "is heard again"
		if p.Silent {
			word = "is silent"
		}
		add(history.Record{Kind: history.Gap, Subject: "node " + string(p.Node), Sentence: fmt.Sprintf("node %s %s", p.Node, word),
			Gap: &history.FeedGap{Peer: p.Node, Silent: p.Silent}})
	}
	for _, id := range slices.Sorted(maps.Keys(v.Verdicts)) {
		was, is := before.Verdicts[id], v.Verdicts[id]
		if was.Target != "" && was.Measured == is.Measured && was.Effective == is.Effective && was.Because == is.Because {
			continue
		}
		add(history.Record{Kind: history.Verdict, Subject: "target " + string(id), From: was.Effective.String(), To: is.Effective.String(),
			Sentence: fmt.Sprintf("%s: %s", id, is.Because), Verdict: &is})
	}
	for _, id := range slices.Sorted(maps.Keys(v.Regions)) {
		was, is := before.Regions[id], v.Regions[id]
		if was == is {
			continue
		}
		add(history.Record{Kind: history.Region, Subject: "region " + string(id), From: was.State.String(), To: is.State.String(),
			Sentence: fmt.Sprintf("%s: %s", id, is.Because), Region: id, Measured: &is})
	}
	if was, is := before.World.BreakGlass, v.World.BreakGlass; was != is {
		add(history.Record{Kind: history.Glass, Subject: "break-glass", Sentence: brokenGlass(is), Glass: is})
	}
	if !maps.Equal(before.Plan.Latched, v.Plan.Latched) {
		add(history.Record{Kind: history.Latched, Subject: "latches", Sentence: latches(v.Plan.Latched), Latched: v.Plan.Latched})
	}
	if !maps.Equal(before.Plan.Waiting, v.Plan.Waiting) || !maps.Equal(before.Plan.Writers, v.Plan.Writers) {
		add(history.Record{Kind: history.Carried, Subject: "plan", Sentence: carried(&v.Plan), Waiting: v.Plan.Waiting, Writers: v.Plan.Writers})
	}
	return errors.Join(errs...)
}

func (r *recorder) decided(before, now *regions.Decided, add func(history.Record)) {
	add(history.Record{Kind: history.Decided, Subject: "decided state", Decided: &history.Generation{State: now},
		Sentence: fmt.Sprintf("generation %d of incarnation %d is in force here", now.Generation, now.Incarnation)})
	var old []regions.Override
	if before != nil {
		old = before.Overrides
	}
	for _, o := range now.Overrides {
		if i := slices.IndexFunc(old, func(p regions.Override) bool { return p.ID() == o.ID() }); i >= 0 && old[i].Phase() == o.Phase() {
			continue
		}
		_, because := o.Effective(regions.Unknown)
		add(history.Record{Kind: history.Override, Subject: "region " + o.Scope().String(), To: string(o.Phase()), Sentence: fmt.Sprintf("%s: %s", o.Scope(), because), Override: &o})
	}
	for _, o := range old {
		if !slices.ContainsFunc(now.Overrides, func(p regions.Override) bool { return p.ID() == o.ID() }) {
			gone := o.EndedNow("")
			add(history.Record{Kind: history.Override, Subject: "region " + o.Scope().String(), From: string(o.Phase()), To: string(regions.Ended),
				Sentence: fmt.Sprintf("%s: the order by %s has ended", o.Scope(), o.By()), Override: &gone})
		}
	}
}

func peer(all []judge.Peer, id regions.NodeID) (judge.Peer, bool) {
	for _, p := range all {
		if p.Node == id {
			return p, true
		}
	}
	return judge.Peer{}, false
}

func carried(p *steer.Plan) string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(p.Waiting)) {
		parts = append(parts, fmt.Sprintf("%s waits", id))
	}
	for _, db := range slices.Sorted(maps.Keys(p.Writers)) {
		e := p.Writers[db]
		if db == regions.ClusterItself {
			parts = append(parts, fmt.Sprintf("incarnation %d has begun", e.Incarnation))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s is written in %s (epoch %d.%d)", db, e.Writer, e.Incarnation, e.Number))
	}
	if len(parts) == 0 {
		return "nothing waits, and no writer is known"
	}
	return strings.Join(parts, "; ")
}

func brokenGlass(b *regions.BreakGlass) string {
	if b == nil {
		return "nothing is ordered past the store any more"
	}
	var said []string
	for _, o := range b.Orders {
		said = append(said, o.String())
	}
	return fmt.Sprintf("bundle %s, signed by %s, orders past the store: %s: %s", b.ID, strings.Join(b.By, " and "), strings.Join(said, ", "), b.Why)
}

func latches(latched map[regions.ID]steer.Latch) string {
	if len(latched) == 0 {
		return "no region is latched out"
	}
	text := "latched out until a person restores them:"
	for _, id := range slices.Sorted(maps.Keys(latched)) {
		text += " " + string(id)
	}
	return text
}
