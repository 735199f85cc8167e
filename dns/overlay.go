package dns

import (
	"fmt"
	"strings"

	mdns "github.com/miekg/dns"

	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// view is a zone as one set of steered names sees it: the shared static index
// under a thin layer of the names that are steered and those they bring into
// being above themselves.
type view struct {
	*index
	steered     map[string]*node
	steeredWild bool
}

// steeredName is where a name of the plan went.
type steeredName struct {
	name   regions.Name
	mode   regions.Mode
	view   *view  // nil: nowhere
	reason string // why nowhere; empty for an observed name
}

// Quarantine is a name of the plan that is not answered as planned, and why.
type Quarantine struct {
	Name   regions.Name
	Reason string // a sentence with what to do
	// Held is true where the name is still answered, from the plan before.
	Held bool
}

// overlay lays the plan's names over the zones. One that cannot be served is
// put aside and disturbs nothing.
func overlay(views map[string]*view, names []steer.Steered) []steeredName {
	out := make([]steeredName, len(names))
	for i, s := range names {
		out[i] = steeredName{name: s.Name, mode: s.Mode}
		if s.Mode == regions.Observe {
			continue // judged and reported; the zone file goes on answering
		}
		wire, v, reason := place(views, s.Name)
		if reason != "" {
			out[i].reason = reason
			continue
		}
		out[i].view = v
		v.lay(wire, int32(i))
	}
	return out
}

// place finds the zone of a name, or says why the name cannot be steered.
func place(views map[string]*view, n regions.Name) (wire string, v *view, reason string) {
	wire, err := zone.Wire(string(n))
	if err != nil {
		return "", nil, err.Error()
	}
	if v = zoneOf(views, wire); v == nil {
		return "", nil, fmt.Sprintf("%s is in none of the zones that are served (add its zone, or correct the name)", n)
	}
	for name := wire; ; name = parent(name) {
		if at := v.nodes[name]; at != nil && at.top != nil {
			what := "below the delegation of"
			if !at.top.cut {
				what = "redirected by the DNAME record of"
			}
			if at.top.cut || at.top.name != wire {
				return "", nil, fmt.Sprintf("%s is %s %s in zone %s, so this zone does not answer it (steer it where it is delegated to, or remove that record)",
					n, what, presentation(at.top.name), v.zone.Origin)
			}
		}
		if name == v.apex {
			break
		}
	}
	if v.steered[wire] != nil && v.steered[wire].slot >= 0 {
		return "", nil, fmt.Sprintf("%s is steered by another service already (give one of them another name)", n)
	}
	if at := v.nodes[wire]; at != nil {
		for _, t := range []uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeCNAME} {
			if at.set(t) == nil {
				continue
			}
			line, _ := v.zone.Has(wire, t)
			return "", nil, fmt.Sprintf("%s has a static %s record at %s:%d, which goes on being answered (remove that record to steer the name, or set the service's mode to observe)",
				n, mdns.Type(t), v.zone.File, line)
		}
	}
	return wire, v, ""
}

// zoneOf returns the deepest zone around a name.
func zoneOf(views map[string]*view, wire string) *view {
	for name := wire; ; name = parent(name) {
		if v := views[name]; v != nil {
			return v
		}
		if name == "\x00" {
			return nil
		}
	}
}

// lay adds a steered name; other static data at the name stays.
func (v *view) lay(wire string, slot int32) {
	n := newNode(wire, slot)
	for _, under := range []*node{v.nodes[wire], v.steered[wire]} {
		if under != nil {
			n.sets, n.top = under.sets, under.top
		}
	}
	if v.steered == nil {
		v.steered = make(map[string]*node)
	}
	v.steered[wire] = n
	v.steeredWild = v.steeredWild || strings.HasPrefix(wire, "\x01*")
	for wire != v.apex {
		wire = parent(wire)
		if v.nodes[wire] != nil || v.steered[wire] != nil {
			break
		}
		v.steered[wire] = newNode(wire, -1)
	}
}

// presentation writes a wire name for people.
func presentation(wire string) string {
	s, _, err := mdns.UnpackDomainName([]byte(wire), 0)
	if err != nil {
		return fmt.Sprintf("%q", wire)
	}
	return s
}
