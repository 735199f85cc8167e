package runbooks

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// Command is one thing to do now: [RunStep], [AwaitApproval], [Wait] or
// [Stop].
type Command interface{ command() }

// RunStep says: journal the intent, then run this step.
type RunStep struct {
	Step         StepID
	Spec         Spec // what to do; With is resolved
	Attempt      int
	Key          string
	Compensating bool
	// Settle is true if an earlier run of this very attempt may have acted:
	// look first, and act only if it is certain that nothing was done.
	Settle bool
	// Missing names references to values that no step gave. With any of them
	// the step must be refused.
	Missing []string
}

// AwaitApproval says that nothing happens until people agree.
type AwaitApproval struct {
	Step         StepID
	Needed, Have int
}

// Wait says: nothing before Until, unless an event comes first.
type Wait struct{ Until time.Time }

// Stop says: nothing is left to do; journal the end.
type Stop struct {
	Outcome  Outcome
	Sentence string // how the world stands, for people
}

func (RunStep) command()       {}
func (AwaitApproval) command() {}
func (Wait) command()          {}
func (Stop) command()          {}

// Next says what to do now, always the same for the same fold and the same
// now. It may say nothing: then a step is in flight, or a person is awaited.
func (x *Execution) Next(now time.Time) []Command {
	var commands []Command
	if x.phase() == phaseStopping {
		outcome, sentence := x.outcome()
		return []Command{Stop{outcome, sentence}}
	}
	var earliest time.Time
	for _, r := range x.runnable() {
		l := x.index[r.Step]
		if due := x.due(l, r.Compensating); now.Before(due) {
			if earliest.IsZero() || due.Before(earliest) {
				earliest = due
			}
			continue
		}
		r.Spec, r.Missing = x.resolve(r.Spec)
		commands = append(commands, r)
	}
	if x.phase() == phaseForward {
		for _, l := range x.frontier() {
			if l.isApproval() {
				commands = append(commands, AwaitApproval{l.spec.ID, l.needs(), len(l.approvals)})
			}
		}
	}
	if !earliest.IsZero() {
		commands = append(commands, Wait{earliest})
	}
	return commands
}

// runnable returns the steps that may be intended, whether or not their
// pauses are over. Their specs are not resolved yet.
func (x *Execution) runnable() []RunStep {
	var steps []RunStep
	switch x.phase() {
	case phaseForward:
		for _, l := range x.frontier() {
			if !l.isApproval() {
				steps = x.offer(steps, l, &l.do, l.spec, false)
			}
		}
	case phaseUndoing:
		l := x.toUndo()[0]
		steps = x.offer(steps, l, &l.undo, *l.spec.Compensate, true)
	}
	return steps
}

func (x *Execution) offer(steps []RunStep, l *leaf, p *progress, s Spec, compensating bool) []RunStep {
	r := RunStep{Step: l.spec.ID, Spec: s, Attempt: p.attempt + 1, Compensating: compensating}
	switch p.state {
	case StepPending, StepFailed:
	case StepUnknown:
		r.Attempt, r.Settle = p.attempt, true
	default:
		return steps
	}
	r.Key = x.key(r.Step, compensating, r.Attempt)
	return append(steps, r)
}

// due returns when a step that was tried before may be tried again.
func (x *Execution) due(l *leaf, compensating bool) time.Time {
	p, s := &l.do, l.spec
	if compensating {
		p, s = &l.undo, *l.spec.Compensate
	}
	switch {
	case p.waitFrom.IsZero():
		return time.Time{}
	case p.state == StepFailed:
		return p.waitFrom.Add(jittered(s.Backoff, p.failures, x.key(l.spec.ID, compensating, p.attempt)))
	case p.state == StepUnknown:
		return p.waitFrom.Add(jittered(unclearDelay, p.unclear, x.key(l.spec.ID, compensating, p.attempt)))
	}
	return time.Time{}
}

