package wire

import (
	"math/rand/v2"
	"time"
)

// Path is what happens to packets from one place to another.
type Path struct {
	Cut   bool
	Delay time.Duration // one way
	// Loss is which part of the packets is lost, from 0 to 1, in bursts of
	// about Burst packets: once the network is bad it stays bad for a while
	// (E. N. Gilbert, "Capacity of a burst-noise channel", 1960).
	Loss  float64
	Burst float64 // 1 if it is less
}

// lossy is whether a path is bad now.
type lossy struct {
	dice *rand.Rand
	bad  bool
}

// lose decides about one packet.
func (l *lossy) lose(p Path) bool {
	if p.Loss <= 0 {
		l.bad = false
		return false
	}
	burst := max(p.Burst, 1)
	ends, begins := 1/burst, min(p.Loss/(burst*(1-min(p.Loss, 0.99))), 1)
	if l.bad {
		l.bad = l.dice.Float64() >= ends
	} else {
		l.bad = l.dice.Float64() < begins
	}
	return l.bad
}
