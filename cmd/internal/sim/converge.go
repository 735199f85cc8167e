package sim

import (
	"fmt"
	"maps"
	"slices"

	"fairlead/dns"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// wrong says what is not as it should be once all faults are over and people
// have tidied up; "" if nothing is.
func (w *watch) wrong() string {
	s := w.sim
	d := s.store.decided
	world := steer.World{Incarnation: d.Incarnation, Generation: d.Generation, Fleet: d.Fleet, Verdicts: map[regions.TargetID]regions.Verdict{}, Writers: map[regions.DatabaseID]regions.Epoch{}}
	for _, t := range d.Fleet.Targets() {
		world.Verdicts[t.ID] = regions.Verdict{Target: t.ID, Region: t.Region, Measured: regions.Up, Effective: regions.Up, Because: "up"}
	}
	for db, e := range d.Writers {
		world.Writers[db] = e.Epoch
	}
	want, err := dns.Compile(s.zones, steer.Decide(steer.Plan{}, world, began))
	if err != nil {
		return err.Error()
	}
	if len(d.Overrides) > 0 || d.Freeze != nil {
		return "something is still overridden or frozen"
	}
	for _, n := range s.nodes {
		switch {
		case !n.up || n.snapshot == nil:
			return fmt.Sprintf("%s does not answer", n.id)
		case n.snapshot.Hash() != want.Hash():
			return fmt.Sprintf("%s answers otherwise than it should (latched: %v)", n.id, slices.Sorted(maps.Keys(n.plan.Latched)))
		case n.plan.Generation != d.Generation:
			return fmt.Sprintf("%s is at generation %d, the store at %d", n.id, n.plan.Generation, d.Generation)
		}
	}
	return w.wrongDatabase()
}

func (w *watch) wrongDatabase() string {
	s := w.sim
	if s.pair == nil {
		return ""
	}
	for _, j := range s.store.runs {
		if !j.over {
			x, err := s.cores.Fold(j.id, j.events)
			if err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%s is %s: %s", j.id, x.State(), x.Sentence())
		}
	}
	e := s.store.decided.Writers[orders].Epoch
	writer := s.pair.members[e.Writer]
	switch other := writer.other(); {
	case !writer.writes():
		return fmt.Sprintf("the epoch is %s, and %s does not write", e, writer.name)
	case !other.running || other.primary:
		return fmt.Sprintf("%s is no standby (running %v)", other.name, other.running)
	}
	return ""
}
