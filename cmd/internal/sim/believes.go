package sim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fairlead/dns"
	"fairlead/regions"
	"fairlead/regions/health"
	"fairlead/regions/steer"
)

// tally is what a vantage point has really seen of a target, and what it must
// believe for that.
type tally struct {
	fails, oks int
	must       regions.State
}

func (t *tally) add(up bool) {
	if up {
		t.fails, t.oks = 0, t.oks+1
	} else {
		t.fails, t.oks = t.fails+1, 0
	}
}

// booted is called when a node begins with what its disk holds.
func (w *watch) booted(n *node) {
	w.epochs[n] = n.plan.Writers[orders]
	if n.decided != nil {
		w.heard(n, n.decided.Writers[orders].Epoch)
	}
}

func (w *watch) heard(n *node, e regions.Epoch) {
	if e.Compare(w.epochs[n]) > 0 {
		w.epochs[n] = e
	}
}

// detected holds a vantage point to its hysteresis.
func (w *watch) detected(n *node, t *regions.Target, seen *tally, r health.Report) {
	switch {
	case seen.fails >= t.Check.Fall:
		seen.must = regions.Down
	case seen.oks >= t.Check.Rise:
		seen.must = regions.Up
	}
	if r.State != seen.must {
		w.sim.breaks("a vantage point believes what it saw often enough in a row, no sooner and no later",
			"%s believes %s %v, after %d failures or %d successes in a row (fall %d, rise %d), want %v", n.id, t.ID, r.State, seen.fails, seen.oks, t.Check.Fall, t.Check.Rise, seen.must)
	}
}

// taken is called when a node takes a decided state.
func (w *watch) taken(n *node, d *regions.Decided) {
	if old := n.decided; old != nil && (d.Incarnation < old.Incarnation || d.Incarnation == old.Incarnation && d.Generation <= old.Generation) {
		w.sim.breaks("generations never go backwards", "%s takes generation %d and has %d", n.id, d.Generation, old.Generation)
	}
	w.heard(n, d.Writers[orders].Epoch)
}

// judged holds a node's step to what is promised of it.
func (w *watch) judged(n *node, was *health.Judgement, scene *health.Scene, planned *steer.Plan, now time.Time, fresh bool) {
	for i := range scene.Targets {
		w.vote(n, was, scene, &scene.Targets[i], now)
	}
	w.doubt(n, was, scene)
	w.plans(n, was, scene, planned, now)
	if fresh {
		w.answers(n)
		w.sameAsOthers(n)
	}
}

// vote counts what is said of a target by those who are heard.
func (w *watch) vote(n *node, was *health.Judgement, scene *health.Scene, t *regions.Target, now time.Time) {
	down, up, honestDown, honestUp, liars := 0, 0, 0, 0, 0
	for i := range scene.Tables {
		table := &scene.Tables[i]
		r := table.Reports[t.ID.Hash()]
		tooOld := max(2*time.Second, 3*table.Interval)
		if table.Heard.IsZero() || now.Sub(table.Heard) > tooOld || now.Sub(r.Last) > tooOld+3*t.Check.Interval+t.Check.Timeout {
			continue
		}
		lies := w.liars[table.Node]
		if lies {
			liars++
		}
		switch {
		case r.State == regions.Down:
			down++
			if !lies {
				honestDown++
			}
		case r.State.Serves():
			up++
			if !lies {
				honestUp++
			}
		}
	}
	need := int(t.Quorum)
	if need == 0 {
		need = (down+up)/2 + 1
	}
	before, is := was.Verdicts[t.ID].Measured, n.judgement.Verdicts[t.ID].Measured
	promise := ""
	switch {
	case is == regions.Down && before != regions.Down && down == 0:
		promise = "missing reports are not bad reports"
	case is == regions.Down && before != regions.Down && honestDown == 0 && honestUp > 0 && liars == 1:
		promise = "one lying vantage point takes nothing down"
	case is == regions.Down && before != regions.Down && down < need, is.Serves() && !before.Serves() && up < need:
		promise = "a verdict changes only when enough vantage points agree"
	case down >= need && is != regions.Down, up >= need && down < need && !is.Serves():
		promise = "what enough vantage points agree on is the verdict"
	}
	if promise != "" {
		w.sim.breaks(promise, "%s: %s goes from %v to %v; %d say down and %d up, %d of them must agree", n.id, t.ID, before, is, down, up, need)
	}
}

// doubt looks at regions that begin to fail at the very same moment: with
// three regions nobody outside of them can confirm that, so what was good
// stays good.
func (w *watch) doubt(n *node, was *health.Judgement, scene *health.Scene) {
	var fresh []regions.ID
	for _, r := range places {
		if failing(scene, &n.judgement, r) && !failing(scene, was, r) {
			fresh = append(fresh, r)
		}
	}
	if len(fresh) < 2 {
		return
	}
	for i := range scene.Targets {
		t := &scene.Targets[i]
		before, v := was.Verdicts[t.ID].Effective, n.judgement.Verdicts[t.ID]
		if slices.Contains(fresh, t.Region) && before.Serves() && v.Effective == regions.Down {
			w.sim.breaks("when two regions vanish at once and nobody else saw it, what was good stays good", "%s: %v vanish at once, and %s goes from %v to %v", n.id, fresh, t.ID, before, v.Effective)
		}
	}
}

