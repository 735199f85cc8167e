package steer

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
)

// World holds everything that a decision may depend on. Treat it, and what it
// points to, as immutable.
type World struct {
	Incarnation uint64                               `json:"incarnation"`
	Generation  uint64                               `json:"generation"`
	Fleet       *regions.Fleet                       `json:"fleet,omitempty"`
	Verdicts    map[regions.TargetID]regions.Verdict `json:"verdicts,omitempty"`
	// Regions holds the measured state of each region as a whole.
	Regions   map[regions.ID]RegionVerdict         `json:"regions,omitempty"`
	Writers   map[regions.DatabaseID]regions.Epoch `json:"writers,omitempty"`
	Overrides []regions.Override                   `json:"overrides,omitempty"`
	Restored  map[regions.ID]uint64                `json:"restored,omitempty"`
	Freeze    *regions.Freeze                      `json:"freeze,omitempty"`
	// BreakGlass is what people have ordered past the store; nil: nothing.
	BreakGlass *regions.BreakGlass `json:"break_glass,omitempty"`
	// Ramps holds, in 10,000ths, how much of its traffic a returning region
	// may have; a region that is absent may have all.
	Ramps map[regions.ID]int `json:"ramps,omitempty"`
	// Demand holds requests per second by region; nil while nobody measures.
	Demand map[regions.ID]float64 `json:"demand,omitempty"`
	// Alarms are those of the judgement, such as self-doubt. The plan repeats
	// them.
	Alarms []regions.Alarm `json:"alarms,omitempty"`
}

// RegionVerdict is what is measured of a region as a whole.
type RegionVerdict = regions.RegionVerdict

// Plan says what every steered name answers to every client. Treat it as
// immutable; [Decide] shares what has not changed between plans.
type Plan struct {
	Incarnation uint64    `json:"incarnation"`
	Generation  uint64    `json:"generation"`
	Names       []Steered `json:"names,omitempty"` // sorted by Name
	// Latched holds the regions that this node has taken out as a whole, with
	// what it knew when it did. Only a later decision to restore the region
	// releases the latch.
	Latched map[regions.ID]Latch `json:"latched,omitempty"`
	// Waiting holds the endpoints that are kept out by what was before, and by
	// nothing that is: a freeze let them not return, or they were added and
	// still await their first verdict.
	Waiting map[regions.TargetID]bool `json:"waiting,omitempty"`
	// Writers holds the newest epoch this node has ever planned with.
	Writers map[regions.DatabaseID]regions.Epoch `json:"writers,omitempty"`
	Freeze  *regions.Freeze                      `json:"freeze,omitempty"`
	Regions []RegionView                         `json:"regions,omitempty"` // in the order of the fleet
	Alarms  []regions.Alarm                      `json:"alarms,omitempty"`  // critical first

	memo *memo // what the next Decide may take over; never part of the meaning
}

// Latch is the decided state that a node knew when it took a region out.
type Latch struct {
	Incarnation uint64 `json:"incarnation"`
	Generation  uint64 `json:"generation"`
}

// RegionView is how a plan treats a region, for people.
type RegionView struct {
	Region       regions.ID    `json:"region"`
	Measured     regions.State `json:"measured"`
	Effective    regions.State `json:"effective"`
	Because      string        `json:"because"`
	Latched      bool          `json:"latched,omitempty"`
	LatchedSince time.Time     `json:"latched_since,omitzero"` // by this node's clock
}

// Steered is one steered name: its distinct answers and who gets which.
type Steered struct {
	Name    regions.Name      `json:"name"`
	Service regions.ServiceID `json:"service"`
	Mode    regions.Mode      `json:"mode"` // an observed name is planned but never answered
	TTL     time.Duration     `json:"ttl"`
	// Database is what the name is pinned to, and Writer the epoch it
	// follows; Writer is nil while none is known.
	Database regions.DatabaseID `json:"database,omitempty"`
	Writer   *regions.Epoch     `json:"writer,omitempty"`
	Sets     []Set              `json:"sets"`
	// Cells are the client groups; the last one has no prefixes and is
	// everyone else.
	Cells []Cell `json:"cells"`
	// Standing says for each endpoint why it is in or out.
	Standing []Standing `json:"standing"`
}

// Set is one distinct answer.
type Set struct {
	Endpoints []regions.Endpoint `json:"endpoints"`
}

