package sim

import (
	"net/netip"
	"slices"
	"strings"

	"fairlead/cmd/internal/store"
	"fairlead/providers"
	"fairlead/regions"
	"fairlead/runbooks"
)

// watch holds a history to its promises. It sees everything, takes part in
// nothing, and judges by what was promised, not by how it is kept.
type watch struct {
	sim     *simulation
	liars   map[regions.NodeID]bool         // whoever has ever lied
	epochs  map[*node]regions.Epoch         // the newest that a node has seen since it booted
	alike   map[string]string               // what was believed and decided, and the answers' hash
	keys    map[string]*keyed               // what is known of each key
	fences  map[runbooks.ExecutionID]bool   // runs whose fence has been proved
	effects map[runbooks.ExecutionID]int    // acts of a run that took place
	region  map[netip.Addr]regions.TargetID // whose address it is
	buffer  []byte
}

// keyed is what has happened under a key.
type keyed struct {
	intended bool // it is in the journal
	again    bool // and was there before: somebody may have acted
	looked   bool // since it was last intended
}

func newWatch(s *simulation) *watch {
	w := &watch{sim: s, liars: map[regions.NodeID]bool{}, epochs: map[*node]regions.Epoch{},
		alike: map[string]string{}, keys: map[string]*keyed{}, fences: map[runbooks.ExecutionID]bool{}, effects: map[runbooks.ExecutionID]int{}, region: map[netip.Addr]regions.TargetID{}, buffer: make([]byte, 0, 512)}
	w.learn(s.fleet)
	return w
}

// learn notes whose an address is.
func (w *watch) learn(f *regions.Fleet) {
	for _, v := range f.Services {
		for _, e := range v.Endpoints {
			for _, a := range e.Addresses {
				w.region[a] = e.ID
			}
		}
	}
}

// maxEvents bounds a history: one that goes on for ever is broken, too.
const maxEvents = 200_000

// after is called after every event.
func (w *watch) after() {
	s := w.sim
	if s.figures.Events > maxEvents {
		s.breaks("a history ends", "%d events in %v", s.figures.Events, s.now)
	}
	if s.pair == nil {
		return
	}
	if a, b := s.pair.order[0], s.pair.order[1]; a.writes() && b.writes() {
		s.breaks("there is one writer", "%s and %s both take writes", a.name, b.name)
	}
}

// key returns what is known of a key. The parts of an act have keys of their
// own that begin with it.
func (w *watch) key(k string) *keyed {
	if w.keys[k] == nil {
		w.keys[k] = &keyed{}
	}
	return w.keys[k]
}

// journaled is called with each event that a journal has taken.
func (w *watch) journaled(j *journal, at runbooks.Position, ev runbooks.Event) {
	s := w.sim
	if int(at) != len(j.events)-1 {
		s.breaks("whoever writes into a journal has seen all before it", "%s wrote event %d of %s, and had seen %d", ev.Principal, len(j.events), j.id, at)
	}
	switch ev.Kind {
	case runbooks.Intended:
		k := w.key(ev.Key)
		k.again, k.looked, k.intended = k.intended, false, true
		if ev.Step == "promote" && !ev.Compensating && !w.fences[j.id] {
			s.breaks("no promotion without a proved fence before it", "%s intends to promote, and no fence of it has succeeded", j.id)
		}
	case runbooks.Finished:
		if ev.Step == "fence" {
			w.fences[j.id] = !ev.Compensating && ev.Outcome == runbooks.Succeeded
		}
	case runbooks.Ended:
		w.ended(j, ev)
	}
}

// ended holds a run to what its end says of the world.
func (w *watch) ended(j *journal, ev runbooks.Event) {
	s := w.sim
	switch ev.Result {
	case runbooks.OutcomeRefused:
		if n := w.effects[j.id]; n > 0 {
			s.breaks("a run that ends as refused has changed nothing", "%s ends so after %d acts", j.id, n)
		}
	case runbooks.OutcomeUndone:
		s.figures.Undone++
		from := s.pair.members[j.events[0].Start.From]
		if to := from.other(); from.fence != nil || to.primary {
			s.breaks("a run that ends as undone has put everything back", "%s ends so while %s is fenced (%v) and %s is a primary (%v)", j.id, from.name, from.fence != nil, to.name, to.primary)
		}
	case runbooks.OutcomeDone:
		if start := j.events[0].Start; start.Runbook.Name != "reprotect" {
			if to := s.pair.members[start.To]; !to.primary || to.fence != nil {
				s.breaks("a run that ends as done has made the writer", "%s ends so, and %s is a primary: %v", j.id, to.name, to.primary)
			}
		}
	}
}

// observed is called when somebody looks on behalf of a step.
func (w *watch) observed(r providers.Request) { w.key(r.Key).looked = true }

// acts is called when somebody is about to act on behalf of a step.
func (w *watch) acts(r providers.Request) {
	k := w.key(r.Key)
	switch {
	case !k.intended:
		w.sim.breaks("no act without a prior intent in the journal", "%s under %s", r.Action, r.Key)
	case k.again && !k.looked && r.Action != "repoint":
		w.sim.breaks("after an interruption a step looks before it acts", "%s under %s", r.Action, r.Key)
	}
}

// effect is called when an act takes place.
func (w *watch) effect(r providers.Request, m *member) {
	s := w.sim
	if !w.key(r.Key).intended {
		s.breaks("no act without a prior intent in the journal", "%s of %s under %s", r.Action, m.name, r.Key)
	}
	run, _, _ := strings.Cut(r.Key, "/")
	id := runbooks.ExecutionID(run)
	if s.store.journal(id).over {
		s.breaks("what comes late is refused by whoever executes it", "%s of %s under %s takes place after its run has ended", r.Action, m.name, r.Key)
	}
	w.effects[id]++
	if r.Action != "promote" {
		return
	}
	s.figures.Promotions++
	old := m.other()
	if old.fence == nil || old.running {
		s.breaks("no promotion without a proved fence before it", "%s is promoted while %s is not fenced (running %v)", m.name, old.name, old.running)
	}
	if r.Params["planned"] == "true" && m.lsn < old.lsn {
		s.breaks("a switchover loses nothing", "%s is promoted at %d, and %s had written up to %d", m.name, m.lsn, old.name, old.lsn)
	}
}

// out returns the regions that do not serve, as some node sees it.
func (w *watch) out() []regions.ID {
	for _, n := range w.sim.nodes {
		if !n.up || n.decided == nil {
			continue
		}
		var out []regions.ID
		for _, v := range n.plan.Regions {
			if v.Latched || v.Measured == regions.Down {
				out = append(out, v.Region)
			}
		}
		return out
	}
	return nil
}

// overridden is called when an override was put in force.
func (w *watch) overridden(o regions.Override, safety store.Safety) {
	s := w.sim
	if o.State() != regions.Down || !strings.HasPrefix(o.By(), runbooks.EnginePrefix) {
		return
	}
	out := slices.Clone(safety.Out)
	for _, other := range s.store.decided.Overrides {
		services := other.Scope().Service == "" || o.Scope().Service == "" || other.Scope().Service == o.Scope().Service
		if other.State() == regions.Down && other.ID() != o.ID() && services {
			out = append(out, other.Scope().Region)
		}
	}
	if i := slices.IndexFunc(out, func(r regions.ID) bool { return r != o.Scope().Region }); i >= 0 {
		s.breaks("nothing automatic drains a second region while one is out", "%s drains %s while %s is out", o.By(), o.Scope(), out[i])
	}
}
