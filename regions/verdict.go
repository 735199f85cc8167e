package regions

import "time"

// Verdict is what a node believes of one endpoint or database member, for
// steering and for people.
type Verdict struct {
	Target    TargetID      `json:"target"`
	Region    ID            `json:"region"`
	Measured  State         `json:"measured"`  // what the vantage points say
	Effective State         `json:"effective"` // what is steered by
	Horizon   time.Duration `json:"horizon"`   // how soon another verdict could come at the earliest
	Because   string        `json:"because"`   // in words: "2 of 3 vantage points: connection refused"
	Since     time.Time     `json:"since"`     // when Measured last changed, by this node's clock
	Latency   time.Duration `json:"latency"`   // median over the vantage points; 0 if unknown
	Voices    []Voice       `json:"voices,omitempty"`
}

// Voice is one vantage point's part in a verdict.
type Voice struct {
	Node    NodeID        `json:"node"`
	Region  ID            `json:"region"`
	State   State         `json:"state"`
	Because string        `json:"because"`
	Age     time.Duration `json:"age"` // since it was heard
	Latency time.Duration `json:"latency"`
}

// RegionVerdict is what a node believes of a region as a whole. A region is
// Down when everything in it that answers steer to is.
type RegionVerdict struct {
	State   State     `json:"state"`
	Because string    `json:"because"`
	Since   time.Time `json:"since"` // when State last changed, by this node's clock
	// Withdrawn is when the region was last judged down in error: moments
	// later so much else failed that the node doubted its own sight. What was
	// done because of that verdict is to be undone. Zero if there is nothing
	// to undo.
	Withdrawn time.Time `json:"withdrawn,omitzero"`
}
