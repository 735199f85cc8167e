package sim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fairlead/dns"
	"fairlead/regions"
	"fairlead/regions/feed"
	"fairlead/regions/health"
	"fairlead/regions/judge"
	"fairlead/regions/steer"
)

// node is one `fairlead serve` with every role: it probes, tells the others,
// judges, plans and answers; and it may lead.
type node struct {
	host
	id       regions.NodeID
	expected []regions.NodeID
	lies     int // by how many faults: it reports the opposite of what it sees
	mute     int // it says nothing
	disk     disk

	// What follows is memory, and gone after a crash.
	fleet     *regions.Fleet // that what is checked is of
	targets   []regions.Target
	checks    map[regions.TargetID]*check
	sequence  uint64
	inbox     *feed.Inbox
	judgement health.Judgement
	decided   *regions.Decided
	viewed    *regions.Decided // what was judged last
	epochs    map[regions.DatabaseID]regions.SignedEpoch
	world     steer.World
	plan      steer.Plan
	snapshot  *dns.Snapshot
	poked     bool
	engine    *engine
}

// check is one target from here: what is believed of it, and what was seen.
type check struct {
	detector Detector
	tally    tally
}

// disk is what a crash leaves.
type disk struct {
	stalled int // by how many faults: nothing is written meanwhile
	decided *regions.Decided
	memory  belief
}

// belief is what is remembered of a judgement and its plan. It becomes text
// when it is read again.
type belief struct {
	judgement health.Judgement
	plan      steer.Plan
}

func newNode(s *simulation, i int, region regions.ID) *node {
	n := &node{id: regions.NodeID(fmt.Sprintf("n%d-%s", i+1, region))}
	n.host = host{sim: s, name: string(n.id), region: region, offset: s.between(-10*time.Minute, 10*time.Minute)}
	return n
}

// start boots the node from its disk.
func (n *node) start() {
	n.up = true
	n.boot++
	n.fleet, n.targets, n.checks, n.viewed = nil, nil, nil, nil
	n.sequence, n.inbox, n.poked, n.snapshot = 0, feed.NewInbox(nil), false, nil
	n.epochs = map[regions.DatabaseID]regions.SignedEpoch{}
	n.decided = n.disk.decided
	n.judgement, n.plan = remembered(n.disk.memory.text())
	n.world = steer.World{}
	n.equip()
	n.sim.watch.booted(n)
	n.after(n.sim.between(0, checkEvery), n.tick)
	n.engine = newEngine(n)
}

// text is what lies on the disk, as the daemon writes it.
func (b belief) text() []byte {
	m := judge.Memory{Regions: b.judgement.Regions, Health: b.judgement.Memory, Latched: b.plan.Latched, Waiting: b.plan.Waiting, Views: b.plan.Regions, Writers: b.plan.Writers,
		Verdicts: make(map[regions.TargetID]judge.Remembered, len(b.judgement.Verdicts))}
	for id, v := range b.judgement.Verdicts {
		m.Verdicts[id] = judge.Remembered{Region: v.Region, Measured: v.Measured, Effective: v.Effective, Because: v.Because, Since: v.Since}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // the daemon could not write it either
	}
	return text
}

// equip points the checks at the fleet that is decided.
func (n *node) equip() {
	if n.decided == nil || n.decided.Fleet == n.fleet {
		return
	}
	n.fleet, n.targets = n.decided.Fleet, n.decided.Fleet.Targets()
	before := n.checks
	n.checks = make(map[regions.TargetID]*check, len(n.targets))
	for _, t := range n.targets {
		c := before[t.ID]
		if c == nil {
			c = &check{detector: n.sim.cores.Detector(t.Check.Rise, t.Check.Fall)}
		}
		n.checks[t.ID] = c
	}
}

// remembered is what the last run believed, as a judge begins with it.
func remembered(text []byte) (health.Judgement, steer.Plan) {
	var m judge.Memory
	if err := json.Unmarshal(text, &m); err != nil {
		panic(err) // it was written a moment ago
	}
	j := health.Judgement{Regions: m.Regions, Memory: m.Health, Verdicts: make(map[regions.TargetID]regions.Verdict, len(m.Verdicts))}
	for id, r := range m.Verdicts {
		j.Verdicts[id] = regions.Verdict{Target: id, Region: r.Region, Measured: r.Measured, Effective: r.Effective, Because: r.Because, Since: r.Since}
	}
	return j, steer.Plan{Latched: m.Latched, Waiting: m.Waiting, Regions: m.Views, Writers: m.Writers}
}

