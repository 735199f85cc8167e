package runbooks

import "fmt"

// Problem is one mistake in a runbook's text, with the place to look at.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 if the text as a whole is meant
	What         string // what is wrong
	Do           string // what to do about it; may be empty
}

// String reads "file:line:column: what is wrong (what to do)".
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.What)
	if p.Do != "" {
		s += " (" + p.Do + ")"
	}
	return s
}

// Error makes a Problem an error.
func (p Problem) Error() string { return p.String() }
