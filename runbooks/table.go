package runbooks

import "slices"

// Row is one line of the table of what people may ask of a run: in which
// state, before or past the point of no return, which operations.
type Row struct {
	State     RunState
	Committed bool
	Allowed   []Operation
}

// The one table. Apply refuses what is not in it, Allowed and the API publish
// it. Skip needs, besides, a step that may be skipped.
//
// Past the point of no return an abort undoes nothing any more: it ends the
// run as it stands, and only where the run has already come to rest.
var table = [...]Row{
	{RunRunning, false, []Operation{OpPause, OpSkip, OpAbort}},
	{RunRunning, true, []Operation{OpPause, OpSkip}},
	{RunAwaiting, false, []Operation{OpApprove, OpDecline, OpPause, OpSkip, OpAbort}},
	{RunAwaiting, true, []Operation{OpApprove, OpDecline, OpPause, OpSkip, OpAbort}},
	{RunPaused, false, []Operation{OpResume, OpAbort}},
	{RunPaused, true, []Operation{OpResume, OpAbort}},
	{RunBlocked, false, []Operation{OpRetry, OpSkip, OpAbort}},
	{RunBlocked, true, []Operation{OpRetry, OpSkip, OpAbort}},
	{RunUndoing, false, nil},
	{RunUndoing, true, nil},
	{RunEnded, false, nil},
	{RunEnded, true, nil},
}

// Table returns the table of allowed operations.
func Table() []Row {
	rows := slices.Clone(table[:])
	for i := range rows {
		rows[i].Allowed = slices.Clone(rows[i].Allowed)
	}
	return rows
}

var operationOf = map[EventKind]Operation{
	Approved: OpApprove, Declined: OpDecline, Paused: OpPause, Resumed: OpResume,
	Retried: OpRetry, Skipped: OpSkip, Aborted: OpAbort,
}

var eventOf = map[Operation]EventKind{
	OpApprove: Approved, OpDecline: Declined, OpPause: Paused, OpResume: Resumed,
	OpRetry: Retried, OpSkip: Skipped, OpAbort: Aborted,
}

func (x *Execution) tabled(op Operation) bool {
	state, committed := x.State(), x.start != nil && x.committed()
	for _, row := range table {
		if row.State == state && row.Committed == committed {
			return slices.Contains(row.Allowed, op)
		}
	}
	return false
}

// Allowed returns what people may ask of the run as it stands, in the order
// of the table. Who may ask is another question: see [Execution.Can].
func (x *Execution) Allowed() []Operation {
	if x.start == nil {
		return nil
	}
	var allowed []Operation
	for _, op := range []Operation{OpApprove, OpDecline, OpResume, OpRetry, OpPause, OpSkip, OpAbort} {
		if x.tabled(op) && (op != OpSkip || x.skippable() != nil) {
			allowed = append(allowed, op)
		}
	}
	return allowed
}

func (x *Execution) skippable() *leaf {
	for _, l := range x.leaves {
		if x.canSkip(l, Event{Step: l.spec.ID}) == nil {
			return l
		}
	}
	return nil
}

// State returns where the run stands.
func (x *Execution) State() RunState {
	switch x.phase() {
	case phaseEnded:
		return RunEnded
	case phasePaused:
		return RunPaused
	case phaseBlocked, phaseUndoBlocked:
		return RunBlocked
	case phaseUndoing:
		return RunUndoing
	case phaseSettling, phaseStopping:
		if x.undoing || x.abandoned || x.undoes() {
			return RunUndoing
		}
	case phaseForward:
		for _, l := range x.frontier() {
			if l.isApproval() {
				return RunAwaiting
			}
		}
	}
	return RunRunning
}