// remember writes what is believed now, unless the disk stalls: then a crash
// brings back what was before.
func (n *node) remember() {
	if n.disk.stalled == 0 {
		n.disk.memory = belief{n.judgement, n.plan}
	}
}

// crash ends the process in the middle of whatever it did.
func (n *node) crash() {
	if !n.up {
		return
	}
	n.keep()
	n.die()
	n.engine = nil
	n.sim.figures.Crashes++
}

// keep puts on the disk what was on its way there. A crash may come before it.
func (n *node) keep() {
	if n.disk.stalled > 0 || n.sim.chance(30) {
		return
	}
	n.disk.decided = n.decided
	n.remember()
}

// tick checks everything once, tells the others and judges.
func (n *node) tick() {
	n.after(checkEvery, n.tick)
	now := n.clock()
	for i := range n.targets {
		n.probe(&n.targets[i], now)
	}
	n.publish(now)
	n.judge()
	n.sim.store.push(n) // its watch is begun anew whenever it was lost
	// What changes seldom is written at once, so a crash rarely comes between;
	// here a tick is when it is on the disk for certain.
	if n.disk.stalled == 0 {
		n.disk.decided = n.decided
	}
}

func (n *node) probe(t *regions.Target, now time.Time) {
	up, why := n.sim.truth.seen(n.sim, n.region, t)
	if n.lies > 0 {
		up, why = !up, "a lie"
	}
	o := health.Observation{At: now, State: regions.Up, Latency: 10 * time.Millisecond}
	if !up {
		o = health.Observation{At: now, State: regions.Down, Reason: why}
	}
	c := n.checks[t.ID]
	r := c.detector.Observe(o)
	c.tally.add(up)
	n.sim.watch.detected(n, t, &c.tally, r)
}

// reports is the node's own table.
func (n *node) reports() map[uint64]health.Report {
	m := make(map[uint64]health.Report, len(n.checks))
	for id, c := range n.checks {
		m[id.Hash()] = c.detector.Report()
	}
	return m
}

// publish sends the node's table to the others. Only ages travel.
func (n *node) publish(now time.Time) {
	if n.mute > 0 {
		return
	}
	n.sequence++
	own := n.reports()
	t := feed.Table{Node: n.id, Region: n.region, Boot: uint64(n.boot), Sequence: n.sequence, Interval: checkEvery, Epochs: n.known()}
	if n.snapshot != nil {
		t.Incarnation, t.Generation = n.snapshot.Generation()
	}
	if n.lies > 0 && len(t.Epochs) > 0 {
		forged := t.Epochs[0]
		forged.Epoch.Number, forged.Epoch.Writer, forged.Signature = forged.Epoch.Number+5, "ap", []byte("forged")
		t.Epochs = []regions.SignedEpoch{forged}
	}
	for _, peer := range n.sim.nodes {
		if peer == n {
			continue
		}
		n.sim.net.send(n.region, peer.region, func() {
			peer.now(peer.boot, func() {
				at := peer.clock()
				heard := t
				heard.Reports = make(map[uint64]health.Report, len(own))
				for hash, r := range own {
					r.Last, r.Since = at.Add(r.Last.Sub(now)), at.Add(r.Since.Sub(now))
					heard.Reports[hash] = r
				}
				peer.inbox.Take(heard, at)
			})
		})
	}
}

// known is every epoch that the node passes on.
func (n *node) known() []regions.SignedEpoch {
	var all []regions.SignedEpoch
	for _, db := range slices.Sorted(maps.Keys(n.epochs)) {
		all = append(all, n.epochs[db])
	}
	return all
}

// take is handed a decided state, perhaps an old one.
func (n *node) take(d *regions.Decided) {
	if !n.sim.cores.Newer(d, n.decided) {
		if d != n.decided {
			n.sim.figures.LateDecisions++
		}
		return
	}
	n.sim.watch.taken(n, d)
	n.decided = d
	n.equip()
	if n.disk.stalled == 0 && !n.sim.chance(20) {
		n.disk.decided = d
	}
	if !n.poked {
		n.poked = true
		n.after(20*time.Millisecond, func() { n.poked = false; n.judge() })
	}
}

