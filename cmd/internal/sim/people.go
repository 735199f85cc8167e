package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/runbooks"
)

// people are those who decide: before the last fault has ended they do what
// people do at such times, afterwards they tidy up.
type people struct {
	sim     *simulation
	retries map[runbooks.ExecutionID]int
	number  int
	nerves  int // how easily they abort what runs, in a hundred
	calm    int // looks in a row at which everything was as it should
}

func newPeople(s *simulation) *people {
	p := &people{sim: s, retries: map[runbooks.ExecutionID]int{}, nerves: oneOf(s, []int{3, 12, 35})}
	s.after(time.Second, p.look)
	return p
}

// reach reports whether anybody can decide anything: somewhere is a node with
// a majority behind it.
func (p *people) reach() bool { return slices.ContainsFunc(p.sim.nodes, p.sim.store.reaches) }

// look happens every second.
func (p *people) look() {
	s := p.sim
	s.after(time.Second, p.look)
	if !p.reach() {
		return
	}
	for _, j := range s.store.runs {
		if !j.over {
			p.operate(j)
		}
	}
	if s.now < s.calm {
		if open := slices.ContainsFunc(s.store.runs, func(j *journal) bool { return !j.over }); s.pair != nil && !open && len(s.store.runs) > 0 && s.chance(40) {
			p.move() // once more, at once
		}
		return
	}
	p.tidy()
	why := s.watch.wrong()
	if why != "" {
		p.calm = 0
		if s.now > s.calm+bound {
			s.breaks(fmt.Sprintf("everything is as it should be %v after the last fault has ended", bound), "%s", why)
		}
		return
	}
	if p.calm++; p.calm == 2 {
		s.figures.Converged = s.now - s.calm
		s.over = true
	}
}

// operate asks something of a run, as it was seen a moment ago.
func (p *people) operate(j *journal) {
	s := p.sim
	x, err := s.cores.Fold(j.id, j.events)
	if err != nil {
		s.breaks("every journal folds", "%s: %v", j.id, err)
		return
	}
	op := p.wish(x)
	if op == "" {
		return
	}
	ev, err := x.Propose(runbooks.Ask{Operation: op, By: oneOf(s, []string{"bert", "cora"}), Reason: "as I see it"}, began.Add(s.now))
	if err != nil {
		return
	}
	at := x.Position()
	s.after(s.between(0, 500*time.Millisecond), func() {
		if p.reach() {
			_ = s.store.append(j.id, at, ev, 0) // it may have moved on meanwhile
		}
	})
}

// wish is what somebody wants of a run as it stands, if anything.
func (p *people) wish(x Execution) runbooks.Operation {
	s, hasty := p.sim, p.sim.now < p.sim.calm
	may := func(op runbooks.Operation, percent int) bool {
		return slices.Contains(x.Allowed(), op) && s.chance(percent)
	}
	switch x.State() {
	case runbooks.RunAwaiting:
		switch {
		case hasty && may(runbooks.OpDecline, 3):
			return runbooks.OpDecline
		case may(runbooks.OpApprove, 70):
			return runbooks.OpApprove
		}
	case runbooks.RunPaused:
		switch {
		case hasty && may(runbooks.OpAbort, 10):
			return runbooks.OpAbort
		case may(runbooks.OpResume, 50):
			return runbooks.OpResume
		}
	case runbooks.RunBlocked:
		p.retries[x.ID()]++
		switch tries := p.retries[x.ID()]; {
		case hasty && may(runbooks.OpAbort, 15), tries > 6 && may(runbooks.OpAbort, 100):
			return runbooks.OpAbort
		case tries > 5 && may(runbooks.OpSkip, 50):
			return runbooks.OpSkip
		case may(runbooks.OpRetry, 60):
			return runbooks.OpRetry
		}
	case runbooks.RunRunning:
		switch {
		case hasty && may(runbooks.OpAbort, p.nerves):
			return runbooks.OpAbort
		case hasty && may(runbooks.OpPause, 4):
			return runbooks.OpPause
		}
	}
	return ""
}

// tidy puts back what was taken out, and finishes what was left half done.
func (p *people) tidy() {
	s := p.sim
	out := map[regions.ID]bool{}
	for _, o := range s.store.decided.Overrides {
		if o.State() == regions.Down && o.Scope().Service == "" {
			out[o.Scope().Region] = true
			continue
		}
		if d, err := store.ForeseeEnd(s.store.decided, o.ID()); err == nil {
			s.store.change(*d)
		}
	}
	for _, n := range s.nodes {
		for r := range n.plan.Latched {
			out[r] = true
		}
	}
	for _, r := range slices.Sorted(maps.Keys(out)) {
		s.store.restore(r, "anna")
	}
	if s.store.decided.Freeze != nil {
		next := *s.store.decided
		next.Freeze = nil
		s.store.change(next)
	}
	if s.pair != nil && !slices.ContainsFunc(s.store.runs, func(j *journal) bool { return !j.over }) {
		p.repair()
	}
}

