package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

// Exit codes, which other people's scripts rely on.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNotReached = 3
	exitWaiting    = 4 // for a person
	exitRefused    = 10
	exitUndone     = 20
	exitStopped    = 30
)

// ran marks the error of a command that was used rightly.
type ran struct{ error }

func (r ran) Unwrap() error { return r.error }

// misused marks an error that the person can mend by calling differently,
// found after the flags were read.
type misused struct{ error }

func usagef(format string, args ...any) error { return misused{fmt.Errorf(format, args...)} }

// ended is the end of a run, or a run that waits for a person. It has been
// told already.
type ended struct{ code int }

func (e ended) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// outcomeCode is what a run's outcome is to a script.
func outcomeCode(o openapi.Outcome) int {
	switch o {
	case openapi.OutcomeDone:
		return exitDone
	case openapi.OutcomeRefused:
		return exitRefused
	case openapi.OutcomeUndone:
		return exitUndone
	}
	return exitStopped
}

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[ended](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[misused](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[ran](err); !ok {
		return exitUsage
	}
	if client.Unreachable(err) {
		return exitNotReached
	}
	return exitFailed
}

// report tells an error on standard error, if it was not told yet, and returns
// the exit code.
func report(root *cobra.Command, err error) int {
	code := exitCode(err)
	_, told := errors.AsType[ended](err)
	switch {
	case err == nil || told:
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(root.ErrOrStderr(), "fairlead: interrupted")
	case code == exitUsage:
		fmt.Fprintf(root.ErrOrStderr(), "fairlead: %v (see fairlead --help)\n", err)
	default:
		fmt.Fprintf(root.ErrOrStderr(), "fairlead: %v\n", err)
	}
	return code
}
