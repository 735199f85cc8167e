package runbooks

import "time"

// Runbook is a procedure: what to do, in which order, and what undoes it.
type Runbook struct {
	Name       string `json:"name"`
	Version    int    `json:"version"`
	Title      string `json:"title"`
	About      string `json:"about,omitempty"` // when to use it, for tired people
	Ungraceful bool   `json:"ungraceful,omitempty"`
	// OnFailure says what happens when a step fails for good after something
	// was changed and before the point of no return. Default is Block.
	OnFailure OnFailure `json:"on_failure,omitempty"`
	Params    []Param   `json:"params,omitempty"`
	Steps     []Spec    `json:"steps"`
	Hash      string    `json:"hash"` // SHA-256 of the text it was read from
}

// OnFailure is what a run does about a step that failed for good.
type OnFailure string

const (
	Block OnFailure = "block" // wait for a person: retry, skip or abort
	Undo  OnFailure = "undo"  // take back what was changed, in reverse order
)

// Param is one typed input of a runbook.
type Param struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // one of ParamTypes
	About    string `json:"about,omitempty"`
	Required bool   `json:"required,omitempty"`
	Default  string `json:"default,omitempty"`
}

// Spec is one step as written: either an act of a Kind, or a group.
type Spec struct {
	ID    StepID `json:"id"`
	Kind  string `json:"kind,omitempty"` // "approve", "postgres.promote", "drain", …
	Title string `json:"title,omitempty"`
	// When names a parameter, as ${param}; the step is planned only if that is
	// neither empty nor false nor zero. Empty means always.
	When string            `json:"when,omitempty"`
	With map[string]string `json:"with,omitempty"` // values may use ${param} and ${step.value}

	Timeout time.Duration `json:"timeout"`
	Retries int           `json:"retries,omitempty"`
	Backoff time.Duration `json:"backoff,omitempty"`
	// Compensate undoes the step when the run is aborted or fails later.
	Compensate *Spec `json:"compensate,omitempty"`
	// NoReturn marks the point after which undoing is no longer safe.
	NoReturn bool `json:"no_return,omitempty"`
	// Approvals is how many distinct people an approve step wants.
	Approvals int `json:"approvals,omitempty"`

	Parallel []Spec `json:"parallel,omitempty"`
	Sequence []Spec `json:"sequence,omitempty"`
}

// Group reports whether s is a group of steps and no step itself.
func (s Spec) Group() bool { return len(s.Parallel) > 0 || len(s.Sequence) > 0 }

// Leaves calls f with each step of specs that acts, in the order written, and
// with the identifier of the innermost parallel group it is in.
func Leaves(specs []Spec, f func(s Spec, group string)) { leaves(specs, "", f) }

func leaves(specs []Spec, group string, f func(Spec, string)) {
	for _, s := range specs {
		switch {
		case len(s.Parallel) > 0:
			leaves(s.Parallel, string(s.ID), f)
		case len(s.Sequence) > 0:
			leaves(s.Sequence, group, f)
		default:
			f(s, group)
		}
	}
}
