// Package fault is the vocabulary in which Fairlead tells people what is
// wrong.
//
// An [Error] is addressed to someone: it names its subject, says what is
// wrong in one clause and what to do now. Its [Kind] says who can mend it,
// and that is all a caller may branch on; the program maps a Kind to an HTTP
// status or an exit code in exactly one place each.
//
// The package imports nothing of Fairlead, so everything may import it.
package fault

import (
	"errors"
	"fmt"
)

// Kind says who can mend a fault.
type Kind uint8

const (
	Internal    Kind = iota // we can: a bug, or state that should not exist
	Invalid                 // the caller can: as asked, it could never succeed
	NotFound                // the caller can: the thing named is absent
	Conflict                // the caller can: look again, then ask again
	Denied                  // an administrator can
	Unavailable             // time can: safe to retry unchanged
)

var kindNames = [...]string{"internal", "invalid", "not_found", "conflict", "denied", "unavailable"}

// String returns the kind's name on the wire, such as "not_found".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Internal]
}

// ParseKind is the inverse of [Kind.String]; what it does not know is
// Internal.
func ParseKind(s string) Kind {
	for k, name := range kindNames {
		if name == s {
			return Kind(k)
		}
	}
	return Internal
}

// Error is a fault that an operator will read, perhaps at three in the
// morning.
type Error struct {
	Kind    Kind
	Subject string // what it is about: "region eu-west", "runbook failover, step 3"
	Problem string // what is wrong, in one clause
	Remedy  string // what to do now; empty if there is nothing to do
	Err     error  // the cause, for logs and errors.Is; may be nil
}

// Error reads as one line: subject: problem: cause (remedy).
func (e *Error) Error() string {
	s := e.Problem
	if e.Subject != "" {
		s = e.Subject + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += " (" + e.Remedy + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Do returns e with the remedy set: what the reader should do now.
func (e *Error) Do(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// Because returns e with its cause set.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// New makes a fault of the given kind; the problem is formatted.
func New(kind Kind, subject, format string, args ...any) *Error {
	return &Error{Kind: kind, Subject: subject, Problem: fmt.Sprintf(format, args...)}
}

// Invalidf is a fault that the caller can mend by asking differently.
func Invalidf(subject, format string, args ...any) *Error {
	return New(Invalid, subject, format, args...)
}

// NotFoundf is a fault about a thing that is absent.
func NotFoundf(subject, format string, args ...any) *Error {
	return New(NotFound, subject, format, args...)
}

// Conflictf is a fault about a world that has moved: look again, then ask
// again.
func Conflictf(subject, format string, args ...any) *Error {
	return New(Conflict, subject, format, args...)
}

// Deniedf is a fault that an administrator can mend.
func Deniedf(subject, format string, args ...any) *Error {
	return New(Denied, subject, format, args...)
}

// Unavailablef is a fault that time can mend; asking again unchanged is safe.
func Unavailablef(subject, format string, args ...any) *Error {
	return New(Unavailable, subject, format, args...)
}

// Of returns the kind of err: that of the outermost [Error] in its chain, or
// Internal.
func Of(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind. A nil error is none.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}
