package runbooks

import (
	"fmt"
	"strings"
)

// Landing is where an abort would leave the world.
type Landing struct {
	// Possible is false where an abort is not taken; Sentence then says what
	// to do instead.
	Possible bool
	Outcome  Outcome
	Undo     []StepID // what would be taken back, in this order
	Sentence string
}

// WhereAbortLeaves says where an abort would leave the world right after a
// step of a plan, before the next one has begun. It is shown beforehand.
func WhereAbortLeaves(plan []PlannedStep, after StepID) Landing {
	var acted []PlannedStep
	for _, p := range plan {
		if p.Changes {
			acted = append(acted, p)
		}
		if p.Step == after {
			break
		}
	}
	return landing(acted)
}

// Abort says where an abort would leave the world now.
func (x *Execution) Abort() Landing {
	var acted []PlannedStep
	for _, l := range x.leaves {
		if l.mayHaveActed() && l.undo.state != StepSucceeded {
			acted = append(acted, l.planned)
		}
	}
	if x.start != nil && !x.tabled(OpAbort) {
		return Landing{Sentence: x.denial(OpAbort).Error()}
	}
	if x.start != nil && (x.committed() || x.phase() == phaseUndoBlocked) {
		return Landing{Possible: true, Outcome: OutcomeStopped, Sentence: "everything stays as it stands, and a person is needed: " + x.standing()}
	}
	return landing(acted)
}

func landing(acted []PlannedStep) Landing {
	if len(acted) == 0 {
		return Landing{Possible: true, Outcome: OutcomeRefused, Sentence: "nothing has been changed by then"}
	}
	l := Landing{Possible: true, Outcome: OutcomeUndone}
	var words, stay []string
	for i := len(acted) - 1; i >= 0; i-- {
		p := acted[i]
		switch {
		case p.NoReturn:
			return Landing{Sentence: fmt.Sprintf("cannot be aborted any more: %s cannot be taken back. Let it finish; what fails then can be retried, or left as it stands", p.Step)}
		case p.Compensate == "":
			stay = append(stay, string(p.Step))
		default:
			l.Undo = append(l.Undo, p.Step)
			words = append(words, p.Compensate)
		}
	}
	l.Sentence = "taken back: " + strings.Join(words, ", then ")
	if len(stay) > 0 {
		l.Outcome = OutcomeStopped
		l.Sentence = fmt.Sprintf("stays as it is, because nothing takes it back: %s", strings.Join(stay, ", "))
		if len(words) > 0 {
			l.Sentence = "taken back: " + strings.Join(words, ", then ") + "; " + l.Sentence
		}
	}
	return l
}