// Cell is a client group and what its members get.
type Cell struct {
	Group    string         `json:"group"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
	// Thresholds divide the group's buckets, 0 to 9,999, in rising order; the
	// last one is Buckets. At most MaxThresholds. None: no answer at all, which
	// only a policy that fails closed, or a name without any endpoint, has.
	Thresholds []Threshold `json:"thresholds"`
	Decided    Precedence  `json:"decided"` // which rule had the last word
	Because    string      `json:"because"` // in words
}

// Threshold gives all buckets below Below, and not below the threshold
// before, the set of that index.
type Threshold struct {
	Below int `json:"below"`
	Set   int `json:"set"`
}

// Standing is an endpoint's place in the plan.
type Standing struct {
	Endpoint  regions.TargetID `json:"endpoint"`
	Region    regions.ID       `json:"region"`
	Measured  regions.State    `json:"measured"`
	Effective regions.State    `json:"effective"`
	In        bool             `json:"in"`       // users may be sent to it
	Answered  bool             `json:"answered"` // some client is
	Decided   Precedence       `json:"decided"`
	Because   string           `json:"because"`
}

// Precedence names the rules, highest first.
type Precedence string

const (
	ByInterlock  Precedence = "writer interlock"
	ByBreakGlass Precedence = "break-glass"
	ByOverride   Precedence = "override"
	ByFreeze     Precedence = "freeze"
	ByHealth     Precedence = "health"
	ByPolicy     Precedence = "policy"
)

// PrecedenceOrder returns the rules, highest first.
func PrecedenceOrder() []Precedence {
	return []Precedence{ByInterlock, ByBreakGlass, ByOverride, ByFreeze, ByHealth, ByPolicy}
}

const (
	// Buckets is into how many cohorts the clients of a name are divided.
	Buckets = 10_000
	// MaxThresholds bounds how many answers one cell may hold.
	MaxThresholds = 8

	hashedBits4 = regions.ClientBits4
	hashedBits6 = regions.ClientBits6
)

// Name returns the steered name, if the plan has it.
func (p *Plan) Name(name regions.Name) (*Steered, bool) {
	i, ok := slices.BinarySearchFunc(p.Names, name, func(s Steered, n regions.Name) int {
		return strings.Compare(string(s.Name), string(n))
	})
	if !ok {
		return nil, false
	}
	return &p.Names[i], true
}

// Choice is which answer a client gets and by which way.
type Choice struct {
	Cell   int
	Bucket int
	Set    int // -1: no answer, the policy fails closed
	// Scope is how many bits of the client's address the choice depended on,
	// as RFC 7871 wants it in the answer; 0 if it depended on none.
	Scope int
}

// Client masks what is known of a client to the bits that may matter: the
// prefix of an ECS option, or a resolver's address.
func Client(p netip.Prefix) netip.Prefix {
	addr := p.Addr().Unmap()
	bits := min(p.Bits(), hashedBits(addr))
	if p.Addr().Is4In6() {
		bits = min(max(p.Bits()-96, 0), hashedBits4)
	}
	masked, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return masked
}

func hashedBits(a netip.Addr) int {
	if a.Is4() {
		return hashedBits4
	}
	return hashedBits6
}

// Choose returns what a client gets. It is the only way from a plan to an
// answer. The client's prefix is masked to 24 or 56 bits first, because
// resolvers rotate their addresses (and so do their clients).
func (s *Steered) Choose(client netip.Prefix) Choice {
	client = Client(client)
	choice := Choice{Cell: s.cell(client), Set: -1}
	if len(s.Cells) == 0 {
		return choice
	}
	choice.Scope = s.groupScope(client)
	cell := &s.Cells[choice.Cell]
	switch len(cell.Thresholds) {
	case 0:
		return choice
	case 1:
		choice.Set = cell.Thresholds[0].Set
		return choice
	}
	choice.Bucket = Bucket(s.Service, client)
	choice.Scope = max(choice.Scope, hashedBits(client.Addr()))
	for _, t := range cell.Thresholds {
		if choice.Bucket < t.Below {
			choice.Set = t.Set
			break
		}
	}
	return choice
}

// cell returns the index of the cell with the most specific prefix around the
// client, or of the last one.
func (s *Steered) cell(client netip.Prefix) int {
	best, bits := len(s.Cells)-1, -1
	for i := range s.Cells {
		for _, p := range s.Cells[i].Prefixes {
			if p.Bits() > bits && p.Bits() <= client.Bits() && p.Contains(client.Addr()) {
				best, bits = i, p.Bits()
			}
		}
	}
	return max(best, 0)
}

// groupScope returns how many bits any group of the name may look at.
func (s *Steered) groupScope(client netip.Prefix) int {
	scope := 0
	for i := range s.Cells {
		for _, p := range s.Cells[i].Prefixes {
			if p.Addr().Is4() == client.Addr().Is4() {
				scope = max(scope, p.Bits())
			}
		}
	}
	return scope
}

// Bucket returns the cohort, 0 to 9,999, of a client of a service: a keyed
// hash, so that a client stays in its cohort on every node and for ever, and
// has independent ones for different services.
func Bucket(service regions.ServiceID, client netip.Prefix) int {
	// FNV-1a by hand, because hash/fnv allocates and this is on the way of
	// every answer. FNV alone leaves the high bits of similar keys alike.
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for i := range len(service) {
		h = (h ^ uint64(service[i])) * prime
	}
	h = (h ^ 0) * prime
	h = (h ^ uint64(byte(client.Bits()))) * prime
	for _, b := range client.Addr().As16() {
		h = (h ^ uint64(b)) * prime
	}
	return int(regions.Mix(h) % Buckets)
}
