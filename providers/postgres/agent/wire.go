package agent

import (
	"errors"
	"fmt"
	"time"

	"fairlead/regions"
)

// Verbs of the agent. Each is a POST to /v1/<verb> with an [Order].
const (
	VerbStatus  = "status"  // look; with an epoch, also remember it
	VerbStop    = "stop"    // clean stop; may be started again
	VerbStart   = "start"   // start as what the order says
	VerbFence   = "fence"   // off, confirmed, and read-only if started by hand
	VerbStandby = "standby" // configure as a standby of the upstream
	VerbRewind  = "rewind"  // take back what the upstream never had; keeps a copy of it
	VerbReseed  = "reseed"  // replace the data by a copy of the upstream's
)

// Roles a server is started in.
const (
	AsPrimary = "primary"
	AsStandby = "standby"
)

// Order is what a verb is about.
type Order struct {
	Key      string             `json:"key"`
	Database regions.DatabaseID `json:"database"`
	Region   regions.ID         `json:"region"`
	Epoch    regions.Epoch      `json:"epoch"`
	// SystemIdentifier, if given, must be that of the data directory.
	SystemIdentifier string     `json:"system_identifier,omitempty"`
	Planned          bool       `json:"planned,omitempty"`  // fence: only a clean stop will do
	As               string     `json:"as,omitempty"`       // start: AsPrimary or AsStandby
	Upstream         regions.ID `json:"upstream,omitempty"` // standby, rewind, reseed
	Slot             string     `json:"slot,omitempty"`     // standby, reseed: the slot on the upstream
	Brief            bool       `json:"brief,omitempty"`    // status: without control data, for the critical path
	WALEnd           bool       `json:"wal_end,omitempty"`  // status: how far the log of a server goes that is off
	LimitMS          int64      `json:"limit_ms,omitempty"` // at most this long; 0: as configured
}

func (o Order) limit(configured time.Duration) time.Duration {
	if d := time.Duration(o.LimitMS) * time.Millisecond; d > 0 && d < configured {
		return d
	}
	return configured
}

// Status is what the agent sees of its server, and what it remembers.
type Status struct {
	Database regions.DatabaseID `json:"database"`
	Region   regions.ID         `json:"region"`
	Epoch    regions.Epoch      `json:"epoch"`             // the newest ever seen
	Running  bool               `json:"running"`           // a process holds the data directory
	Frozen   bool               `json:"frozen,omitempty"`  // that process is stopped by a signal
	Ready    bool               `json:"ready"`             // it says that it accepts connections
	PID      int                `json:"pid,omitempty"`     // of the postmaster
	Standby  bool               `json:"standby"`           // standby.signal lies in the data directory
	Fence    *Fence             `json:"fence,omitempty"`   // the fence that was ordered, if any
	Fenced   bool               `json:"fenced"`            // ordered, marked, and nothing runs
	Torn     bool               `json:"torn,omitempty"`    // a rewind began and did not end: only a reseed helps
	Control  *Control           `json:"control,omitempty"` // absent in a brief status
	WALEnd   string             `json:"wal_end,omitempty"` // an LSN; only if asked for, and off
	Detail   string             `json:"detail"`            // what happened, or what is so, in words
}

// Fence is the agent's durable record of a fence.
type Fence struct {
	Epoch      regions.Epoch `json:"epoch"`
	Key        string        `json:"key"`
	At         time.Time     `json:"at"`          // by this machine's clock, for people
	WasPrimary bool          `json:"was_primary"` // it was a writer, so a person may want it back as one
	Planned    bool          `json:"planned"`
}

// Primary reports whether the server, as far as control data tell, is or was
// last a primary.
func (s Status) Primary() bool {
	return !s.Standby && s.Control != nil && s.Control.State != "in archive recovery" && s.Control.State != "shut down in recovery"
}

// sentence says what is so, in words.
func (s Status) sentence() string {
	what := "not running"
	switch {
	case s.Frozen:
		what = fmt.Sprintf("frozen (process %d is stopped)", s.PID)
	case s.Running && s.Ready:
		what = fmt.Sprintf("running (process %d)", s.PID)
	case s.Running:
		what = fmt.Sprintf("running (process %d), not accepting connections", s.PID)
	}
	if s.Fenced {
		what += fmt.Sprintf(", fenced under epoch %s", s.Fence.Epoch)
	} else if s.Fence != nil && s.Standby && s.Control != nil && s.Control.State == "in archive recovery" {
		what += fmt.Sprintf(", fenced under epoch %s and started by somebody: it is read-only", s.Fence.Epoch)
	} else if s.Fence != nil {
		what += fmt.Sprintf(", a fence under epoch %s was ordered and is not complete", s.Fence.Epoch)
	}
	if s.Standby && s.Fence == nil {
		what += ", marked as a standby"
	}
	if s.Torn {
		what += ", its data are torn: a rewind began and did not end"
	}
	if s.Control != nil {
		what += fmt.Sprintf("; control data: %s, timeline %d, latest checkpoint %s", s.Control.State, s.Control.Timeline, s.Control.Checkpoint)
	}
	return fmt.Sprintf("%s in %s: %s", s.Database, s.Region, what)
}

// problem is how the agent tells what went wrong.
type problem struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
	// Untouched is true if the verb had not begun to change anything.
	Untouched bool `json:"untouched,omitempty"`
}

type untouched struct{ error }

func (e untouched) Unwrap() error { return e.error }

// Untouched marks an error after which it is certain that the verb had not
// begun to change anything: the order was refused, or never left us. An error
// that is not marked says nothing of what was done.
func Untouched(err error) error {
	if err == nil {
		return nil
	}
	return untouched{err}
}

// IsUntouched reports whether err was marked by [Untouched], here or by the
// agent at the other end.
func IsUntouched(err error) bool {
	_, ok := errors.AsType[untouched](err)
	return ok
}
