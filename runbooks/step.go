package runbooks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/regions"
)

// Step is one thing that a run does.
//
// Every implementation owes the following. Observe and Verify change nothing.
// Act is harmless twice under one [Scope.Key]. All three return soon after
// their context ends. What could not be seen is [CannotTell], never a guess.
type Step interface {
	// Describe is the line an operator approves.
	Describe() string
	// Observe says whether what the step wants is already so. After a crash it
	// alone decides whether Act runs again.
	Observe(context.Context, Scope) (Seen, error)
	// Act brings it about. An error does not mean that nothing happened,
	// unless [Refuse] or [NotBegun] made it; Observe tells.
	Act(context.Context, Scope) error
	// Verify is proof, from outside the step. It may answer [NotYet], and is
	// then asked again until the step's time is up.
	Verify(context.Context, Scope) error
}

// Seen is what Observe saw.
type Seen uint8

const (
	CannotTell Seen = iota
	NotDone
	IsDone
)

// SeenIf is IsDone or NotDone.
func SeenIf(done bool) Seen {
	if done {
		return IsDone
	}
	return NotDone
}

// String returns "done", "not done" or "cannot tell".
func (s Seen) String() string {
	return [...]string{"cannot tell", "not done", "done"}[min(s, IsDone)]
}

// Scope is what a step may know of the run it is part of.
type Scope struct {
	Key          string // the same for each repetition of one attempt: what is done under it is done once
	Execution    ExecutionID
	Step         StepID
	Attempt      int
	Compensating bool
	// Fresh is true if nothing of this step has ever gone out, so that there
	// is nothing to look for.
	Fresh bool

	By, Why   string   // who started the run and for which reason
	Approvers []string // who has agreed to its plan so far
	Start     *Start
	Epoch     regions.Epoch // the newest that the run knows: every act carries it

	found *Found
}

// NewScope returns sc with a place for what the step finds.
func NewScope(sc Scope) (Scope, *Found) {
	sc.found = &Found{}
	return sc, sc.found
}

// Answers reports whether a person answers for the run: started it, or has
// agreed to its plan.
func (s Scope) Answers(person string) bool {
	return slices.ContainsFunc(append([]string{s.By}, s.Approvers...), func(name string) bool { return strings.EqualFold(name, person) })
}

// Note adds a sentence to the step's evidence.
func (s Scope) Note(format string, args ...any) {
	if s.found != nil {
		s.found.note(fmt.Sprintf(format, args...))
	}
}

// Set gives a value to later steps and to the receipt.
func (s Scope) Set(name, value string) {
	if s.found != nil {
		s.found.set(name, value)
	}
}

// SetAll gives several values.
func (s Scope) SetAll(values map[string]string) {
	for name, value := range values {
		s.Set(name, value)
	}
}

// Sleep waits for d, or fails when ctx ends.
func (s Scope) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Found collects what a step finds while it runs. It may be used from several
// goroutines.
type Found struct {
	mu     sync.Mutex
	notes  []string
	values map[string]string
}

func (f *Found) note(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.notes); s == "" || n > 0 && f.notes[n-1] == s {
		return
	}
	f.notes = append(f.notes, s)
}

func (f *Found) set(name, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.values == nil {
		f.values = map[string]string{}
	}
	f.values[name] = value
}

// Detail returns what was noted, as one line.
func (f *Found) Detail() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.notes, "; ")
}

// Values returns what was set.
func (f *Found) Values() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.values)
}

type notYet struct{ why string }

func (e notYet) Error() string { return e.why }

// NotYet is Verify's answer when the proof has not come, but may.
func NotYet(format string, args ...any) error { return notYet{fmt.Sprintf(format, args...)} }

// IsNotYet reports whether err says that the proof may still come.
func IsNotYet(err error) bool {
	_, ok := errors.AsType[notYet](err)
	return ok
}

type refusal struct{ err error }

func (e refusal) Error() string { return e.err.Error() }
func (e refusal) Unwrap() error { return e.err }

// Refuse marks err as a refusal: the step looked, and is certain that it
// changed nothing.
func Refuse(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}

type notBegun struct{ err error }

func (e notBegun) Error() string { return e.err.Error() }
func (e notBegun) Unwrap() error { return e.err }

// NotBegun marks err as a failure before anything was begun: nothing was
// changed, as with [Refuse], but trying again may do.
func NotBegun(err error) error {
	if err == nil {
		return nil
	}
	return notBegun{err}
}

// IsNotBegun reports whether err was marked by [NotBegun].
func IsNotBegun(err error) bool {
	_, ok := errors.AsType[notBegun](err)
	return ok
}

// IsRefusal reports whether err was marked by [Refuse].
func IsRefusal(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}
