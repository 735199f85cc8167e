package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fairlead/regions/fault"
)

// Problem is one thing that is wrong with a configuration, and where.
type Problem struct {
	File   string
	Line   int // from 1; 0 if it is about the whole file
	Column int // from 1
	What   string
	Remedy string
}

// String reads like "fairlead.yaml:4:7: unknown key "intervall" (did you mean
// interval?)". What is about the whole file is said at its beginning.
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, max(p.Line, 1), max(p.Column, 1), p.What)
	if p.Remedy != "" {
		s += " (" + p.Remedy + ")"
	}
	return s
}

// Problems is everything that is wrong with a configuration.
type Problems []Problem

// Error names every problem, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets a caller see that the configuration is the one to mend.
func (ps Problems) Unwrap() error {
	return fault.Invalidf("configuration", "%d problems", len(ps))
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}
