package sim

import (
	"errors"
	"slices"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// cluster is the store as it promises to be: one order of all decisions, for
// whoever reaches a majority of its three places. What was decided may be
// known late, and that it was decided may never be learned.
type cluster struct {
	sim     *simulation
	decided *regions.Decided
	issued  map[regions.Epoch]bool // every epoch that was ever decided
	term    uint64                 // of the leadership; rises with each new one
	leader  *node
	expires time.Duration
	runs    []*journal
	deaf    int // by how many faults: decides, and does not say so
	// traps are told of each event that an engine writes.
	traps []func(engine *node, ev runbooks.Event)
}

// journal is a run's, and the one record that there is of it.
type journal struct {
	id       runbooks.ExecutionID
	events   []runbooks.Event
	database regions.DatabaseID
	over     bool
}

// ttl is how long a leadership outlasts its last renewal.
const ttl = 3 * time.Second

var (
	errDeposed = errors.New("the leadership is over")
	errHeld    = errors.New("somebody else leads")
)

func newCluster(s *simulation) *cluster {
	c := &cluster{sim: s, issued: map[regions.Epoch]bool{}}
	c.decided = &regions.Decided{Incarnation: 1, Generation: 1, Fleet: s.fleet, FleetHash: "fleet"}
	if len(s.fleet.Databases) > 0 {
		first := regions.Epoch{Incarnation: 1, Number: 1, Writer: s.fleet.Databases[0].Writer}
		c.issued[first] = true
		c.decided.Writers = map[regions.DatabaseID]regions.SignedEpoch{orders: sign(orders, first)}
	}
	return c
}

// reaches reports whether a node is heard by a majority of the store.
func (c *cluster) reaches(n *node) bool {
	heard := 0
	for _, o := range c.sim.nodes[:len(places)] {
		if o.up && o.frozen == 0 && (o == n || c.sim.net.open(n.region, o.region)) {
			heard++
		}
	}
	return n.up && 2*heard > len(places)
}

// call has the store do something for a node, and waits for its answer. What
// is not answered may have been done.
func (n *node) call(t *task, do func() error) error {
	s := n.sim
	var result error
	answered := false
	finish := func(err error) {
		if !answered {
			answered, result = true, err
			t.wake()
		}
	}
	if s.store.reaches(n) {
		late := s.between(5*time.Millisecond, 150*time.Millisecond)
		if s.now < s.calm && s.chance(4) {
			late += s.between(0, 4*time.Second)
		}
		s.after(late, func() {
			if !s.store.reaches(n) {
				return
			}
			err := do()
			if s.store.deaf > 0 && s.chance(50) {
				return
			}
			s.after(s.between(5*time.Millisecond, 150*time.Millisecond), func() { n.now(t.boot, func() { finish(err) }) })
		})
	}
	n.after(patience, func() { finish(errLost) })
	for !answered {
		t.park()
	}
	return result
}

// campaign makes a node the leader if nobody is.
func (c *cluster) campaign(n *node) (term uint64, err error) {
	if c.leader != nil && c.sim.now < c.expires {
		return 0, errHeld
	}
	c.term++
	c.leader, c.expires = n, c.sim.now+ttl
	for _, o := range c.sim.nodes {
		if o != n && o.up && o.engine != nil && o.engine.term > 0 {
			c.sim.figures.TwoLeaders++
		}
	}
	c.sim.tell("store", "%s leads, in term %d", n.id, c.term)
	return c.term, nil
}

// leads says whether a term is still the one that counts.
func (c *cluster) leads(term uint64) error {
	if term != c.term || c.sim.now >= c.expires {
		return errDeposed
	}
	return nil
}

// change makes the next generation of what is decided, and tells the nodes:
// some later than others, some not at all.
func (c *cluster) change(next regions.Decided) {
	next.Generation = c.decided.Generation + 1
	c.decided = &next
	for _, n := range c.sim.nodes {
		c.push(n)
	}
}

// push sends what is decided now to a node. It may be overtaken on its way.
func (c *cluster) push(n *node) {
	if !c.reaches(n) {
		return
	}
	d, late := c.decided, c.sim.between(5*time.Millisecond, 200*time.Millisecond)
	if c.sim.now < c.sim.calm && c.sim.chance(25) {
		late += c.sim.between(0, 4*time.Second)
	}
	n.after(late, func() { n.take(d) })
}

func (c *cluster) journal(id runbooks.ExecutionID) *journal {
	for _, j := range c.runs {
		if j.id == id {
			return j
		}
	}
	return nil
}

// begin starts a run, unless another one has its database in hand.
func (c *cluster) begin(id runbooks.ExecutionID, started runbooks.Event) error {
	for _, j := range c.runs {
		if !j.over && j.database == started.Start.Database {
			return fault.Conflictf("database "+string(j.database), "run %s holds it", j.id)
		}
	}
	j := &journal{id: id, database: started.Start.Database}
	c.runs = append(c.runs, j)
	c.sim.figures.Runs++
	return c.write(j, 0, started, 0)
}

// append writes the next event of a run. With a term it is an engine's, and
// refused once that term is over.
func (c *cluster) append(id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event, term uint64) error {
	if term > 0 {
		if err := c.leads(term); err != nil {
			return err
		}
	}
	return c.write(c.journal(id), at, ev, term)
}

func (c *cluster) write(j *journal, at runbooks.Position, ev runbooks.Event, term uint64) error {
	stands := runbooks.Position(len(j.events))
	if err := c.sim.cores.Append(stands, at); err != nil {
		return err
	}
	x, err := c.sim.cores.Fold(j.id, j.events)
	if err != nil {
		return err
	}
	if err := x.Apply(ev); err != nil {
		return err
	}
	j.events = append(slices.Clip(j.events), ev)
	if ev.Kind == runbooks.Ended {
		j.over = true
	}
	c.sim.tell(string(j.id), "%d %s %s %s %s %s", stands+1, ev.Kind, ev.Step, ev.Principal, ev.Outcome, ev.Detail)
	c.sim.watch.journaled(j, at, ev)
	if term > 0 {
		for _, t := range c.traps {
			t(c.leader, ev)
		}
	}
	for _, n := range c.sim.nodes {
		if c.reaches(n) {
			n.after(c.sim.between(5*time.Millisecond, 150*time.Millisecond), func() { n.engine.moved() })
		}
	}
	return nil
}

// advance makes the next epoch, if from is the newest.
func (c *cluster) advance(from, to regions.Epoch) (regions.Epoch, error) {
	current := c.decided.Writers[orders].Epoch
	switch {
	case current == to:
		return current, nil
	case current != from:
		return current, fault.Conflictf("database orders", "its epoch is %s, not %s", current, from)
	}
	next := *c.decided
	next.Writers = map[regions.DatabaseID]regions.SignedEpoch{orders: sign(orders, to)}
	c.issued[to] = true
	c.sim.tell("store", "orders is written in %s from epoch %s on", to.Writer, to)
	c.change(next)
	return to, nil
}

// put puts an override in force by the store's own rules.
func (c *cluster) put(o regions.Override, safety store.Safety) error {
	d, err := c.sim.cores.Admit(c.decided, o, safety)
	if err != nil {
		c.sim.tell("store", "refused to %s: %v", o.By(), err)
		return err
	}
	c.sim.watch.overridden(o, safety)
	if d != c.decided {
		c.sim.tell("store", "%s: %s %v (drain %v)", o.By(), o.Scope(), o.State(), o.IsDrain())
		c.change(*d)
	}
	return nil
}

// restore lets a region back.
func (c *cluster) restore(region regions.ID, by string) {
	d, err := store.ForeseeRestore(c.decided, regions.Scope{Region: region})
	if err != nil {
		return
	}
	c.sim.tell("store", "%s restores %s", by, region)
	c.change(*d)
}

// lapse ends what has run out, as the leader does.
func (c *cluster) lapse(at time.Time) {
	next := *c.decided
	next.Overrides = nil
	changed := false
	for _, o := range c.decided.Overrides {
		if o.Phase() == regions.Active && !at.Before(o.Until()) {
			o, changed = o.Lapsed(), true
			c.sim.tell("store", "the time of %s by %s has passed: %s", o.Scope(), o.By(), o.Phase())
		}
		if o.Phase() != regions.Ended {
			next.Overrides = append(next.Overrides, o)
		}
	}
	if f := c.decided.Freeze; f != nil && !at.Before(f.Until) {
		next.Freeze, changed = nil, true
		c.sim.tell("store", "the freeze by %s has run out", f.By)
	}
	if changed {
		c.change(next)
	}
}
