package sim

import (
	"errors"
	"strings"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// pair is a database of two servers, each with an agent beside it: a state
// machine with the manners of the real ones.
type pair struct {
	sim     *simulation
	members map[regions.ID]*member
	order   []*member
	faulty  int // by how many faults: agents and servers answer with errors, having acted or not
}

// member is a server and its agent. Its process may die and its memory with
// it; what follows is on its disk.
type member struct {
	host
	pair    *pair
	running bool // the server
	primary bool // by its control data
	fence   *fenceMark
	clean   bool          // how it was last stopped
	epoch   regions.Epoch // the newest that the agent has seen
	done    map[string]bool
	turn    bool // a verb is under way
	lsn     int  // how much of what was ever written it has
	slot    bool // it keeps what the other one will need
}

// fenceMark is the agent's durable record: a server that has it stays off.
type fenceMark struct {
	epoch regions.Epoch
	key   string
}

func newPair(s *simulation) *pair {
	p := &pair{sim: s, members: map[regions.ID]*member{}}
	for _, r := range places[1:] {
		m := &member{pair: p, running: true, primary: r == "us", done: map[string]bool{}}
		m.host = host{sim: s, name: "db@" + string(r), region: r, up: true}
		p.members[r] = m
		p.order = append(p.order, m)
	}
	s.after(0, p.replicate)
	return p
}

// writes reports whether the server takes writes.
func (m *member) writes() bool { return m.running && m.primary }

func (m *member) other() *member {
	if m.pair.order[0] == m {
		return m.pair.order[1]
	}
	return m.pair.order[0]
}

// replicate has the writer write and the standby follow.
func (p *pair) replicate() {
	p.sim.after(250*time.Millisecond, p.replicate)
	for _, m := range p.order {
		if m.writes() {
			m.lsn++
			m.feed()
		}
	}
}

// feed gives the standby what it lacks, if it is there.
func (m *member) feed() {
	if o := m.other(); o.running && !o.primary && m.pair.sim.net.open(m.region, o.region) {
		o.lsn = m.lsn
	}
}

// lose is what a power cut does to a server and its agent.
func (m *member) lose() {
	m.die()
	m.running, m.clean, m.turn = false, false, false
}

// powered is the agent's start, once there is power: it starts a server that is not fenced.
func (m *member) powered() {
	m.up = true
	m.boot++
	m.after(300*time.Millisecond, func() {
		if m.fence == nil {
			m.running = true
			m.pair.sim.tell(m.name, "its agent starts the server as it was (primary %v)", m.primary)
		}
	})
}

// order is what an agent is told.
type order struct {
	key   string
	epoch regions.Epoch
}

// untouched marks an error of somebody who is certain to have done nothing.
type untouched struct{ error }

var errRefused = untouched{fault.Unavailablef("agent", "connection refused")}

// agent asks the agent beside a server. While that is frozen, what it is told
// waits in its machine's buffers and is carried out once it thaws.
func (m *member) agent(t *task, call func(answer func(error))) error {
	return t.ask(m.region, func(answer func(error)) {
		switch {
		case m.sim.truth.dark[m.region] > 0: // nobody says anything
		case !m.up:
			answer(errRefused)
		default:
			m.now(m.boot, func() { call(answer) })
		}
	})
}

// tell has a member's agent carry out a verb and waits for it.
func (m *member) tell(t *task, verb string, o order, act func() error) error {
	return m.agent(t, func(answer func(error)) {
		s := m.sim
		switch {
		case m.turn:
			answer(untouched{fault.Unavailablef(m.name, "another verb is still under way")})
			return
		case verb == "fence" && m.takenBack(o.key) && !s.cores.Manner.LateFences:
			s.tell(m.name, "refuses the fence under %s, which was taken back", o.key)
			answer(untouched{fault.Conflictf(m.name, "the order to fence under %s comes too late", o.key)})
			return
		case o.epoch.Compare(m.epoch) < 0:
			answer(untouched{providers.Stale("orders", o.epoch, m.epoch)})
			return
		case m.pair.faulty > 0 && s.chance(25):
			s.tell(m.name, "answers %s (%s) with an error, and does nothing", verb, o.key)
			answer(errors.New("broken pipe"))
			return
		}
		m.epoch = o.epoch
		if m.done[verb+" "+o.key] && verb != "fence" {
			answer(nil)
			return
		}
		m.turn = true
		boot := m.boot
		s.after(s.between(20*time.Millisecond, 400*time.Millisecond), func() {
			m.now(boot, func() {
				m.turn = false
				err := act()
				if err == nil {
					m.done[verb+" "+o.key] = true
				}
				s.tell(m.name, "%s under %s: %v", verb, o.key, said(err))
				if err == nil && m.pair.faulty > 0 && s.chance(35) {
					s.tell(m.name, "but answers with an error")
					err = errors.New("connection reset")
				}
				answer(err)
			})
		})
	})
}

// takenBack reports whether what is ordered under a key has been undone since.
func (m *member) takenBack(key string) bool {
	step := key[:strings.LastIndexByte(key, '/')+1]
	for done := range m.done {
		if strings.HasPrefix(done, "start "+step+"undo/") {
			return true
		}
	}
	return false
}

func said(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// status is what an agent says of its server.
type status struct {
	running, primary, fenced, clean bool
	fence                           regions.Epoch
	by                              string // the key of the fence
	lsn                             int
}

// look asks an agent, under an epoch if one is given.
func (m *member) look(t *task, e regions.Epoch) (status, error) {
	var st status
	err := m.agent(t, func(answer func(error)) {
		switch {
		case e != (regions.Epoch{}) && e.Compare(m.epoch) < 0:
			answer(untouched{providers.Stale("orders", e, m.epoch)})
			return
		}
		if e.Compare(m.epoch) > 0 {
			m.epoch = e
		}
		st = status{running: m.running, primary: m.primary, clean: m.clean, lsn: m.lsn}
		if m.fence != nil {
			st.fence, st.by, st.fenced = m.fence.epoch, m.fence.key, !m.running
		}
		answer(nil)
	})
	return st, err
}

// facts asks the server itself.
func (m *member) facts(t *task) (status, error) {
	var st status
	err := t.ask(m.region, func(answer func(error)) {
		switch {
		case m.sim.truth.dark[m.region] > 0:
		case !m.running:
			answer(errRefused)
		default:
			st = status{running: true, primary: m.primary, lsn: m.lsn}
			answer(nil)
		}
	})
	return st, err
}

// statement has the server itself do something.
func (m *member) statement(t *task, what string, do func()) error {
	return t.ask(m.region, func(answer func(error)) {
		s := m.sim
		switch {
		case s.truth.dark[m.region] > 0:
			return
		case !m.running:
			answer(errRefused)
			return
		case m.pair.faulty > 0 && s.chance(25):
			s.tell(m.name, "answers %s with an error, and does nothing", what)
			answer(errors.New("broken pipe"))
			return
		}
		do()
		s.tell(m.name, "%s", what)
		if m.pair.faulty > 0 && s.chance(35) {
			s.tell(m.name, "but answers with an error")
			answer(errors.New("connection reset"))
			return
		}
		answer(nil)
	})
}
