package steer

import (
	"fmt"
	"net/netip"
	"time"

	"fairlead/regions"
)

// Explanation says what one client gets for one name, and why. It is read
// from a plan alone, by the way that answers take.
type Explanation struct {
	Name        regions.Name      `json:"name"`
	Found       bool              `json:"found"` // false: no steered name
	Service     regions.ServiceID `json:"service,omitempty"`
	Mode        regions.Mode      `json:"mode,omitempty"`
	Incarnation uint64            `json:"incarnation"`
	Generation  uint64            `json:"generation"`

	Client netip.Prefix       `json:"client"` // as far as it matters
	Group  string             `json:"group,omitempty"`
	Bucket int                `json:"bucket"` // -1 where no cohorts are told apart
	Scope  int                `json:"scope"`  // bits of the client's address that mattered
	TTL    time.Duration      `json:"ttl"`
	Answer []regions.Endpoint `json:"answer"` // what the client gets; none: no address

	Decided  Precedence `json:"decided,omitempty"`
	Because  string     `json:"because"`
	Rules    []Rule     `json:"rules,omitempty"` // highest first
	Standing []Standing `json:"standing,omitempty"`
}

// Rule is what one rule had to say.
type Rule struct {
	Rule    Precedence `json:"rule"`
	Says    string     `json:"says"`
	Decided bool       `json:"decided"` // it had the last word
}

// Explain says what a client gets for a name. It reads what answers are
// compiled from and nothing else, through [Steered.Choose].
func (p Plan) Explain(name regions.Name, client netip.Prefix) Explanation {
	x := Explanation{Name: name, Incarnation: p.Incarnation, Generation: p.Generation, Client: Client(client), Bucket: -1}
	s, ok := p.Name(name)
	if !ok {
		x.Because = fmt.Sprintf("%s is not a steered name; its zone file alone says what it answers", name)
		return x
	}
	x.Found, x.Service, x.Mode, x.TTL, x.Standing = true, s.Service, s.Mode, s.TTL, s.Standing
	choice := s.Choose(client)
	x.Scope = choice.Scope
	if choice.Set >= 0 {
		x.Answer = s.Sets[choice.Set].Endpoints
	}
	if choice.Cell >= len(s.Cells) {
		return x
	}
	cell := &s.Cells[choice.Cell]
	x.Group, x.Decided, x.Because = cell.Group, cell.Decided, cell.Because
	if len(cell.Thresholds) > 1 {
		x.Bucket = choice.Bucket
	}
	if s.Mode == regions.Observe {
		x.Because = "only observed, so the zone file answers; if it were steered: " + x.Because
	}
	for _, rule := range PrecedenceOrder() {
		x.Rules = append(x.Rules, Rule{Rule: rule, Says: p.says(rule, s, cell), Decided: rule == cell.Decided})
	}
	return x
}

// says is a rule's word on a name, in the past tense of a decision.
func (p *Plan) says(rule Precedence, s *Steered, cell *Cell) string {
	if rule == cell.Decided {
		return cell.Because
	}
	switch rule {
	case ByInterlock:
		return "the name follows no writer"
	}
	if s.Database != "" {
		return "has no say: the name follows a writer"
	}
	for i := range s.Standing {
		if st := &s.Standing[i]; st.Decided == rule && (!st.In || rule == ByOverride || rule == ByBreakGlass) {
			return fmt.Sprintf("%s: %s", st.Endpoint, st.Because)
		}
	}
	switch rule {
	case ByBreakGlass:
		return "nobody has broken glass here"
	case ByOverride:
		return "no override stands"
	case ByFreeze:
		if p.Freeze != nil {
			return fmt.Sprintf("frozen by %s: %s; it keeps nothing of this name out", p.Freeze.By, p.Freeze.Why)
		}
		return "nothing is frozen"
	case ByHealth:
		return "nothing of it is down"
	}
	return "takes what the rules above leave"
}
