package regions

import (
	"fmt"
	"strings"

	"fairlead/regions/fault"
)

// BreakGlass is what people have ordered by signature, past the store: what a
// node steers by until a later bundle replaces it, or a person ends it in the
// store. It moves traffic only; a writer is moved by an epoch alone. Treat it
// as immutable.
type BreakGlass struct {
	ID          string       `json:"id"`
	Incarnation uint64       `json:"incarnation"` // of the cluster it was made for
	Sequence    uint64       `json:"sequence"`    // a later one replaces an earlier one
	By          []string     `json:"by"`          // who signed
	Why         string       `json:"why"`
	Orders      []GlassOrder `json:"orders"`
}

// GlassAct is what an order of a bundle does.
type GlassAct string

const (
	GlassDrain GlassAct = "drain"      // out, and answered only if nothing else is left
	GlassDown  GlassAct = "force-down" // out, whatever is measured
	GlassUp    GlassAct = "force-up"   // in, whatever is measured
)

// GlassOrder is one order of a bundle.
type GlassOrder struct {
	Act     GlassAct  `json:"act"`
	Region  ID        `json:"region"`
	Service ServiceID `json:"service,omitempty"` // empty: all of the region
}

// String reads like "drain us-east" or "force-up www in us-east".
func (o GlassOrder) String() string {
	return fmt.Sprintf("%s %s", o.Act, Scope{o.Region, o.Service})
}

// State is what the order makes of its scope.
func (o GlassOrder) State() State {
	if o.Act == GlassUp {
		return Up
	}
	return Down
}

// ParseGlassOrder reads "drain us-east" or "force-up us-east/www".
func ParseGlassOrder(text string) (GlassOrder, error) {
	act, scope, _ := strings.Cut(strings.TrimSpace(text), " ")
	region, service, _ := strings.Cut(strings.TrimSpace(scope), "/")
	o := GlassOrder{GlassAct(act), ID(region), ServiceID(service)}
	return o, o.check()
}

func (o GlassOrder) check() error {
	switch {
	case o.Act != GlassDrain && o.Act != GlassDown && o.Act != GlassUp:
		return fault.Invalidf("break-glass order "+string(o.Act), "is none that a bundle can carry").
			Do("use drain, force-down or force-up; a writer is moved by a run alone")
	case o.Region == "":
		return fault.Invalidf("break-glass order "+string(o.Act), "names no region").Do(`write it like "drain us-east" or "drain us-east/www"`)
	}
	return nil
}

// Check says what of b cannot be carried out in a fleet.
func (b *BreakGlass) Check(f *Fleet) error {
	seen := map[Scope]GlassOrder{}
	for _, o := range b.Orders {
		if err := o.check(); err != nil {
			return err
		}
		scope := Scope{o.Region, o.Service}
		if other, twice := seen[scope]; twice {
			return fault.Invalidf("break-glass bundle "+b.ID, "says both %s and %s", other, o).Do("make a bundle that says one of them")
		}
		seen[scope] = o
		if f == nil {
			continue
		}
		if _, ok := f.Region(o.Region); !ok {
			return fault.NotFoundf("region "+string(o.Region), "there is none of that name in the fleet that this node knows").Do("see fairlead status for the names")
		}
		if o.Service == "" {
			continue
		}
		s, ok := f.Service(o.Service)
		if !ok {
			return fault.NotFoundf("service "+string(o.Service), "there is none of that name in the fleet that this node knows").Do("see fairlead status for the names")
		}
		if db, pinned := s.Pinned(); pinned {
			return fault.Invalidf("service "+string(o.Service), "follows the writer of database %s, which only an epoch moves", db).
				Do("leave it out of the bundle; move the writer by a run once decisions can be made")
		}
	}
	return nil
}

// Rule returns the order that rules a service in a region: one that names the
// service beats one that does not. With no service, the one of the whole
// region. A nil BreakGlass orders nothing.
func (b *BreakGlass) Rule(region ID, service ServiceID) (rule GlassOrder, ok bool) {
	if b == nil {
		return GlassOrder{}, false
	}
	for _, o := range b.Orders {
		if o.Region != region {
			continue
		}
		if o.Service == service {
			return o, true
		}
		if o.Service == "" {
			rule, ok = o, true
		}
	}
	return rule, ok
}

// Because is why what an order rules is as it is.
func (b *BreakGlass) Because(o GlassOrder) string {
	word := map[GlassAct]string{GlassDrain: "drained", GlassDown: "forced down", GlassUp: "forced up"}[o.Act]
	return fmt.Sprintf("%s by break-glass bundle %s, signed by %s: %s", word, b.ID, strings.Join(b.By, " and "), b.Why)
}

// GlassEnd is the last bundle that a person has ended in the store.
type GlassEnd struct {
	Incarnation uint64 `json:"incarnation"`
	Sequence    uint64 `json:"sequence"`
	By          string `json:"by"`
	Why         string `json:"why"`
}

// After reports whether e ends bundles that other does not. A nil end ends
// none.
func (e *GlassEnd) After(other *GlassEnd) bool {
	if e == nil || other == nil {
		return e != nil
	}
	if e.Incarnation != other.Incarnation {
		return e.Incarnation > other.Incarnation
	}
	return e.Sequence > other.Sequence
}

// After returns b as it rules beside what was ended: nil if it was.
func (b *BreakGlass) After(end *GlassEnd) *BreakGlass {
	if b == nil || len(b.Orders) == 0 {
		return nil
	}
	if end != nil && (b.Incarnation < end.Incarnation || b.Incarnation == end.Incarnation && b.Sequence <= end.Sequence) {
		return nil
	}
	return b
}
