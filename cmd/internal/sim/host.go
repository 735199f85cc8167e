package sim

import (
	"iter"
	"time"

	"fairlead/regions"
)

// host is a machine's process: it loses its memory when it crashes, and its
// events wait while it is frozen.
type host struct {
	sim    *simulation
	name   string
	region regions.ID
	up     bool
	frozen int           // by how many faults
	downs  int           // by how many faults it is down
	boot   int           // which run of the process this is
	offset time.Duration // of its clock; nobody else's is like it

	deferred []func()
	tasks    []*task
}

// clock is the host's own.
func (h *host) clock() time.Time { return began.Add(h.offset + h.sim.now) }

// after does something on the host later, unless it has crashed by then.
func (h *host) after(d time.Duration, do func()) {
	boot := h.boot
	h.sim.after(d, func() { h.now(boot, do) })
}

func (h *host) now(boot int, do func()) {
	switch {
	case !h.up || h.boot != boot:
	case h.frozen > 0:
		h.deferred = append(h.deferred, func() { h.now(boot, do) })
	default:
		do()
	}
}

func (h *host) thaw() {
	if h.frozen--; h.frozen > 0 {
		return
	}
	waiting := h.deferred
	h.deferred = nil
	for _, do := range waiting {
		h.sim.after(0, do)
	}
}

// die ends the process and all that it was doing.
func (h *host) die() {
	h.up = false
	h.boot++
	h.deferred = nil
	for _, t := range h.tasks {
		t.kill()
	}
	h.tasks = nil
}

// task is work that waits now and then: a coroutine, resumed by events.
type task struct {
	host *host
	boot int
	next func() (struct{}, bool)
	stop func()
	wait func(struct{}) bool
	runs bool
	over bool
}

// killed unwinds a task whose process has died.
type killed struct{}

// spawn begins a task.
func (h *host) spawn(f func(*task)) *task {
	t := &task{host: h, boot: h.boot}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if why := recover(); why != nil && why != any(killed{}) {
				panic(why)
			}
		}()
		t.wait = yield
		f(t)
	})
	alive := h.tasks[:0]
	for _, other := range h.tasks {
		if !other.over {
			alive = append(alive, other)
		}
	}
	h.tasks = append(alive, t)
	t.wake()
	return t
}

// wake has the task look again whether it may go on. What it waits for it
// checks itself, so waking it once too often does no harm.
func (t *task) wake() {
	if t.over {
		return
	}
	t.host.sim.after(0, func() { t.host.now(t.boot, t.resume) })
}

func (t *task) resume() {
	if t.over || t.runs {
		return
	}
	t.runs = true
	_, more := t.next()
	t.runs = false
	t.over = t.over || !more
}

func (t *task) kill() {
	if !t.over && !t.runs {
		t.over = true
		t.stop()
	}
}

// park waits until somebody wakes the task.
func (t *task) park() {
	if !t.wait(struct{}{}) {
		panic(killed{})
	}
}

// sleep waits for a time.
func (t *task) sleep(d time.Duration) {
	until := t.host.sim.now + d
	t.host.after(d, t.wake)
	for t.host.sim.now < until {
		t.park()
	}
}