// failing reports whether something in a region is down and nothing serves.
func failing(scene *health.Scene, j *health.Judgement, r regions.ID) bool {
	down := false
	for i := range scene.Targets {
		if t := &scene.Targets[i]; t.Region == r {
			v := j.Verdicts[t.ID]
			if v.Measured.Serves() {
				return false
			}
			down = down || v.Measured == regions.Down
		}
	}
	return down
}

// plans holds the plan against the one before it and against itself.
func (w *watch) plans(n *node, was *health.Judgement, scene *health.Scene, planned *steer.Plan, now time.Time) {
	s := w.sim
	if n.plan.Incarnation < planned.Incarnation || n.plan.Incarnation == planned.Incarnation && n.plan.Generation < planned.Generation {
		s.breaks("generations never go backwards", "%s plans generation %d after %d", n.id, n.plan.Generation, planned.Generation)
	}
	for _, e := range n.inbox.Epochs() {
		if verify(e) == nil {
			w.heard(n, e.Epoch)
		}
	}
	if e := n.plan.Writers[orders]; s.pair != nil && (e.Compare(w.epochs[n]) != 0 || !s.store.issued[e]) {
		s.breaks("a node goes by the newest epoch it has seen, and by none that was not decided", "%s plans with %s and has seen %s", n.id, e, w.epochs[n])
	}
	w.returns(n, planned)
	if s.figures.Judgements%8 == 0 {
		if whole, err := s.cores.Compile(s.zones, n.plan); err != nil || whole.Hash() != n.snapshot.Hash() {
			s.breaks("what is compiled step by step is what is compiled at once", "%s answers otherwise than its plan compiled anew (%v)", n.id, err)
		}
	}
	if s.figures.Judgements%4 != 0 {
		return
	}
	if again := s.cores.Judge(*was, *scene, now); !again.Same(&n.judgement) {
		s.breaks("equal inputs give equal verdicts", "%s judges the same twice, and differently", n.id)
	}
	if again := s.cores.Decide(*planned, n.world, now); !again.Same(&n.plan) {
		s.breaks("equal inputs give equal plans", "%s decides the same twice, and differently", n.id)
	}
	if again := s.cores.Decide(n.plan, n.world, now); !again.Same(&n.plan) {
		s.breaks("equal inputs give equal plans", "%s decides once more, and something moves", n.id)
	}
}

// returns looks at what comes back into answers.
func (w *watch) returns(n *node, planned *steer.Plan) {
	s := w.sim
	for _, r := range places {
		latch, was := planned.Latched[r]
		if _, is := n.plan.Latched[r]; was && !is && n.decided.Restored[r] <= latch.Generation && n.judgement.Regions[r].Withdrawn.IsZero() {
			s.breaks("a region that was out as a whole returns when a person says so", "%s lets %s back, which was taken out in generation %d and restored in %d", n.id, r, latch.Generation, n.decided.Restored[r])
		}
	}
	if n.plan.Freeze != nil && planned.Freeze != nil && n.plan.Generation == planned.Generation {
		for i := range n.plan.Names {
			p := &n.plan.Names[i]
			before, ok := planned.Name(p.Name)
			for k := range p.Standing {
				undone := !n.judgement.Regions[p.Standing[k].Region].Withdrawn.IsZero() // taken out in error, a moment ago
				if ok && p.Database == "" && p.Standing[k].In && !before.Standing[k].In && !undone {
					s.breaks("nothing returns by itself while it is frozen", "%s lets %s back", n.id, p.Standing[k].Endpoint)
				}
			}
		}
	}
	held := false
	for _, v := range n.judgement.Verdicts {
		held = held || v.Measured == regions.Down && v.Effective.Serves()
	}
	if held && !slices.ContainsFunc(n.plan.Alarms, func(a regions.Alarm) bool { return a.ID == "blind" }) {
		s.breaks("whoever doubts what it sees says so", "%s holds something up, and no alarm says that it may be blind", n.id)
	}
}

// answers asks a node for every name, as resolvers do.
func (w *watch) answers(n *node) {
	s := w.sim
	for i := range n.fleet.Services {
		v := &n.fleet.Services[i]
		p, planned := n.plan.Name(v.Name)
		if !planned {
			s.breaks("every service is planned", "%s has no plan for %s", n.id, v.Name)
			continue
		}
		for _, client := range clients {
			s.figures.Answers++
			rcode, got, err := s.question(v.Name).resolve(n.snapshot, client, w.buffer)
			if err != nil {
				s.breaks("every answer can be read", "%s, %s: %v", n.id, v.Name, err)
				continue
			}
			w.answer(n, v, p, client, rcode, got)
		}
	}
}

