package sim

import "time"

// event is something that happens at a moment. Of two at the same moment the
// one that was foreseen first happens first.
type event struct {
	at     time.Duration
	number uint64
	do     func()
}

func (e event) before(o event) bool {
	return e.at < o.at || e.at == o.at && e.number < o.number
}

// agenda is all that is still to happen, the next first: a binary heap.
type agenda struct {
	events []event
	number uint64
}

func (a *agenda) add(at time.Duration, do func()) {
	a.number++
	a.events = append(a.events, event{at, a.number, do})
	for i := len(a.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !a.events[i].before(a.events[up]) {
			break
		}
		a.events[i], a.events[up] = a.events[up], a.events[i]
		i = up
	}
}

func (a *agenda) next() (event, bool) {
	n := len(a.events)
	if n == 0 {
		return event{}, false
	}
	first := a.events[0]
	a.events[0], a.events[n-1] = a.events[n-1], event{}
	a.events = a.events[:n-1]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < n-1 && a.events[down].before(a.events[least]) {
				least = down
			}
		}
		if least == i {
			return first, true
		}
		a.events[i], a.events[least] = a.events[least], a.events[i]
		i = least
	}
}