// jittered doubles base with each try, up to a minute, and moves it by up to
// a quarter either way. The jitter is a hash of the key, so that the same run
// always waits the same, and different runs do not wake together.
func jittered(base time.Duration, tries int, key string) time.Duration {
	d := base
	for i := 1; i < tries && d < maxBackoff; i++ {
		d *= 2
	}
	d = min(d, max(maxBackoff, base))
	h := fnv.New32a()
	fmt.Fprintf(h, "%s#%d", key, tries)
	return d*3/4 + time.Duration(float64(d/2)*float64(h.Sum32())/(1<<32))
}

// resolve replaces the references in a spec's With, and names those that no
// step gave a value for.
func (x *Execution) resolve(s Spec) (Spec, []string) {
	var missing []string
	resolved := make(map[string]string, len(s.With))
	for name, text := range s.With {
		value, err := expand(text, func(r reference) string {
			value, ok := x.value(r)
			if !ok {
				missing = append(missing, r.String())
			}
			return value
		})
		if err != nil {
			missing = append(missing, err.Error())
		}
		resolved[name] = value
	}
	s.With = resolved
	return s, missing
}

func (x *Execution) value(r reference) (string, bool) {
	switch {
	case r.step != "":
		l := x.index[r.step]
		if l == nil {
			return "", false
		}
		v, ok := l.do.values[r.name]
		return v, ok
	case r.name == FromParam:
		return string(x.start.From), true
	}
	return x.start.Params[r.name], true // an optional parameter may be empty
}

// outcome returns how the run ends if it ends now, and says it in words.
func (x *Execution) outcome() (Outcome, string) {
	switch {
	case x.abandoned:
		return OutcomeStopped, x.stopper + "; it stands as it is: " + x.standing()
	case x.undoing || x.undoes():
		return x.undoneOutcome()
	}
	for _, l := range x.leaves {
		if l.do.exhausted(l.spec) {
			return OutcomeRefused, fmt.Sprintf("nothing was changed: step %s: %s", l.spec.ID, l.do.detail)
		}
	}
	if left := x.leftovers(); left != "" {
		return OutcomeDone, "done; " + left
	}
	return OutcomeDone, "done"
}

func (x *Execution) undoneOutcome() (Outcome, string) {
	because := x.stopper
	for _, l := range x.leaves {
		if because == "" && l.do.exhausted(l.spec) {
			because = fmt.Sprintf("step %s: %s", l.spec.ID, l.do.detail)
		}
	}
	if !x.changed() {
		return OutcomeRefused, because + "; nothing was changed"
	}
	for _, l := range x.leaves {
		if l.mayHaveActed() && l.undo.state != StepSucceeded {
			return OutcomeStopped, because + "; not everything could be taken back: " + x.standing()
		}
	}
	sentence := because + "; what was done has been taken back"
	if x.start.Database != "" && x.start.From != "" {
		sentence += fmt.Sprintf(", and %s in %s serves", x.start.Database, x.start.From)
	}
	return OutcomeUndone, sentence
}

// standing lists what has been done and not taken back.
func (x *Execution) standing() string {
	var done []string
	for _, l := range x.leaves {
		switch {
		case !l.mayHaveActed() || l.undo.state == StepSucceeded:
		case l.do.state == StepSucceeded:
			done = append(done, fmt.Sprintf("%s is done", l.spec.ID))
		default:
			done = append(done, fmt.Sprintf("%s may be done in part", l.spec.ID))
		}
	}
	if len(done) == 0 {
		return "nothing was changed"
	}
	return strings.Join(done, ", ")
}

// leftovers says what a finished run leaves to people: what was skipped, and
// what steps reported as left over.
func (x *Execution) leftovers() string {
	var left []string
	for _, l := range x.leaves {
		if l.do.state == StepSkipped {
			left = append(left, fmt.Sprintf("%s was %s", l.spec.ID, l.do.detail))
		}
		if v := l.do.values[LeftoverValue]; v != "" {
			left = append(left, v)
		}
	}
	return strings.Join(left, "; ")
}

// LeftoverValue is the value in which a step that succeeded says what it had
// to leave undone, such as "2 nodes unconfirmed: ns3, ns4".
const LeftoverValue = "leftover"
