package steer

import (
	"fmt"
	"time"

	"fairlead/regions"
)

// latch takes out regions that are down as a whole, and lets those back that a
// person has restored since.
//
// A latch is set when a region *becomes* down, not while it is: somebody may
// restore a region before it is well, and then it comes back by itself when it
// is.
func latch(previous *Plan, w *World, now time.Time) (map[regions.ID]Latch, []RegionView) {
	latched := map[regions.ID]Latch{}
	views := make([]RegionView, 0, len(w.Fleet.Regions))
	for _, r := range w.Fleet.Regions {
		v := w.Regions[r.ID]
		before, seen := previous.view(r.ID)
		known, out := previous.Latched[r.ID]
		since := before.LatchedSince
		switch {
		case out && w.restoredSince(r.ID, known),
			out && !v.Withdrawn.IsZero() && !since.Before(v.Withdrawn):
			out = false
		case !out && v.State == regions.Down && !(seen && before.Measured == regions.Down):
			out, known, since = true, Latch{w.Incarnation, w.Generation}, now
		}
		view := RegionView{Region: r.ID, Measured: v.State, Effective: v.State, Because: v.Because}
		if out {
			latched[r.ID] = known
			view.Latched, view.LatchedSince = true, since
			view.Effective = regions.Down
			view.Because = fmt.Sprintf("taken out as a whole until a person restores it; measured %s", v.Because)
		}
		if o, ok := ruling(w.Overrides, r.ID, ""); ok {
			view.Effective, view.Because = o.Effective(v.State)
			view.Because += "; measured " + v.Because
		}
		if o, ok := w.BreakGlass.Rule(r.ID, ""); ok {
			view.Effective, view.Because = o.State(), w.BreakGlass.Because(o)+"; measured "+v.Because
		}
		views = append(views, view)
	}
	if len(latched) == 0 {
		latched = nil
	}
	return latched, views
}

// restoredSince reports whether a person has restored a region by a decision
// that comes after the latch. Generations count anew in each incarnation.
func (w *World) restoredSince(r regions.ID, known Latch) bool {
	restored, ok := w.Restored[r]
	if w.Incarnation != known.Incarnation {
		return ok && w.Incarnation > known.Incarnation
	}
	return restored > known.Generation
}

func (p *Plan) view(id regions.ID) (RegionView, bool) {
	for _, v := range p.Regions {
		if v.Region == id {
			return v, true
		}
	}
	return RegionView{}, false
}

// ruling returns the override that rules a service in a region; with no
// service, the one that rules the whole region. One that names the service
// beats one that does not, then the latest beats those before; a drain or
// force down beats a force up of the same moment.
func ruling(overrides []regions.Override, region regions.ID, service regions.ServiceID) (regions.Override, bool) {
	var best regions.Override
	found := false
	for _, o := range overrides {
		if !o.Rules(region, service) {
			continue
		}
		if !found || beats(o, best) {
			best, found = o, true
		}
	}
	return best, found
}

func beats(a, b regions.Override) bool {
	if named, other := a.Scope().Service != "", b.Scope().Service != ""; named != other {
		return named
	}
	if !a.From().Equal(b.From()) {
		return a.From().After(b.From())
	}
	if a.State() != b.State() {
		return a.State() == regions.Down
	}
	return a.ID() > b.ID()
}
