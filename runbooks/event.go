package runbooks

import (
	"time"

	"fairlead/regions"
)

// ExecutionID names one run of a runbook.
type ExecutionID string

// StepID names a step within its runbook, such as "promote".
type StepID string

// Position is how many events an execution's journal holds. Whoever appends
// says at which position, so that two who both believe they lead cannot both
// write the next event.
type Position uint64

// EventKind says what happened.
type EventKind string

const (
	Started     EventKind = "started"     // the run exists; Start holds what it is
	Approved    EventKind = "approved"    // a person agreed to the envelope of Step
	Declined    EventKind = "declined"    // a person refused it
	Intended    EventKind = "intended"    // Step is about to act, under Key
	Finished    EventKind = "finished"    // Step's outcome was seen
	Interrupted EventKind = "interrupted" // an engine found Step intended and not finished
	Paused      EventKind = "paused"      // takes effect at the next step boundary
	Resumed     EventKind = "resumed"
	Retried     EventKind = "retried" // Step, which failed, is to be tried again
	Skipped     EventKind = "skipped" // Step, which failed or waits, is passed over by a person
	Aborted     EventKind = "aborted" // a person ends the run: compensate what can be
	Ended       EventKind = "ended"   // nothing more happens; Result says how it stands
)

// Event is one entry of an execution's journal.
type Event struct {
	Kind      EventKind `json:"kind"`
	At        time.Time `json:"at"`        // by the clock of the node that wrote it
	Principal string    `json:"principal"` // who: a person, or "engine@node"; never empty
	Reason    string    `json:"reason,omitempty"`

	Step    StepID `json:"step,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Key     string `json:"key,omitempty"` // harmless twice: what is done under one key is done once
	// Compensating marks an intent or outcome of undoing Step.
	Compensating bool `json:"compensating,omitempty"`
	// Untouched marks an outcome of which it is certain that the attempt had
	// not begun to change anything; Refused implies it.
	Untouched bool              `json:"untouched,omitempty"`
	Outcome   StepOutcome       `json:"outcome,omitempty"`
	Detail    string            `json:"detail,omitempty"` // evidence, or what went wrong, in a sentence
	Values    map[string]string `json:"values,omitempty"` // what later steps and the receipt may read

	Start    *Start  `json:"start,omitempty"`     // Started only
	Result   Outcome `json:"result,omitempty"`    // Ended only
	PlanHash string  `json:"plan_hash,omitempty"` // Approved only: what was agreed to
}

// Start is what a run is: pinned when it begins, the same ever after.
type Start struct {
	Runbook    Runbook            `json:"runbook"`
	Params     map[string]string  `json:"params,omitempty"`
	Database   regions.DatabaseID `json:"database,omitempty"`
	From       regions.ID         `json:"from,omitempty"` // the writer when the run was planned
	To         regions.ID         `json:"to,omitempty"`
	Epoch      regions.Epoch      `json:"epoch"` // that the plan was made under
	Ungraceful bool               `json:"ungraceful,omitempty"`
	Plan       []PlannedStep      `json:"plan"`
	PlanHash   string             `json:"plan_hash"`
}

// PlannedStep is one line of what an operator approves.
type PlannedStep struct {
	Step        StepID `json:"step"`
	Kind        string `json:"kind"`
	Description string `json:"description"`
	// Group is the identifier of the parallel group the step is in, if any.
	Group       string `json:"group,omitempty"`
	Title       string `json:"title,omitempty"`
	Destructive bool   `json:"destructive,omitempty"`
	// Changes is true if the step changes the world; a run none of whose
	// changing steps has acted ends as refused, with nothing changed.
	Changes bool `json:"changes,omitempty"`
	// Guard is true if what follows relies on the step: it may be tried again
	// or the run aborted, but nobody may skip it.
	Guard bool `json:"guard,omitempty"`
	// NoReturn is true if after the step undoing is no longer safe.
	NoReturn   bool   `json:"no_return,omitempty"`
	Compensate string `json:"compensate,omitempty"` // what undoes it, in words
	Approvals  int    `json:"approvals,omitempty"`  // how many people must agree here
	// Abort says where an abort right after this step would leave the world.
	Abort string `json:"abort,omitempty"`
}

// StepOutcome is how an attempt at a step ended.
type StepOutcome string

const (
	Succeeded StepOutcome = "succeeded"
	Failed    StepOutcome = "failed"
	Refused   StepOutcome = "refused" // it looked, and did nothing
	Unclear   StepOutcome = "unknown" // it acted, and what came of it could not be seen
)

// Outcome is how a run ended.
type Outcome string

const (
	OutcomeDone    Outcome = "done"    // what was asked for stands
	OutcomeRefused Outcome = "refused" // nothing was changed
	OutcomeUndone  Outcome = "undone"  // what was changed was put back; the old writer serves
	OutcomeStopped Outcome = "stopped" // half way: a person is needed
)

// StepState is where a step stands.
type StepState string

const (
	StepPending          StepState = "pending"
	StepReady            StepState = "ready"
	StepAwaitingApproval StepState = "awaiting_approval"
	StepRunning          StepState = "running"
	StepUnknown          StepState = "unknown"
	StepSucceeded        StepState = "succeeded"
	StepFailed           StepState = "failed"
	StepSkipped          StepState = "skipped"
	StepCompensating     StepState = "compensating"
	StepCompensated      StepState = "compensated"
)

// RunState is where a run stands.
type RunState string

const (
	RunRunning  RunState = "running"
	RunAwaiting RunState = "awaiting_approval"
	RunPaused   RunState = "paused"
	RunBlocked  RunState = "blocked" // a step failed; a person decides
	RunUndoing  RunState = "undoing"
	RunEnded    RunState = "ended"
)

// Operation is what a person may ask of a run.
type Operation string

const (
	OpApprove Operation = "approve"
	OpDecline Operation = "decline"
	OpPause   Operation = "pause"
	OpResume  Operation = "resume"
	OpRetry   Operation = "retry"
	OpSkip    Operation = "skip"
	OpAbort   Operation = "abort"
)
