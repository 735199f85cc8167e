package lab

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Round is one or two faults that are held at once, and after which the
// laboratory heals.
type Round struct {
	Faults []Fault
	Hold   time.Duration
}

// Fault is a kind of fault and what the dice said of it.
type Fault struct {
	Kind   Kind
	Region int // index of the region it is about; for Quorum and Blackout of none
	Trip   time.Duration
	Loss   float64
}

// Kind is a kind of fault.
type Kind string

const (
	LoseRegion Kind = "region lost"
	KillNode   Kind = "node killed"
	FreezeNode Kind = "node frozen"
	ShutShop   Kind = "shop killed"
	CutOff     Kind = "cut off"
	Muted      Kind = "muted"
	Worse      Kind = "slow and lossy"
	Quorum     Kind = "quorum lost, then a shop"
	Blackout   Kind = "all shops killed"
)

var (
	alone   = []Kind{LoseRegion, KillNode, FreezeNode, ShutShop, CutOff, Muted, Worse, Quorum, Blackout}
	wires   = []Kind{CutOff, Muted, Worse}
	hosts   = []Kind{KillNode, FreezeNode}
	trips   = []time.Duration{80 * time.Millisecond, 180 * time.Millisecond, 250 * time.Millisecond}
	longest = 8 * time.Second
)

// Schedule draws rounds. Equal seeds draw equal rounds, and fewer rounds are
// the first of more.
//
// Two faults that are held together are one of the network and one of a node.
// A shop never dies behind a network that is broken as well: a node that is cut
// off cannot know of it, and what nobody can know is not judged.
func Schedule(seed uint64, rounds int) []Round {
	dice := rand.New(rand.NewPCG(seed, 1))
	one := func(kinds []Kind) Fault {
		f := Fault{Kind: kinds[dice.IntN(len(kinds))], Region: dice.IntN(len(names))}
		if f.Kind == Worse {
			f.Trip, f.Loss = trips[dice.IntN(len(trips))], float64(dice.IntN(5))*0.05
		}
		return f
	}
	var out []Round
	for range rounds {
		r := Round{Hold: 3*time.Second + time.Duration(dice.Int64N(int64(longest-3*time.Second)))}
		if dice.IntN(3) == 0 {
			r.Faults = []Fault{one(wires), one(hosts)}
		} else {
			r.Faults = []Fault{one(alone)}
		}
		out = append(out, r)
	}
	return out
}

// String is a round in the words of a log.
func (r Round) String() string {
	text := r.Hold.Round(100*time.Millisecond).String() + " of"
	for i, f := range r.Faults {
		if i > 0 {
			text += " with"
		}
		text += " " + string(f.Kind)
		switch f.Kind {
		case Quorum, Blackout:
		case Worse:
			text += fmt.Sprintf(" (%v, %.0f %%)", f.Trip, 100*f.Loss)
		default:
			text += " (" + names[f.Region] + ")"
		}
	}
	return text
}
