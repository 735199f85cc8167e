package linear

import (
	"fmt"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"fairlead/regions"
)

// Verb is what somebody asks for.
type Verb string

const (
	Drain   Verb = "drain"
	End     Verb = "end"
	Advance Verb = "advance"
	Read    Verb = "read"
)

// Outcome is what they were told.
type Outcome string

const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // it was not possible as things stood
	Unknown Outcome = "unknown" // no answer, or that it cannot be told
)

// Act is a question.
type Act struct {
	Verb     Verb
	Region   regions.ID // of a drain
	ID       string     // of an override
	From, To regions.Epoch
}

// Answer is what came of it.
type Answer struct {
	Outcome Outcome
	Seen    Seen // of a read
}

// Seen is what is decided, as far as the crowd changes it. It is a value, and
// so a state of the model.
type Seen struct {
	Drained Drains
	Epoch   regions.Epoch
}

// Drains holds the override that takes each region out, as "region=id " in the
// order of their names.
type Drains string

// Of returns the override that takes a region out, or nothing.
func (d Drains) Of(region regions.ID) string {
	for _, part := range strings.Fields(string(d)) {
		if id, ok := strings.CutPrefix(part, string(region)+"="); ok {
			return id
		}
	}
	return ""
}

// With returns d with a region taken out by an override; by none if id is empty.
func (d Drains) With(region regions.ID, id string) Drains {
	var parts []string
	placed := id == ""
	for _, part := range strings.Fields(string(d)) {
		r, _, _ := strings.Cut(part, "=")
		if !placed && r >= string(region) {
			parts, placed = append(parts, string(region)+"="+id), true
		}
		if r != string(region) {
			parts = append(parts, part)
		}
	}
	if !placed {
		parts = append(parts, string(region)+"="+id)
	}
	return Drains(strings.Join(parts, " "))
}

// region returns which region an override takes out.
func (d Drains) region(id string) (regions.ID, bool) {
	for _, part := range strings.Fields(string(d)) {
		if r, ok := strings.CutSuffix(part, "="+id); ok {
			return regions.ID(r), true
		}
	}
	return "", false
}

// step returns what the world may be after an act that was answered so, given
// what it was; nothing if that cannot be.
func step(was Seen, act Act, got Answer) []Seen {
	if act.Verb == Read {
		if got.Outcome == Unknown || got.Seen == was {
			return []Seen{was}
		}
		return nil
	}
	will, possible := apply(was, act)
	switch {
	case got.Outcome == Done && possible:
		return []Seen{will}
	case got.Outcome == Refused && !possible:
		return []Seen{was}
	case got.Outcome == Unknown && possible && will != was:
		return []Seen{was, will}
	case got.Outcome == Unknown:
		return []Seen{was}
	}
	return nil
}

// apply is the specification: what an act does to the world, or that it is not
// possible.
func apply(was Seen, act Act) (will Seen, possible bool) {
	will = was
	switch act.Verb {
	case Drain:
		by := was.Drained.Of(act.Region)
		will.Drained = was.Drained.With(act.Region, act.ID)
		return will, by == "" || by == act.ID
	case End:
		region, ok := was.Drained.region(act.ID)
		will.Drained = was.Drained.With(region, "")
		return will, ok
	case Advance:
		will.Epoch = act.To
		return will, was.Epoch == act.From || was.Epoch == act.To
	}
	return was, false
}

func model(begin Seen) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{begin} },
		Step: func(state, input, output any) (next []any) {
			for _, s := range step(state.(Seen), input.(Act), output.(Answer)) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, output any) string { return describe(input.(Act), output.(Answer)) },
	}
	return m.ToModel()
}

func describe(act Act, got Answer) string {
	switch act.Verb {
	case Read:
		return fmt.Sprintf("read: %s %s", got.Outcome, got.Seen)
	case Drain:
		return fmt.Sprintf("drain %s as %s: %s", act.Region, act.ID, got.Outcome)
	case End:
		return fmt.Sprintf("end %s: %s", act.ID, got.Outcome)
	}
	return fmt.Sprintf("advance %s to %s: %s", act.From, act.To, got.Outcome)
}

// String reads like "[eu-central=a-1 us-east=b-2] 1.7 us-east".
func (s Seen) String() string { return fmt.Sprintf("[%s] %s", s.Drained, s.Epoch) }

// Verdict is what came of a check.
type Verdict string

const (
	Linearizable Verdict = "linearizable"
	Broken       Verdict = "not linearizable"
	Undecided    Verdict = "not decided in time"
)

// Check says whether a history that began with begin could have been made by
// people who decided one after the other.
func Check(begin Seen, history []porcupine.Operation, limit time.Duration) Verdict {
	switch porcupine.CheckOperationsTimeout(model(begin), history, limit) {
	case porcupine.Ok:
		return Linearizable
	case porcupine.Illegal:
		return Broken
	}
	return Undecided
}
