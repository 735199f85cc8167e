package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// provider asks the pair as the real provider asks PostgreSQL and its agents:
// the same questions in the same order, each of which may be lost, late or
// answered with a lie about its success.
type provider struct {
	node   *node
	fenced map[regions.ID]regions.Epoch // fences that this process saw
	lifted map[string]bool              // runs whose fence an agent has lifted, for this process
}

// move is one request, understood.
type move struct {
	providers.Request
	p        *provider
	t        *task
	from, to *member
	planned  bool
	begun    *bool
}

func (p *provider) understand(ctx context.Context, r providers.Request) move {
	at := func(name string) *member { return p.node.sim.pair.members[regions.ID(r.Params[name])] }
	return move{Request: r, p: p, t: ctx.(inTask).task, from: at("from"), to: at("to"), planned: r.Params["planned"] == "true", begun: new(bool)}
}

// Observe implements [providers.Provider].
func (p *provider) Observe(ctx context.Context, r providers.Request) (providers.Result, error) {
	m := p.understand(ctx, r)
	p.node.sim.watch.observed(r)
	switch r.Action {
	case "lag":
		return m.lag()
	case "fence":
		return m.seeFence()
	case "promote":
		st, err := m.to.facts(m.t)
		return seen(err, err == nil && st.primary, nil)
	case "unfence":
		return m.seeUnfenced()
	case "slot":
		st, err := m.to.facts(m.t)
		return seen(err, err == nil && st.primary && m.to.slot, nil)
	case "reprotect":
		from, err := m.from.facts(m.t)
		if err != nil {
			return seen(err, false, nil)
		}
		to, err := m.to.facts(m.t)
		return seen(err, err == nil && to.primary && !from.primary, nil)
	case "verify_writable":
		st, err := m.to.facts(m.t)
		return seen(err, err == nil && st.primary, nil)
	}
	return providers.Result{State: providers.NotDone}, nil
}

func seen(err error, done bool, values map[string]string) (providers.Result, error) {
	switch {
	case err != nil:
		return providers.Result{State: providers.Unknown, Detail: err.Error()}, nil
	case done:
		return providers.Result{State: providers.Done, Values: values}, nil
	}
	return providers.Result{State: providers.NotDone}, nil
}

// Act implements [providers.Provider].
func (p *provider) Act(ctx context.Context, r providers.Request) (providers.Result, error) {
	m := p.understand(ctx, r)
	p.node.sim.watch.acts(r)
	values, err := m.act()
	if err != nil {
		res := providers.Result{}
		if !*m.begun {
			res.State = providers.Untouched
		}
		return res, err
	}
	return providers.Result{State: providers.Done, Values: values}, nil
}

func (m move) act() (map[string]string, error) {
	switch m.Action {
	case "preflight":
		return nil, m.preflight()
	case "quiesce":
		_, err := m.from.facts(m.t)
		return nil, err
	case "fence":
		return m.doFence()
	case "unfence":
		return nil, m.doUnfence()
	case "wait_replay":
		return nil, m.waitReplay()
	case "promote":
		return nil, m.doPromote()
	case "verify_writable":
		st, err := m.to.facts(m.t)
		if err == nil && !st.primary {
			err = fault.Conflictf("orders", "%s is read-only", m.to.region)
		}
		return nil, err
	case "slot":
		*m.begun = true
		return nil, m.to.statement(m.t, "creates the slot", func() { m.to.slot = true })
	case "reprotect":
		return nil, m.doReprotect()
	case "announce":
		return nil, m.announce()
	}
	return nil, fault.Invalidf("orders", "no action %q", m.Action)
}

// change notes that from here on something may have been done.
func (m move) change(err error) error {
	var u untouched
	if !errors.As(err, &u) {
		*m.begun = true
	}
	return err
}

// run is the part of the key that names the run.
func (m move) run() string {
	run, _, _ := strings.Cut(m.Key, "/")
	return run
}

func (m move) order() order { return order{m.Key, m.Epoch} }

func (m move) preflight() error {
	to, err := m.to.facts(m.t)
	if err != nil {
		return err
	}
	if to.primary {
		return fault.Conflictf("orders", "%s writes already", m.to.region)
	}
	from, err := m.from.facts(m.t)
	if m.planned && (err != nil || !from.primary) {
		return fault.Conflictf("orders", "%s does not write (%v)", m.from.region, err)
	}
	_, err = m.from.look(m.t, regions.Epoch{})
	return err
}

func (m move) lag() (providers.Result, error) {
	behind := max(m.from.lsn-m.to.lsn, 0) // as the monitor last saw it
	return providers.Result{State: providers.Done, Values: map[string]string{"bytes_min": "0", "bytes_max": strconv.Itoa(behind),
		"seconds_min": "0", "seconds_max": "1", "age_seconds": "0.5", "source": "the monitor"}}, nil
}

func fenceValues(lsn int) map[string]string {
	return map[string]string{"fence": "fenced", "lsn": strconv.Itoa(lsn)}
}

func (m move) seeFence() (providers.Result, error) {
	st, err := m.from.look(m.t, regions.Epoch{})
	done := err == nil && st.fenced && st.fence.Compare(m.Epoch) >= 0 && (!m.planned || st.clean) && strings.HasPrefix(st.by, m.run()+"/")
	if done {
		m.p.fenced[m.from.region] = m.Epoch
	}
	return seen(err, done, fenceValues(st.lsn))
}

