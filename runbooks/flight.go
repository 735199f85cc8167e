package runbooks

// Flight is a step, or its compensation, that was intended and has not
// finished.
type Flight struct {
	Step         StepID
	Attempt      int
	Key          string
	Compensating bool
	// Pointless is true if the run is being undone and the step changes
	// nothing, so that ending it early does no harm.
	Pointless bool
}

// InFlight returns what was intended and has not finished. An engine that
// finds something here that it did not begin itself has found an interruption.
func (x *Execution) InFlight() []Flight {
	var flights []Flight
	for _, l := range x.leaves {
		if l.do.state == StepRunning {
			flights = append(flights, Flight{l.spec.ID, l.do.attempt, x.key(l.spec.ID, false, l.do.attempt), false,
				(x.undoing || x.abandoned) && !l.planned.Changes})
		}
		if l.undo.state == StepRunning {
			flights = append(flights, Flight{l.spec.ID, l.undo.attempt, x.key(l.spec.ID, true, l.undo.attempt), true, false})
		}
	}
	return flights
}

// Changes reports whether a planned step changes the world.
func (x *Execution) Changes(step StepID) bool {
	l := x.index[step]
	return l != nil && l.planned.Changes
}
