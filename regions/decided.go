package regions

import "time"

// Decided is everything that people have decided and that answers depend on,
// as of one generation. It travels to every node and lies on every node's
// disk: a node that has it needs nobody to fail over. Treat it as immutable.
type Decided struct {
	Incarnation uint64 `json:"incarnation"` // rises when a cluster is recovered without its quorum
	Generation  uint64 `json:"generation"`  // the store's revision at which any of this last changed
	// Cluster is drawn when the store of a cluster begins, and outlives it:
	// what people sign for one cluster is worth nothing in another.
	Cluster string `json:"cluster,omitempty"`

	Fleet     *Fleet                     `json:"fleet"`
	FleetHash string                     `json:"fleet_hash"` // of the configuration's content
	Overrides []Override                 `json:"overrides,omitempty"`
	Writers   map[DatabaseID]SignedEpoch `json:"writers,omitempty"`
	// Restored holds, for each region that a person has let back, the
	// generation of that decision. It releases latches older than itself.
	Restored map[ID]uint64 `json:"restored,omitempty"`
	Freeze   *Freeze       `json:"freeze,omitempty"`
	// GlassEnd is the last break-glass bundle that a person has ended in
	// writing: neither it nor one before it rules on any node.
	GlassEnd *GlassEnd `json:"glass_end,omitempty"`
}

// Newer reports whether d is a later decision than other.
func (d *Decided) Newer(other *Decided) bool {
	if d == nil || other == nil {
		return d != nil
	}
	if d.Incarnation != other.Incarnation {
		return d.Incarnation > other.Incarnation
	}
	return d.Generation > other.Generation
}

// Freeze stops automatic changes of answers until a person, or its end, lifts
// it. Taking out what is dead goes on.
type Freeze struct {
	By    string    `json:"by"`
	Why   string    `json:"why"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Alarm is something a person should look at.
type Alarm struct {
	ID       string    `json:"id"` // the same for the same trouble, so that it can be told once
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject"`
	Sentence string    `json:"sentence"`
	Remedy   string    `json:"remedy"`
	Since    time.Time `json:"since"`
}

// Severity orders alarms.
type Severity string

const (
	Warning  Severity = "warning"  // look today
	Critical Severity = "critical" // users suffer, or the next failure will hurt them
)
