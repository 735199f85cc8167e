package sim

import (
	"errors"
	"time"

	"fairlead/regions"
)

// link is one direction between two regions.
type link struct {
	cut  int           // by how many faults
	lag  time.Duration // one way
	slow time.Duration // what faults add
	loss int           // in a hundred
}

// network is all links, and what else befalls messages.
type network struct {
	sim   *simulation
	links map[[2]regions.ID]*link
	mixed int // faults that have messages overtake each other and come twice
}

func (n *network) link(from, to regions.ID) *link { return n.links[[2]regions.ID{from, to}] }

// passes reports whether a message gets through now, and how long it takes.
func (n *network) passes(from, to regions.ID) (time.Duration, bool) {
	l := n.link(from, to)
	if l.cut > 0 || l.loss > 0 && n.sim.chance(l.loss) {
		return 0, false
	}
	lag := l.lag + l.slow
	if n.mixed > 0 {
		lag += n.sim.between(0, 1500*time.Millisecond)
	}
	return lag, true
}

// send has something happen at the other end, if the message gets there.
func (n *network) send(from, to regions.ID, do func()) {
	lag, ok := n.passes(from, to)
	if !ok {
		return
	}
	n.sim.after(lag, do)
	if n.mixed > 0 && n.sim.chance(20) {
		n.sim.after(lag+n.sim.between(0, 2*time.Second), do)
	}
}

// open reports whether two regions reach each other, losses aside.
func (n *network) open(a, b regions.ID) bool {
	return n.link(a, b).cut == 0 && n.link(b, a).cut == 0
}

// errLost is all that is known of a call that was not answered: it may have
// been carried out, it may be carried out yet, or nobody ever heard of it.
var errLost = errors.New("no answer in time")

// patience is how long a call waits for its answer.
const patience = 1500 * time.Millisecond

// deliver has a message of a connection happen at the other end: what is lost
// is sent again, and what meets a cut may lie in a buffer until the link is
// back, when nobody waits for it any more.
func (n *network) deliver(from, to regions.ID, do func()) {
	l := n.link(from, to)
	switch {
	case l.cut > 0:
		if n.sim.chance(40) {
			n.hold(from, to, do)
		}
	case l.loss > 0 && n.sim.chance(l.loss):
		n.sim.after(n.sim.between(200*time.Millisecond, 3*time.Second), func() { n.deliver(from, to, do) })
	default:
		n.sim.after(l.lag+l.slow, do)
	}
}

// hold keeps a message until the link is back, and then for up to as long as
// it was away: whoever sends again waits twice as long each time.
func (n *network) hold(from, to regions.ID, do func()) {
	since := n.sim.now
	var look func()
	look = func() {
		if l := n.link(from, to); l.cut > 0 {
			n.sim.after(200*time.Millisecond, look)
		} else {
			n.sim.after(l.lag+l.slow+n.sim.between(0, n.sim.now-since), do)
		}
	}
	n.sim.after(200*time.Millisecond, look)
}

// ask calls somebody in another region and waits. What is called runs there
// when the question arrives, at most once, and perhaps when it is no longer
// wanted; it may hand in its answer later.
func (t *task) ask(to regions.ID, call func(answer func(error))) error {
	s, from := t.host.sim, t.host.region
	var result error
	answered := false
	finish := func(err error) {
		if !answered {
			answered, result = true, err
			t.wake()
		}
	}
	s.net.deliver(from, to, func() {
		call(func(err error) {
			s.net.deliver(to, from, func() { t.host.now(t.boot, func() { finish(err) }) })
		})
	})
	t.host.after(patience, func() { finish(errLost) })
	for !answered {
		t.park()
	}
	return result
}