// judge is a judge's step and what follows from it.
func (n *node) judge() {
	d := n.decided
	if d == nil {
		return
	}
	s, now := n.sim, n.clock()
	s.figures.Judgements++
	scene := health.Scene{Targets: n.targets, Tables: n.tables(now)}
	was, planned := n.judgement, n.plan
	n.judgement = s.cores.Judge(was, scene, now)
	known := n.epochs
	n.epochs = n.newest(d)
	n.world = steer.World{Incarnation: d.Incarnation, Generation: d.Generation, Fleet: d.Fleet, Verdicts: n.judgement.Verdicts, Regions: n.judgement.Regions,
		Alarms: n.judgement.Alarms, Writers: map[regions.DatabaseID]regions.Epoch{}, Overrides: d.Overrides, Restored: d.Restored, Freeze: d.Freeze}
	for db, e := range n.epochs {
		n.world.Writers[db] = e.Epoch
	}
	n.plan = s.cores.Decide(planned, n.world, now)
	// As in the daemon, only what says something new is answered and kept.
	fresh := n.snapshot == nil || n.viewed != d || !was.Same(&n.judgement) || !planned.Same(&n.plan) || !maps.EqualFunc(known, n.epochs, sameEpoch)
	n.viewed = d
	if fresh {
		n.tellChanges(&planned)
		n.answer()
		n.after(s.between(0, 50*time.Millisecond), n.remember)
	}
	s.watch.judged(n, &was, &scene, &planned, now, fresh)
}

func sameEpoch(a, b regions.SignedEpoch) bool { return a.Epoch == b.Epoch }

// answer makes the plan what is answered.
func (n *node) answer() {
	var err error
	before := n.snapshot
	if before == nil {
		n.snapshot, err = n.sim.cores.Compile(n.sim.zones, n.plan)
	} else {
		n.snapshot, err = n.sim.cores.With(before, n.plan)
	}
	if err != nil {
		n.snapshot = before
		n.sim.breaks("what is planned can be answered", "%s: %v", n.id, err)
	}
}

// tables gathers what every vantage point says, in the order of their names.
func (n *node) tables(now time.Time) []health.Table {
	all := append(n.inbox.Tables(), health.Table{Node: n.id, Region: n.region, Heard: now, Interval: checkEvery, Reports: n.reports()})
	for _, id := range n.expected {
		if !slices.ContainsFunc(all, func(t health.Table) bool { return t.Node == id }) {
			all = append(all, health.Table{Node: id})
		}
	}
	slices.SortFunc(all, func(a, b health.Table) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// newest merges the epochs of the decided state and of the feed into those
// known. What came by the feed is believed only with the store's signature.
func (n *node) newest(d *regions.Decided) map[regions.DatabaseID]regions.SignedEpoch {
	next := maps.Clone(n.epochs)
	for db, e := range d.Writers {
		if old, ok := next[db]; !ok || e.Epoch.Compare(old.Epoch) > 0 {
			next[db] = e
		}
	}
	for _, e := range n.inbox.Epochs() {
		if old, ok := next[e.Database]; (!ok || e.Epoch.Compare(old.Epoch) > 0) && verify(e) == nil {
			next[e.Database] = e
		}
	}
	return next
}

func sign(db regions.DatabaseID, e regions.Epoch) regions.SignedEpoch {
	return regions.SignedEpoch{Database: db, Epoch: e, Signature: []byte("the store")}
}

func verify(e regions.SignedEpoch) error {
	if string(e.Signature) != "the store" {
		return errors.New("nobody of this cluster signed it")
	}
	return nil
}

func (n *node) tellChanges(before *steer.Plan) {
	if !n.sim.told {
		return
	}
	for _, r := range n.plan.Regions {
		i := slices.IndexFunc(before.Regions, func(o steer.RegionView) bool { return o.Region == r.Region })
		if i < 0 || before.Regions[i].Effective != r.Effective || before.Regions[i].Latched != r.Latched {
			n.sim.tell(n.name, "region %s is %v (latched %v): %s", r.Region, r.Effective, r.Latched, r.Because)
		}
	}
	for _, name := range n.plan.Changed(before) {
		line := "is gone"
		if p, ok := n.plan.Name(name); ok {
			cell := p.Cells[len(p.Cells)-1]
			line = fmt.Sprintf("%v (%s: %s)", answersOf(p), cell.Decided, cell.Because)
		}
		n.sim.tell(n.name, "%s answers %s", name, line)
	}
}

func answersOf(p *steer.Steered) []regions.TargetID {
	var all []regions.TargetID
	for _, set := range p.Sets {
		for _, e := range set.Endpoints {
			all = append(all, e.ID)
		}
	}
	return all
}
