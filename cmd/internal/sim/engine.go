package sim

import (
	"slices"
	"time"

	"fairlead/runbooks"
)

// engine is what a control node does about runs: it leads if it can, and
// follows every run while it believes that it leads. When it is deposed it may
// learn of it late; until then it goes on, which must do no harm.
type engine struct {
	node    *node
	term    uint64        // 0: it does not lead, as far as it knows
	renewed time.Duration // when the renewal that last succeeded was sent
	out     *outside
	runs    []*run
}

func newEngine(n *node) *engine {
	e := &engine{node: n}
	if slices.Index(n.sim.nodes, n) < len(places) {
		n.spawn(e.lead)
	}
	return e
}

func (e *engine) lead(t *task) {
	n := e.node
	for {
		t.sleep(n.sim.between(200*time.Millisecond, 1200*time.Millisecond))
		sent := n.sim.now
		var term uint64
		err := n.call(t, func() (err error) {
			term, err = n.sim.store.campaign(n)
			return err
		})
		if err != nil {
			continue
		}
		e.term, e.renewed, e.out = term, sent, newOutside(n, term)
		e.serve(t)
		for _, r := range e.runs {
			r.task.kill()
			for _, f := range r.flights {
				f.kill()
			}
		}
		n.sim.tell(n.name, "no longer leads")
		e.term, e.runs = 0, nil
	}
}

// serve follows what there is to follow until the leadership is over.
func (e *engine) serve(t *task) {
	n, s := e.node, e.node.sim
	for s.now-e.renewed < ttl {
		sent := s.now
		var open []runbooks.ExecutionID
		err := n.call(t, func() error {
			if err := s.store.leads(e.term); err != nil {
				return err
			}
			s.store.expires = s.now + ttl
			s.store.lapse(n.clock())
			for _, j := range s.store.runs {
				if !j.over {
					open = append(open, j.id)
				}
			}
			return nil
		})
		switch err {
		case nil:
			e.renewed = sent
			for _, id := range open {
				e.follow(id)
			}
		case errDeposed:
			return
		}
		e.moved()
		t.sleep(600 * time.Millisecond)
	}
}

func (e *engine) follow(id runbooks.ExecutionID) {
	e.runs = slices.DeleteFunc(e.runs, func(r *run) bool { return r.task.over })
	if slices.ContainsFunc(e.runs, func(r *run) bool { return r.id == id }) {
		return
	}
	r := &run{engine: e, id: id, flights: map[string]*task{}}
	e.runs = append(e.runs, r)
	r.task = e.node.spawn(r.follow)
}

// moved says that a journal has grown.
func (e *engine) moved() {
	if e == nil {
		return
	}
	for _, r := range e.runs {
		r.task.wake()
	}
}

// run follows one execution by the rules of the shipped engine: journal first,
// and after an interruption the world decides.
type run struct {
	engine  *engine
	id      runbooks.ExecutionID
	task    *task
	x       Execution
	flights map[string]*task
	results []runbooks.Event
}

func (r *run) follow(t *task) {
	if !r.reload(t) {
		return
	}
	for failures := 0; ; {
		over, err := r.advance(t)
		switch {
		case over:
			return
		case err != nil:
			if failures++; failures > 1 {
				t.sleep(min(50*time.Millisecond<<min(failures, 5), time.Second))
			}
			if !r.reload(t) {
				return
			}
			continue
		}
		failures = 0
		if !r.wait(t) {
			return
		}
	}
}

// reload reads the journal and folds it anew, and reports whether there is
// anything left to do.
func (r *run) reload(t *task) bool {
	n := r.engine.node
	for {
		var events []runbooks.Event
		err := n.call(t, func() error {
			events = n.sim.store.journal(r.id).events
			return nil
		})
		if err != nil {
			t.sleep(200 * time.Millisecond)
			continue
		}
		x, err := n.sim.cores.Fold(r.id, events)
		if err != nil {
			n.sim.breaks("every journal folds", "%s: %v", r.id, err)
			return false
		}
		x.Rebase(n.clock())
		r.x = x
		_, _, over := x.Ended()
		return !over
	}
}

