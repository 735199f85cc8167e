package dns

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// Snapshot is everything that is answered at one time. It never changes; any
// number of goroutines may ask it.
type Snapshot struct {
	views  map[string]*view // by apex
	within map[string]*view // views, and nil for each zone that cannot be served
	depths [129]bool        // the label counts of all apexes in within
	names  []steeredName    // sorted by name; shared while the set of names is the same
	slots  []*slot          // parallel to names; nil: not steered
	nsid   []byte

	incarnation, generation uint64
	hash                    string
}

// Option is a property of the server rather than of what it serves.
type Option func(*Snapshot)

// NSID sets the text by which this server tells itself from its twins
// (RFC 5001), also under id.server and hostname.bind in class CH (RFC 4892).
func NSID(text string) Option {
	return func(s *Snapshot) { s.nsid = []byte(text) }
}

// Compile makes a snapshot of zones and a plan. It fails if two zones have the
// same origin; names of the plan that cannot be served do not make it fail,
// see [Snapshot.Quarantined].
func Compile(zones []*zone.Zone, plan steer.Plan, options ...Option) (*Snapshot, error) {
	s := &Snapshot{}
	for _, o := range options {
		o(s)
	}
	if n := len(s.nsid); n > 255 {
		return nil, fault.Invalidf("nsid", "it has %d bytes", n).Do("use at most 255")
	}
	return s.WithZones(zones, plan)
}

// WithZones returns a snapshot of other zones and another plan. Zones that the
// receiver serves already, the same pointer, are not compiled again.
func (s *Snapshot) WithZones(zones []*zone.Zone, plan steer.Plan) (*Snapshot, error) {
	out := &Snapshot{nsid: s.nsid, views: make(map[string]*view, len(zones))}
	for _, z := range zones {
		if twice := out.views[z.Apex]; twice != nil {
			return nil, fault.Invalidf("zone "+z.Origin, "it is loaded twice, from %s and from %s", twice.zone.File, z.File).
				Do("load it once")
		}
		x, err := s.indexOf(z)
		if err != nil {
			return nil, err
		}
		out.views[z.Apex] = &view{index: x}
		out.depths[x.labels] = true
	}
	out.within = out.views
	if err := orderly(plan.Names); err != nil {
		return nil, err
	}
	out.names = overlay(out.views, plan.Names)
	out.fill(s, plan)
	return out, nil
}

func (s *Snapshot) indexOf(z *zone.Zone) (*index, error) {
	if v := s.views[z.Apex]; v != nil && v.zone == z {
		return v.index, nil
	}
	return compileZone(z)
}

// With returns a snapshot that serves another plan. It compiles the names
// whose answers changed and shares all else with the receiver. A name whose
// plan cannot be compiled keeps its answer.
func (s *Snapshot) With(plan steer.Plan) (*Snapshot, error) {
	if err := orderly(plan.Names); err != nil {
		return nil, err
	}
	if !s.sameNames(plan.Names) {
		zones := make([]*zone.Zone, 0, len(s.views))
		for _, v := range s.views {
			zones = append(zones, v.zone)
		}
		out, err := s.WithZones(zones, plan)
		if err != nil {
			return nil, err
		}
		var failing []string
		for apex, v := range s.within {
			if v == nil {
				failing = append(failing, apex)
			}
		}
		out.refuse(failing)
		return out, nil
	}
	out := &Snapshot{nsid: s.nsid, views: s.views, within: s.within, depths: s.depths, names: s.names}
	out.fill(s, plan)
	return out, nil
}

// Failing returns a snapshot that answers SERVFAIL in zones that should be
// served and cannot be. Without it their names would be denied where a zone
// above them is served, and a denial is remembered.
func (s *Snapshot) Failing(origins ...string) (*Snapshot, error) {
	out := *s
	apexes := make([]string, 0, len(origins))
	for _, origin := range origins {
		apex, err := zone.Wire(origin)
		if err != nil {
			return nil, err
		}
		apexes = append(apexes, apex)
	}
	out.refuse(apexes)
	return &out, nil
}

// refuse marks zones that are not served as failing. It is called while the
// snapshot is made.
func (s *Snapshot) refuse(apexes []string) {
	apexes = slices.DeleteFunc(apexes, func(apex string) bool {
		_, known := s.within[apex]
		return known
	})
	if len(apexes) == 0 {
		return
	}
	s.within = maps.Clone(s.within)
	for _, apex := range apexes {
		s.within[apex] = nil
		s.depths[labelCount(apex)] = true
	}
	s.setHash()
}

// Holding returns a snapshot in which the named ones are answered as before
// was, for the given reasons. It is what a publisher does with a name that
// fails its test.
func (s *Snapshot) Holding(before *Snapshot, reasons map[regions.Name]string) *Snapshot {
	out := *s
	out.slots = slices.Clone(s.slots)
	for i, n := range s.names {
		if reason, ok := reasons[n.name]; ok && out.slots[i] != nil {
			out.slots[i] = hold(before.slot(n.name), reason)
		}
	}
	out.setHash()
	return &out
}

// fill compiles the slots, reusing those of before that answer alike.
func (s *Snapshot) fill(before *Snapshot, plan steer.Plan) {
	s.incarnation, s.generation = plan.Incarnation, plan.Generation
	s.slots = make([]*slot, len(plan.Names))
	for i := range plan.Names {
		if s.names[i].view == nil {
			continue
		}
		name := &plan.Names[i]
		old := before.slotNear(i, name.Name)
		if old != nil && old.reason == "" && sameAnswers(&old.from, name) {
			s.slots[i] = old
			continue
		}
		made, err := compileSlot(*name)
		if err != nil {
			made = hold(old, fmt.Sprintf("%s: %v", name.Name, err))
		}
		s.slots[i] = made
	}
	s.setHash()
}

