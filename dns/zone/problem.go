package zone

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a zone file.
type Problem struct {
	File         string
	Line, Column int // count from 1
	Text         string
	Remedy       string // what to do; may be empty
}

// Error reads file:line:column: what is wrong (what to do).
func (p Problem) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	if p.Remedy != "" {
		s += " (" + p.Remedy + ")"
	}
	return s
}

// Problems is everything that is wrong with a zone file, in the file's order.
// It is the error that [Parse] returns.
type Problems []Problem

// Error has a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds the report: a file that is not a zone at all would
// otherwise complain about each of its lines.
const maxProblems = 20

// report collects problems while a file is read.
type report struct {
	file  string
	found Problems
	more  int
}

func (r *report) add(line, column int, remedy, format string, args ...any) {
	if len(r.found) == maxProblems {
		r.more++
		return
	}
	r.found = append(r.found, Problem{r.file, line, max(column, 1), fmt.Sprintf(format, args...), remedy})
}

// err returns what was found, or nil.
func (r *report) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if r.more > 0 {
		last := r.found[len(r.found)-1]
		r.found = append(r.found, Problem{r.file, last.Line, last.Column,
			fmt.Sprintf("%d more problems are not shown", r.more), "mend these first"})
	}
	return r.found
}
