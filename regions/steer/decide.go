package steer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
)

// Decide makes the plan that follows previous in the world w. It is pure:
// equal inputs give equal plans. What did not change is shared with previous,
// down to the slices, so that whoever compiles plans can tell cheaply
// ([Plan.Changed]).
//
// A world of an older generation than the plan's is never applied: previous
// is returned as it is. So it is when the world has no fleet.
func Decide(previous Plan, w World, now time.Time) Plan {
	if w.Fleet == nil || older(w, previous) {
		return previous
	}
	plan := Plan{Incarnation: w.Incarnation, Generation: w.Generation, Freeze: w.Freeze}
	plan.Writers = newestWriters(previous.Writers, w.Writers)
	plan.Latched, plan.Regions = latch(&previous, &w, now)
	d := decider{previous: &previous, world: &w, plan: &plan}
	d.decide()
	plan.Waiting = d.waiting()
	plan.Alarms = d.alarms(now)
	return plan
}

func older(w World, p Plan) bool {
	if w.Incarnation != p.Incarnation {
		return w.Incarnation < p.Incarnation
	}
	return w.Generation < p.Generation
}

// newestWriters keeps of each database the newest epoch ever seen: an old one
// never moves a name back.
func newestWriters(known, heard map[regions.DatabaseID]regions.Epoch) map[regions.DatabaseID]regions.Epoch {
	same := true
	for db, e := range heard {
		if old, ok := known[db]; !ok || e.Compare(old) > 0 {
			same = false
		}
	}
	if same {
		return known
	}
	newest := maps.Clone(known)
	if newest == nil {
		newest = map[regions.DatabaseID]regions.Epoch{}
	}
	for db, e := range heard {
		if old, ok := newest[db]; !ok || e.Compare(old) > 0 {
			newest[db] = e
		}
	}
	return newest
}

// memo is what a plan was made from, as far as it saves the next Decide work.
// A plan means the same without it.
type memo struct {
	fleet     *regions.Fleet
	overrides []regions.Override
	freeze    *regions.Freeze
	glass     *regions.BreakGlass
	ramps     map[regions.ID]int
	latched   map[regions.ID]Latch
	order     []int   // of the fleet's services, by name
	inputs    []input // of all their endpoints, in that order
	ranks     []rank  // likewise
}

// input is the part of a verdict that a decision depends on.
type input struct {
	measured, effective regions.State
	because             string
}

// decider makes one plan.
type decider struct {
	previous *Plan
	world    *World
	plan     *Plan
	memo     *memo
}

// decide steers every name.
func (d *decider) decide() {
	w, old := d.world, d.previous.memo
	d.memo = &memo{fleet: w.Fleet, overrides: w.Overrides, freeze: w.Freeze, glass: w.BreakGlass, ramps: w.Ramps, latched: d.plan.Latched}
	d.plan.memo = d.memo
	// Nothing but verdicts and epochs moved: then a name whose endpoints'
	// verdicts stand is the name it was, because deciding twice changes
	// nothing.
	calm := old != nil && old.fleet == w.Fleet && slices.Equal(old.overrides, w.Overrides) && sameFreeze(old.freeze, w.Freeze) &&
		sameGlass(old.glass, w.BreakGlass) && maps.Equal(old.ramps, w.Ramps) && maps.Equal(old.latched, d.plan.Latched)
	if calm {
		d.memo.order = old.order
	} else {
		d.memo.order = byName(w.Fleet.Services)
	}
	total := 0
	for _, i := range d.memo.order {
		total += len(w.Fleet.Services[i].Endpoints)
	}
	d.memo.inputs, d.memo.ranks = make([]input, 0, total), make([]rank, 0, total)

	var names []Steered // made when the first one differs
	for k, i := range d.memo.order {
		s := &w.Fleet.Services[i]
		at := len(d.memo.inputs)
		for j := range s.Endpoints {
			v := w.Verdicts[s.Endpoints[j].ID]
			d.memo.inputs = append(d.memo.inputs, input{v.Measured, v.Effective, v.Because})
		}
		inputs := d.memo.inputs[at:]
		var next Steered
		same := false
		if calm && slices.Equal(inputs, old.inputs[at:at+len(inputs)]) && d.sameWriter(s) {
			next, same = d.previous.Names[k], true
			d.memo.ranks = append(d.memo.ranks, old.ranks[at:at+len(inputs)]...)
		} else {
			before, _ := d.previous.Name(s.Name)
			var ranks []rank
			next, ranks = d.steer(s, inputs, before)
			d.memo.ranks = append(d.memo.ranks, ranks...)
			if before != nil && next.equal(before) {
				next = *before
				same = k < len(d.previous.Names) && &d.previous.Names[k] == before
			}
		}
		if same && names == nil {
			continue
		}
		if names == nil {
			names = make([]Steered, 0, len(d.memo.order))
			names = append(names, d.previous.Names[:k]...)
		}
		names = append(names, next)
	}
	switch {
	case names != nil:
		d.plan.Names = names
	default:
		d.plan.Names = d.previous.Names[:len(d.memo.order):len(d.memo.order)]
	}
}

func (d *decider) sameWriter(s *regions.Service) bool {
	db, pinned := s.Pinned()
	return !pinned || d.plan.Writers[db] == d.previous.Writers[db]
}

func sameFreeze(a, b *regions.Freeze) bool { return a == b || a != nil && b != nil && *a == *b }

// byName returns the services in the order of their names. Of two with the
// same name, which no valid fleet has, the first counts.
func byName(services []regions.Service) []int {
	order := make([]int, len(services))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(string(services[a].Name), string(services[b].Name))
	})
	return slices.CompactFunc(order, func(a, b int) bool { return services[a].Name == services[b].Name })
}

// steer decides one name; before is what the plan before says of it, if
// anything.
func (d *decider) steer(s *regions.Service, inputs []input, before *Steered) (Steered, []rank) {
	n := Steered{Name: s.Name, Service: s.ID, Mode: s.Mode, TTL: s.TTL}
	if db, pinned := s.Pinned(); pinned {
		return d.pin(n, s, db, inputs, before)
	}
	var ranks []rank
	n.Standing, ranks = d.standing(s, inputs, before)
	c := chooser{service: s, standing: n.Standing, ranks: ranks, ramps: d.world.Ramps, fleet: d.world.Fleet}
	n.Cells, n.Sets = c.cells()
	markAnswered(&n)
	return n, ranks
}

func markAnswered(n *Steered) {
	for _, set := range n.Sets {
		for _, e := range set.Endpoints {
			for i := range n.Standing {
				if n.Standing[i].Endpoint == e.ID {
					n.Standing[i].Answered = true
				}
			}
		}
	}
}