// hold returns old with the reason why it is still served, or, if there is
// none, a slot that answers SERVFAIL: it says "not now" instead of lying.
func hold(old *slot, reason string) *slot {
	if old == nil || len(old.from.Cells) == 0 {
		return &slot{reason: reason}
	}
	kept := *old
	kept.reason, kept.held = reason, true
	return &kept
}

func (s *Snapshot) slot(n regions.Name) *slot {
	if s == nil {
		return nil
	}
	if i, ok := s.find(n); ok {
		return s.slots[i]
	}
	return nil
}

// find returns where a name of the plan is.
func (s *Snapshot) find(n regions.Name) (int, bool) {
	return slices.BinarySearchFunc(s.names, n, func(a steeredName, n regions.Name) int {
		return strings.Compare(string(a.name), string(n))
	})
}

// slotNear is slot with a guess that is right while names stay the same.
func (s *Snapshot) slotNear(i int, n regions.Name) *slot {
	if s != nil && i < len(s.names) && s.names[i].name == n {
		return s.slots[i]
	}
	return s.slot(n)
}

func (s *Snapshot) sameNames(names []steer.Steered) bool {
	return slices.EqualFunc(s.names, names, func(a steeredName, b steer.Steered) bool {
		return a.name == b.Name && a.mode == b.Mode
	})
}

// orderly reports what would be a fault of the planner.
func orderly(names []steer.Steered) error {
	for i := 1; i < len(names); i++ {
		if names[i-1].Name >= names[i].Name {
			return fault.New(fault.Internal, "plan", "its names are not sorted, or %s is there twice", names[i].Name).
				Do("report this; the answers stay as they were")
		}
	}
	return nil
}

// setHash adds the hashes of the parts up, so that it costs nothing to speak
// of for one changed name among many.
func (s *Snapshot) setHash() {
	var sum [16]byte
	add := func(part []byte) {
		for i := range sum {
			sum[i] ^= part[i]
		}
	}
	for apex, v := range s.within {
		if v == nil {
			h := sha256.Sum256([]byte("failing " + apex))
			add(h[:])
			continue
		}
		if h, err := hex.DecodeString(v.zone.Hash); err == nil && len(h) >= len(sum) {
			add(h)
		}
	}
	for _, slot := range s.slots {
		if slot != nil {
			add(slot.hash[:])
		}
	}
	s.hash = hex.EncodeToString(sum[:])
}

// Generation returns which decided state the answers follow.
func (s *Snapshot) Generation() (incarnation, generation uint64) {
	return s.incarnation, s.generation
}

// Hash covers everything the answers depend on but the server's name: two
// nodes that report the same hash answer every client alike.
func (s *Snapshot) Hash() string { return s.hash }

// Zones returns the zones that are served, by origin.
func (s *Snapshot) Zones() []*zone.Zone {
	zones := make([]*zone.Zone, 0, len(s.views))
	for _, v := range s.views {
		zones = append(zones, v.zone)
	}
	slices.SortFunc(zones, func(a, b *zone.Zone) int { return strings.Compare(a.Origin, b.Origin) })
	return zones
}

// Quarantined returns the names of the plan that are not answered as planned,
// each with the reason, by name.
func (s *Snapshot) Quarantined() []Quarantine {
	var out []Quarantine
	for i, n := range s.names {
		if n.reason != "" {
			out = append(out, Quarantine{Name: n.name, Reason: n.reason})
		}
		if slot := s.slots[i]; slot != nil && slot.reason != "" {
			out = append(out, Quarantine{Name: n.name, Reason: slot.reason, Held: slot.held})
		}
	}
	return out
}

// Otherwise says why a name is not answered by the plan that s was compiled
// from, and by what it is answered instead: by what an earlier plan said of
// it, or, where that is nil, by its zone file or with SERVFAIL. Without a
// reason it is answered as planned.
func (s *Snapshot) Otherwise(n regions.Name) (instead *steer.Steered, reason string) {
	i, ok := s.find(n)
	if !ok {
		return nil, ""
	}
	switch slot := s.slots[i]; {
	case s.names[i].reason != "":
		return nil, s.names[i].reason
	case slot == nil || slot.reason == "":
	case slot.held:
		return &slot.from, slot.reason
	default:
		return nil, slot.reason
	}
	return nil, ""
}

// Changed returns the steered names that s answers otherwise than before did.
func (s *Snapshot) Changed(before *Snapshot) []regions.Name {
	var out []regions.Name
	for i, n := range s.names {
		if s.slots[i] != nil && s.slots[i] != before.slotNear(i, n.name) {
			out = append(out, n.name)
		}
	}
	return out
}

// Steered reports whether the name is answered from a plan.
func (s *Snapshot) Steered(n regions.Name) bool {
	slot := s.slot(n)
	return slot != nil && len(slot.from.Cells) > 0
}

// Conflicts says which names could not be steered in these zones, and why,
// without compiling a plan. It is what a configuration is checked with.
func Conflicts(zones []*zone.Zone, names []regions.Name) ([]Quarantine, error) {
	plan := steer.Plan{}
	for _, n := range names {
		plan.Names = append(plan.Names, steer.Steered{Name: n, Mode: regions.Steer})
	}
	slices.SortFunc(plan.Names, func(a, b steer.Steered) int { return strings.Compare(string(a.Name), string(b.Name)) })
	plan.Names = slices.CompactFunc(plan.Names, func(a, b steer.Steered) bool { return a.Name == b.Name })
	s, err := Compile(zones, plan)
	if err != nil {
		return nil, err
	}
	var out []Quarantine
	for _, n := range s.names {
		if n.reason != "" {
			out = append(out, Quarantine{Name: n.name, Reason: n.reason})
		}
	}
	return out, nil
}