func (r *run) advance(t *task) (over bool, err error) {
	for len(r.results) > 0 {
		ev := r.results[0]
		if r.x.Can(ev) == nil {
			if err := r.append(t, ev); err != nil {
				return false, err
			}
		}
		r.results = r.results[1:]
	}
	for _, f := range r.x.InFlight() {
		if _, mine := r.flights[f.Key]; mine {
			continue
		}
		r.engine.node.sim.figures.Interruptions++
		if err := r.append(t, runbooks.Event{Kind: runbooks.Interrupted, Step: f.Step, Attempt: f.Attempt, Key: f.Key, Compensating: f.Compensating,
			Detail: "the engine that ran it was lost before it saw the outcome"}); err != nil {
			return false, err
		}
	}
	for _, c := range r.x.Next(r.engine.node.clock()) {
		switch c := c.(type) {
		case runbooks.RunStep:
			if err := r.begin(t, c); err != nil {
				return false, err
			}
		case runbooks.Stop:
			err := r.append(t, runbooks.Event{Kind: runbooks.Ended, Result: c.Outcome, Detail: c.Sentence})
			return err == nil, err
		}
	}
	return false, nil
}

// append writes one event, under this engine's term, and folds it in.
func (r *run) append(t *task, ev runbooks.Event) error {
	n, term, at := r.engine.node, r.engine.term, r.x.Position()
	ev.At, ev.Principal = n.clock(), runbooks.EnginePrefix+string(n.id)
	if err := n.call(t, func() error { return n.sim.store.append(r.id, at, ev, term) }); err != nil {
		return err
	}
	return r.x.Apply(ev)
}

// begin writes down the intent and starts the step beside the run.
func (r *run) begin(t *task, c runbooks.RunStep) error {
	n, start := r.engine.node, r.x.Start()
	step, broken := r.engine.out.set().Step(c.Spec, start)
	p := performance{run: r, command: c, step: step, broken: broken, changes: r.x.Changes(c.Step) || c.Compensating,
		scope: runbooks.Scope{Key: c.Key, Execution: r.id, Step: c.Step, Attempt: c.Attempt, Compensating: c.Compensating,
			Fresh: !c.Settle && c.Attempt == 1, By: r.x.StartedBy(), Why: r.x.Reason(), Approvers: r.x.Approvers(), Start: start, Epoch: r.x.Epoch()}}
	if n.sim.cores.Manner.ActsFirst && broken == nil {
		_ = step.Act(inTask{t}, p.scope)
	}
	err := r.append(t, runbooks.Event{Kind: runbooks.Intended, Step: c.Step, Attempt: c.Attempt, Key: c.Key, Compensating: c.Compensating, Detail: string(c.Step)})
	if err != nil {
		return err
	}
	r.flights[c.Key] = n.spawn(func(flight *task) {
		ev := p.perform(flight)
		delete(r.flights, c.Key)
		r.results = append(r.results, ev)
		r.task.wake()
	})
	return nil
}

// wait parks until something may have changed: an outcome, another event in
// the journal, or the end of a pause.
func (r *run) wait(t *task) bool {
	n := r.engine.node
	for {
		if len(r.results) > 0 {
			return true
		}
		if int(r.x.Position()) < len(n.sim.store.journal(r.id).events) && n.sim.store.reaches(n) {
			return r.reload(t)
		}
		for _, c := range r.x.Next(n.clock()) {
			switch c := c.(type) {
			case runbooks.Wait:
				n.after(c.Until.Sub(n.clock()), t.wake)
			case runbooks.RunStep, runbooks.Stop:
				return true
			}
		}
		t.park()
	}
}