func (w *watch) answer(n *node, v *regions.Service, p *steer.Steered, client netip.Addr, rcode int, got []netip.Addr) {
	s := w.sim
	what := func() string {
		var ids []string
		for _, a := range got {
			ids = append(ids, string(w.region[a]))
		}
		return fmt.Sprintf("%s answers %s to %s with rcode %d and [%s]", n.id, v.Name, client, rcode, strings.Join(ids, " "))
	}
	var want []netip.Addr
	if c := p.Choose(netip.PrefixFrom(client, 32)); c.Set >= 0 {
		for _, e := range p.Sets[c.Set].Endpoints {
			want = append(want, e.Addresses...)
		}
	}
	if _, pinned := v.Pinned(); pinned {
		for _, a := range got {
			if e := endpoint(v, w.region[a]); e == nil || e.Region != w.epochs[n].Writer {
				s.breaks("a writer's name answers with the region of the newest epoch and no other", "%s; the epoch is %s", what(), w.epochs[n])
			}
		}
		if len(got) == 0 {
			s.breaks("an answer is never empty while anything is known good", "%s; the epoch is %s", what(), w.epochs[n])
		}
	} else {
		w.steered(n, v, got, what)
	}
	slices.SortFunc(got, netip.Addr.Compare)
	slices.SortFunc(want, netip.Addr.Compare)
	if rcode != 0 || !slices.Equal(got, want) {
		s.breaks("what is planned is what is answered", "%s; planned is %v", what(), want)
	}
}

// steered holds the answer of a name that follows health.
func (w *watch) steered(n *node, v *regions.Service, got []netip.Addr, what func() string) {
	good := false
	for i := range v.Endpoints {
		good = good || w.good(n, v, &v.Endpoints[i])
	}
	if len(got) == 0 && (good || v.Policy.Panic != regions.FailClosed) {
		w.sim.breaks("an answer is never empty while anything is known good", "%s; good is known: %v", what(), good)
	}
	if len(got) > 0 && v.Policy.Panic == regions.FailClosed && w.dead(n, v) {
		w.sim.breaks("a policy that fails closed answers with nothing that is dead", "%s", what())
	}
	if !good || n.world.Freeze != nil {
		return
	}
	for _, a := range got {
		if w.bad(n, v, endpoint(v, w.region[a])) {
			w.sim.breaks("nothing that is out is answered while anything is good", "%s", what())
		}
	}
}

// good and bad are two ends; between them is what nobody has judged yet, or a
// person has forced.
func (w *watch) good(n *node, v *regions.Service, e *regions.Endpoint) bool {
	_, latched := n.plan.Latched[e.Region]
	return n.judgement.Verdicts[e.ID].Effective.Serves() && !latched && !w.ruled(n, v, e)
}

func (w *watch) bad(n *node, v *regions.Service, e *regions.Endpoint) bool {
	if e == nil {
		return true
	}
	_, latched := n.plan.Latched[e.Region]
	if w.ruled(n, v, e) {
		return !slices.ContainsFunc(n.world.Overrides, func(o regions.Override) bool { return o.Rules(e.Region, v.ID) && o.State() == regions.Up })
	}
	return n.judgement.Verdicts[e.ID].Effective == regions.Down || latched
}

// dead reports whether everything of a service is, and nobody has forced it.
func (w *watch) dead(n *node, v *regions.Service) bool {
	for i := range v.Endpoints {
		if e := &v.Endpoints[i]; n.judgement.Verdicts[e.ID].Effective != regions.Down || w.ruled(n, v, e) {
			return false
		}
	}
	return true
}

func (w *watch) ruled(n *node, v *regions.Service, e *regions.Endpoint) bool {
	return slices.ContainsFunc(n.world.Overrides, func(o regions.Override) bool { return o.Rules(e.Region, v.ID) })
}

func endpoint(v *regions.Service, id regions.TargetID) *regions.Endpoint {
	for i := range v.Endpoints {
		if v.Endpoints[i].ID == id {
			return &v.Endpoints[i]
		}
	}
	return nil
}

// sameAsOthers compares the answers with those of any node that believed the
// same under the same decisions.
func (w *watch) sameAsOthers(n *node) {
	e := n.plan.Writers[orders]
	k := binary.BigEndian.AppendUint64(w.buffer[:0], n.plan.Generation)
	k = append(binary.BigEndian.AppendUint64(k, e.Number), e.Writer...)
	for _, r := range places {
		_, latched := n.plan.Latched[r]
		k = append(k, b(latched))
	}
	for i := range n.targets {
		id := n.targets[i].ID
		v := n.judgement.Verdicts[id]
		k = append(k, byte(v.Measured), byte(v.Effective), b(n.plan.Waiting[id]))
	}
	hash, known := w.alike[string(k)]
	if known && hash != n.snapshot.Hash() {
		w.sim.breaks("nodes that believe and know the same answer the same", "%s answers otherwise than a node that stood where it stands, in generation %d", n.id, n.plan.Generation)
	}
	if !known {
		w.alike[string(k)] = n.snapshot.Hash()
	}
}

func b(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

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