func (m move) doFence() (map[string]string, error) {
	to, err := m.to.facts(m.t)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not fenced, because %s could not take over: %w", m.to.region, err)
	case to.primary && m.planned:
		return nil, fault.Conflictf("orders", "%s writes already", m.to.region)
	}
	from, key := m.from, m.Key
	lsn := 0
	err = m.change(from.tell(m.t, "fence", m.order(), func() error {
		if from.fence == nil && !from.primary {
			return untouched{fault.Conflictf(from.name, "is a standby, so there is no writer to fence")}
		}
		changes := from.fence == nil || from.running
		if from.fence == nil || m.Epoch.Compare(from.fence.epoch) > 0 || from.fence.key != key {
			from.fence = &fenceMark{m.Epoch, key}
		}
		if from.running {
			from.clean = m.planned
			if m.planned {
				from.lsn++ // the last checkpoint
				from.feed()
			}
			from.running = false
		}
		if changes {
			m.p.node.sim.watch.effect(m.Request, from)
		}
		if lsn = from.lsn; m.planned && !from.clean {
			return fault.Conflictf(from.name, "is off, but not cleanly")
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	m.p.fenced[from.region] = m.Epoch
	return fenceValues(lsn), nil
}

func (m move) seeUnfenced() (providers.Result, error) {
	st, err := m.from.facts(m.t)
	if err == nil {
		return seen(nil, st.primary && (m.p.lifted[m.run()] || m.p.node.sim.cores.Manner.Hopeful), nil)
	}
	_, err = m.from.look(m.t, regions.Epoch{})
	return seen(err, false, nil)
}

func (m move) doUnfence() error {
	to, err := m.to.facts(m.t)
	if err == nil && to.primary {
		return fault.Conflictf(m.from.name, "stays fenced: %s writes, and two would", m.to.region)
	}
	if err != nil && m.Params["never_promoted"] != "true" {
		return fault.Unavailablef(m.from.name, "stays fenced: whether %s was promoted cannot be seen", m.to.region)
	}
	from := m.from
	err = m.change(from.tell(m.t, "start", m.order(), func() error {
		step, _, _ := strings.Cut(m.Key, "undo/")
		switch {
		case !from.primary:
			return untouched{fault.Conflictf(from.name, "was no writer")}
		case from.fence == nil && from.running:
			return nil // as it did before
		case from.fence != nil && !strings.HasPrefix(from.fence.key, step):
			m.p.node.sim.tell(from.name, "refuses to lift the fence under %s by order of %s", from.fence.key, m.Key)
			return untouched{fault.Conflictf(from.name, "stays fenced by %s", from.fence.key)}
		}
		from.fence, from.running = nil, true
		m.p.node.sim.watch.effect(m.Request, from)
		return nil
	}))
	if err == nil {
		delete(m.p.fenced, from.region)
		m.p.lifted[m.run()] = true
	}
	return err
}

func (m move) waitReplay() error {
	want, err := strconv.Atoi(m.Params["lsn"])
	if err != nil {
		return fault.Invalidf("orders", "lsn is %q", m.Params["lsn"])
	}
	for range 10 {
		to, err := m.to.facts(m.t)
		if err != nil {
			return err
		}
		if to.primary || to.lsn >= want {
			return nil
		}
		m.t.sleep(300 * time.Millisecond)
	}
	return fault.Unavailablef("orders", "%s has not replayed everything", m.to.region)
}

// stillFenced asks for the fence again, at the moment of promoting.
func (m move) stillFenced() error {
	st, err := m.from.look(m.t, regions.Epoch{})
	e, ok := m.p.fenced[m.from.region]
	known := ok && e.Compare(m.Epoch) == 0 || m.Params["fence"] == "fenced"
	switch {
	case err == nil && st.fenced:
		return nil
	case err == nil:
		return fault.Conflictf(m.from.name, "is not fenced (running %v)", st.running)
	case !known:
		return fault.Unavailablef(m.from.name, "is not known to be fenced").Because(err)
	}
	if _, err := m.from.facts(m.t); err == nil {
		return fault.Conflictf(m.from.name, "is there, although it was fenced")
	}
	return nil
}

func (m move) doPromote() error {
	if err := m.stillFenced(); err != nil && !m.p.node.sim.cores.Manner.Careless {
		return err
	}
	to, err := m.to.facts(m.t)
	if err != nil || to.primary {
		return err
	}
	if _, err := m.to.look(m.t, m.Epoch); fault.Is(err, fault.Conflict) {
		return err
	}
	*m.begun = true
	return m.to.statement(m.t, "is promoted under "+m.Key, func() {
		if !m.to.primary {
			m.p.node.sim.watch.effect(m.Request, m.to)
			m.to.primary = true
		}
	})
}

func (m move) doReprotect() error {
	to, err := m.to.facts(m.t)
	switch {
	case err != nil:
		return err
	case !to.primary:
		return fault.Conflictf("orders", "%s is a standby, so nothing can follow it", m.to.region)
	}
	from := m.from
	return m.change(from.tell(m.t, "rewind", m.order(), func() error {
		switch {
		case from.fence == nil && from.primary:
			return untouched{fault.Conflictf(from.name, "is neither fenced nor a standby")}
		case !m.to.writes() || !m.p.node.sim.net.open(from.region, m.to.region):
			return fault.Unavailablef(from.name, "cannot copy from %s", m.to.region)
		}
		from.primary, from.fence, from.running, from.lsn, from.slot = false, nil, true, m.to.lsn, false
		m.p.node.sim.watch.effect(m.Request, from)
		return nil
	}))
}

// announce tells the agents the epoch; who is out of reach is left.
func (m move) announce() error {
	for _, at := range m.p.node.sim.pair.order {
		if _, err := at.look(m.t, m.Epoch); fault.Is(err, fault.Conflict) {
			return err
		}
	}
	*m.begun = true
	return nil
}