// repair starts the run that a database as it stands calls for.
func (p *people) repair() {
	s := p.sim
	epoch := s.store.decided.Writers[orders].Epoch
	rightful := s.pair.members[epoch.Writer]
	other := rightful.other()
	switch {
	case rightful.writes():
		if !other.running || other.primary {
			p.start("reprotect", map[string]string{"database": string(orders), "region": string(other.region)})
		}
	case other.writes():
		p.start("follow", map[string]string{"database": string(orders), "to": string(other.region)})
	case rightful.fence != nil:
		p.start("failover", map[string]string{"database": string(orders), "to": string(other.region), "approval": "false"})
	}
}

// start plans a runbook and starts a run of it.
func (p *people) start(name string, params map[string]string) {
	s := p.sim
	start, err := s.plan(library()[name], params)
	if err != nil {
		return
	}
	p.number++
	id := runbooks.ExecutionID("run-" + strconv.Itoa(p.number))
	err = s.store.begin(id, runbooks.Event{Kind: runbooks.Started, At: began.Add(s.now), Principal: "anna", Reason: "as asked", Start: &start})
	s.tell("anna", "starts %s as %s %v: %v", name, id, params["to"], said(err))
}

// move starts a switchover or failover, whichever somebody thinks of.
func (p *people) move() {
	s := p.sim
	if !p.reach() {
		return
	}
	from := s.store.decided.Writers[orders].Epoch.Writer
	p.start(oneOf(s, []string{"switchover", "switchover", "failover"}), map[string]string{"database": string(orders),
		"to": string(s.pair.members[from].other().region), "approval": oneOf(s, []string{"true", "false", "false"})})
}

// override takes a region out, or forces it; now and then it is a machine that
// wants to.
func (p *people) override() {
	s := p.sim
	if !p.reach() {
		return
	}
	p.number++
	id, by := fmt.Sprintf("o%d", p.number), oneOf(s, []string{"anna", "bert", runbooks.EnginePrefix + "auto"})
	at := began.Add(s.now)
	scope, until := regions.Scope{Region: oneOf(s, places)}, at.Add(s.between(2*time.Second, 20*time.Second))
	if s.chance(25) {
		scope.Service = oneOf(s, s.store.decided.Fleet.Services).ID
	}
	o, err := regions.NewDrain(id, scope, by, "test", at, until)
	if s.chance(30) {
		o, err = regions.NewForce(id, scope, oneOf(s, []regions.State{regions.Up, regions.Down}), by, "test", at, until)
	}
	if err != nil {
		panic(err)
	}
	_ = s.store.put(o, store.Safety{Out: s.watch.out(), Force: s.chance(20)})
}

// freeze stops what comes back by itself.
func (p *people) freeze() {
	s := p.sim
	if p.reach() {
		next, at := *s.store.decided, began.Add(s.now)
		next.Freeze = &regions.Freeze{By: "anna", Why: "test", From: at, Until: at.Add(s.between(3*time.Second, 15*time.Second))}
		s.tell("anna", "freezes")
		s.store.change(next)
	}
}

// reconfigure puts another fleet in force.
func (p *people) reconfigure() {
	s := p.sim
	if !p.reach() {
		return
	}
	p.number++
	f := *s.store.decided.Fleet
	f.Services = slices.Clone(f.Services)
	i := s.below(len(f.Services))
	v := &f.Services[i]
	v.Endpoints = slices.Clone(v.Endpoints)
	what := ""
	switch s.below(5) {
	case 0:
		e := oneOf(s, v.Endpoints)
		k := slices.Index(places, e.Region)
		added := newEndpoint(v.ID, int(e.Addresses[0].As4()[1]), k, 3)
		if endpoint(v, added.ID) != nil {
			return
		}
		v.Endpoints, what = append(v.Endpoints, added), fmt.Sprintf("%s is new", added.ID)
	case 1:
		k := s.below(len(v.Endpoints))
		gone := v.Endpoints[k]
		v.Endpoints, what = slices.Delete(v.Endpoints, k, k+1), fmt.Sprintf("%s is gone", gone.ID)
	case 2:
		added := s.drawService(20+p.number, oneOf(s, []regions.PolicyKind{regions.Failover, regions.Weighted, regions.All}))
		f.Services, what = append(f.Services, added), fmt.Sprintf("service %s is new", added.ID)
	case 3:
		what = fmt.Sprintf("service %s is gone", v.ID)
		f.Services = slices.Delete(f.Services, i, i+1)
	default:
		v.TTL, v.Policy.Panic, what = v.TTL+time.Second, regions.AnswerAll, fmt.Sprintf("service %s has another TTL", v.ID)
	}
	if len(f.Validate()) > 0 || len(f.Services) == 0 || s.pair != nil && !s.written(&f) {
		return // nobody may put that in force, or would
	}
	s.tell("anna", "puts another fleet in force: %s", what)
	s.watch.learn(&f)
	next := *s.store.decided
	next.Fleet = &f
	s.store.change(next)
}

// written reports whether the database's writer has a name, wherever it is.
func (s *simulation) written(f *regions.Fleet) bool {
	v, ok := f.Service("orders")
	for _, m := range s.pair.order {
		ok = ok && slices.ContainsFunc(v.Endpoints, func(e regions.Endpoint) bool { return e.Region == m.region })
	}
	return ok
}
