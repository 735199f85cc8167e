package regions

import "net/netip"

// PolicyKind names a way to choose among the regions that serve.
type PolicyKind string

const (
	Failover PolicyKind = "failover" // the first region of an order that serves
	Weighted PolicyKind = "weighted" // a stable share of clients to each region that serves
	All      PolicyKind = "all"      // every endpoint that serves, in one answer
)

// Panic is what a name answers when nothing of it serves by a sound verdict.
type Panic string

const (
	AnswerAll  Panic = "answer_all"  // everything: better to try than to be sure of nothing
	FailClosed Panic = "fail_closed" // nothing, where a wrong answer does harm
)

// Policy says which clients get which regions while they serve.
type Policy struct {
	Kind    PolicyKind    `json:"kind"`
	Order   []ID          `json:"order,omitempty"`   // failover
	Weights map[ID]int    `json:"weights,omitempty"` // weighted: 0 to 1000, of which 0 is a spare
	Groups  []ClientGroup `json:"groups,omitempty"`  // looked at first, most specific prefix wins
	Panic   Panic         `json:"panic"`
}

// ClientGroup is a set of client networks that prefers its own regions.
type ClientGroup struct {
	Name     string         `json:"name"`
	Prefixes []netip.Prefix `json:"prefixes"`
	Order    []ID           `json:"order,omitempty"`
	Weights  map[ID]int     `json:"weights,omitempty"`
}

// MaxWeight is the largest weight of a region.
const MaxWeight = 1000
