package runbooks

import (
	"maps"
	"slices"
)

// Kind is what must be known of a kind of step to read a runbook that uses
// it. Who carries the step out is known to runbooks/steps alone.
type Kind struct {
	Name  string
	About string  // one line, for people who write runbooks
	With  []Field // what may be given; anything else is a mistake
	// Values are the names that later steps may refer to as ${step.value}.
	Values []string

	Changes     bool // changes the world
	Destructive bool // can do harm that is hard to take back
	Guard       bool // what follows relies on it; never skipped
	Fences      bool // after it the old writer is proved unable to write
	Promotes    bool // makes a new writer: must have a fence before it
	Approves    bool // waits for people instead of acting
}

// Field is one entry that a step's with: may hold.
type Field struct {
	Name     string
	Required bool
	List     bool // a list of texts; kept as a JSON array
}

// Kinds are the known kinds of steps by name.
type Kinds map[string]Kind

// Names returns the names of all kinds, sorted.
func (k Kinds) Names() []string { return slices.Sorted(maps.Keys(k)) }

// ApproveKind is the kind of step that waits for people. The execution itself
// carries it out: an approval is an event, nobody has to act.
const ApproveKind = "approve"
