package publish

import (
	"slices"
	"time"

	"fairlead/dns"
	"fairlead/regions"
)

// Status is what a node answers and since when. It is a value; nothing in it
// changes later.
type Status struct {
	Incarnation uint64    `json:"incarnation"`
	Generation  uint64    `json:"generation"`
	Hash        string    `json:"hash"` // equal hashes answer every client alike
	At          time.Time `json:"at"`   // when the answers became these, by this node's clock
	Zones       []Zone    `json:"zones"`
	Problems    []Problem `json:"problems,omitempty"`
	Refused     uint64    `json:"refused"`         // updates of an older generation
	Error       string    `json:"error,omitempty"` // why the newest update was not published
}

// Zone is a zone that is served.
type Zone struct {
	Origin  regions.Name `json:"origin"`
	File    string       `json:"file"`
	Serial  uint32       `json:"serial"`
	Records int          `json:"records"`
	Hash    string       `json:"hash"`
}

// Problem is a part that is not answered as configured.
type Problem struct {
	Name   regions.Name `json:"name,omitempty"` // of a steered name
	Zone   regions.Name `json:"zone,omitempty"` // or of a zone
	Reason string       `json:"reason"`         // with what to do
	Held   bool         `json:"held"`           // the last good answer is still given
}

func (p *Publisher) describe(s *dns.Snapshot, now time.Time) Status {
	st := Status{Hash: s.Hash(), At: now, Problems: slices.Clone(p.problems)}
	st.Incarnation, st.Generation = s.Generation()
	for _, z := range s.Zones() {
		st.Zones = append(st.Zones, Zone{regions.Name(z.Origin), z.File, z.SOA().Serial, len(z.Records), z.Hash})
	}
	for _, q := range s.Quarantined() {
		st.Problems = append(st.Problems, Problem{Name: q.Name, Reason: q.Reason, Held: q.Held})
	}
	return st
}

func (s Status) reasons() []string {
	var out []string
	for _, p := range s.Problems {
		out = append(out, p.Reason)
	}
	return out
}

// news returns what is in after and was not in before, so that a lasting
// problem is told once.
func news(before, after []string) (out []string) {
	for _, reason := range after {
		if !slices.Contains(before, reason) {
			out = append(out, reason)
		}
	}
	return out
}
