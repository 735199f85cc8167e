package steer

import (
	"fmt"
	"maps"
	"slices"

	"fairlead/regions"
)

// rank orders endpoints by how gladly users are sent to them.
type rank uint8

const (
	serving rank = iota // in
	reserve             // healthy but kept out; better than anything that is dead
	out                 // only in a panic
	banned              // forced down by a person: not even then, if there is any other
)

// standing applies the rules to each endpoint of a service that follows no
// writer: override, latch and freeze, health.
func (d *decider) standing(s *regions.Service, inputs []input, before *Steered) ([]Standing, []rank) {
	all, ranks := make([]Standing, len(s.Endpoints)), make([]rank, len(s.Endpoints))
	// Where something is known to serve, an endpoint that was never checked
	// can wait. A name of which nothing is known is answered by policy alone:
	// missing reports are not bad reports.
	judged := slices.ContainsFunc(inputs, func(in input) bool { return in.measured.Serves() })
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		all[i] = Standing{Endpoint: e.ID, Region: e.Region, Measured: inputs[i].measured, Effective: inputs[i].effective}
		ranks[i] = d.place(&all[i], s, inputs[i], before, judged)
		all[i].In = ranks[i] == serving
	}
	return all, ranks
}

// place gives one endpoint its rank and says why.
func (d *decider) place(st *Standing, s *regions.Service, in input, before *Steered, judged bool) rank {
	healthy := in.effective != regions.Down
	if o, ok := d.world.BreakGlass.Rule(st.Region, s.ID); ok {
		st.Decided, st.Effective, st.Because = ByBreakGlass, o.State(), d.world.BreakGlass.Because(o)
		return glassRank(o)
	}
	if o, ok := ruling(d.world.Overrides, st.Region, s.ID); ok {
		st.Decided = ByOverride
		st.Effective, st.Because = o.Effective(in.effective)
		switch {
		case st.Effective.Serves():
			return serving
		case o.Phase() == regions.Held && healthy:
			return reserve
		case o.IsDrain():
			return out
		}
		return banned
	}
	st.Decided, st.Because = ByHealth, in.because
	if st.Because == "" {
		st.Because = "unknown: not checked yet"
	}
	_, latched := d.plan.Latched[st.Region]
	switch {
	case !healthy:
		return out
	case latched:
		st.Because = fmt.Sprintf("region %s is out as a whole until a person restores it; measured %s", st.Region, st.Because)
		st.Effective = regions.Down
		return reserve
	}
	was, waited := before.standing(st.Endpoint), d.previous.Waiting[st.Endpoint]
	wasOut := was != nil && !was.In || was == nil && waited
	switch {
	case d.world.Freeze != nil && wasOut && !d.letBack(st.Region, was):
		st.Decided = ByFreeze
		st.Because = fmt.Sprintf("frozen by %s: %s; nothing returns by itself meanwhile; measured %s", d.world.Freeze.By, d.world.Freeze.Why, st.Because)
		st.Effective = regions.Down
		return reserve
	case in.effective == regions.Unknown && judged && (wasOut || was == nil && before != nil):
		st.Because += "; it waits for its first verdict"
		return reserve
	}
	return serving
}

// letBack reports whether it was a person who ended what kept an endpoint
// out; a freeze does not undo that.
func (d *decider) letBack(region regions.ID, was *Standing) bool {
	_, latched := d.previous.Latched[region]
	return latched || was != nil && (was.Decided == ByOverride || was.Decided == ByBreakGlass)
}

// waiting gathers the endpoints that only what was before keeps out, so that a
// node that starts again, and who explains the past, can decide as it was
// decided.
func (d *decider) waiting() map[regions.TargetID]bool {
	waiting := map[regions.TargetID]bool{}
	at := 0
	for k := range d.plan.Names {
		for i := range d.plan.Names[k].Standing {
			st := &d.plan.Names[k].Standing[i]
			if d.memo.ranks[at] == reserve && (st.Decided == ByFreeze || st.Decided == ByHealth && st.Effective == regions.Unknown) {
				waiting[st.Endpoint] = true
			}
			at++
		}
	}
	switch {
	case len(waiting) == 0:
		return nil
	case maps.Equal(waiting, d.previous.Waiting):
		return d.previous.Waiting
	}
	return waiting
}

func (s *Steered) standing(id regions.TargetID) *Standing {
	if s == nil {
		return nil
	}
	for i := range s.Standing {
		if s.Standing[i].Endpoint == id {
			return &s.Standing[i]
		}
	}
	return nil
}
