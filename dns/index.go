package dns

import (
	"fmt"
	"slices"

	mdns "github.com/miekg/dns"

	"fairlead/dns/zone"
)

// node is one name of a zone. A node without sets and slot is an empty
// non-terminal: it exists, so it is not covered by a wildcard (RFC 4592).
type node struct {
	sets []*rrset
	slot int32 // into Snapshot.slots, or -1
	cut  bool  // delegated: NS below the apex
	// top is the node nearest to the apex, this one included, at which
	// authority or the name itself ends: a cut or a DNAME. nil almost always.
	top    *node
	name   string
	labels int
}

func newNode(name string, slot int32) *node {
	return &node{name: name, labels: labelCount(name), slot: slot}
}

func (n *node) set(rtype uint16) *rrset {
	for _, s := range n.sets {
		if s.rtype == rtype {
			return s
		}
	}
	return nil
}

// index is a compiled zone. It never changes.
type index struct {
	zone     *zone.Zone
	apex     string
	labels   int
	nodes    map[string]*node
	wild     bool   // there is a wildcard somewhere
	negative *rrset // the SOA as it goes with a denial (RFC 2308, section 3)
}

// compileZone makes the index of a zone.
func compileZone(z *zone.Zone) (*index, error) {
	x := &index{zone: z, apex: z.Apex, labels: labelCount(z.Apex), nodes: make(map[string]*node, len(z.Records))}
	byType := make(map[*node]map[uint16][]zone.Record, len(z.Records))
	for _, rec := range z.Records {
		if denial(rec.RR) {
			continue
		}
		n := x.grow(rec.Owner)
		if byType[n] == nil {
			byType[n] = make(map[uint16][]zone.Record, 1)
		}
		t := rec.RR.Header().Rrtype
		byType[n][t] = append(byType[n][t], rec)
	}
	build := newBuilder(z.Apex)
	led := make(map[*rrset][]signpost)
	for n, types := range byType {
		for t, records := range types {
			set, err := build.set(records)
			if err != nil {
				return nil, fmt.Errorf("zone %s: %s: %w", z.Origin, z.File, err)
			}
			n.sets = append(n.sets, set)
			n.cut = n.cut || t == mdns.TypeNS && n.name != x.apex
			if build.led != nil {
				led[set] = build.led
			}
		}
		slices.SortFunc(n.sets, func(a, b *rrset) int { return int(a.rtype) - int(b.rtype) })
	}
	for _, n := range x.nodes {
		n.top = x.topOf(n)
		x.wild = x.wild || n.name[0] == 1 && n.name[1] == '*'
	}
	for n := range byType {
		for _, set := range n.sets {
			x.accompany(n, set, led[set])
		}
	}
	soa := x.nodes[x.apex].set(mdns.TypeSOA)
	x.negative = soa.withTTL(min(soa.ttl, z.SOA().Minttl))
	return x, nil
}

// denial tells the records whose owners are no names of the zone but hashes of
// some: nobody can ask for them (RFC 5155, section 7.2.8).
func denial(rr mdns.RR) bool {
	switch rr := rr.(type) {
	case *mdns.NSEC3:
		return true
	case *mdns.RRSIG:
		return rr.TypeCovered == mdns.TypeNSEC3
	}
	return false
}

// grow returns the node of a name and makes it and the empty ones above it.
func (x *index) grow(name string) *node {
	if n := x.nodes[name]; n != nil {
		return n
	}
	n := newNode(name, -1)
	x.nodes[name] = n
	for name != x.apex {
		name = parent(name)
		if x.nodes[name] != nil {
			break
		}
		x.nodes[name] = newNode(name, -1)
	}
	return n
}

// topOf walks up to the apex.
func (x *index) topOf(n *node) (top *node) {
	for name := n.name; ; name = parent(name) {
		if at := x.nodes[name]; at.cut || at.set(mdns.TypeDNAME) != nil {
			top = at
		}
		if name == x.apex {
			return top
		}
	}
}

// accompany finds the addresses that go with NS, MX and SRV records. Only the
// zone's own names are looked at, and steered ones have none here: which of
// their addresses is right depends on who asks.
func (x *index) accompany(n *node, set *rrset, led []signpost) {
	for _, p := range led {
		at := x.meant(p.name)
		if at == nil || at.top != nil && at.top.cut && set.rtype != mdns.TypeNS {
			continue // what lies below a cut is glue, not an answer of ours
		}
		for _, t := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
			if addrs := at.set(t); addrs != nil {
				if set.more == nil {
					set.more = new(leads)
				}
				set.more.along = append(set.more.along, along{addrs, p.at, n.cut && zone.Within(p.name, n.name)})
			}
		}
	}
}

// meant returns the node of a name in the zone or the wildcard that stands for
// it; nil if there is neither.
func (x *index) meant(name string) *node {
	for at, above := name, 0; ; at, above = parent(at), above+1 {
		switch n := x.nodes[at]; {
		case n == nil:
		case above == 0:
			return n
		case n.top != nil && !n.top.cut:
			return nil // redirected
		default:
			return x.nodes["\x01*"+at]
		}
	}
}

// find returns the node of a name, or of the closest name above it that
// exists, and how many labels that is above. The name must be in the zone.
func (v *view) find(x *name) (n *node, above int) {
	for i := 0; ; i++ {
		key := x.suffix(i)
		if n := v.steered[string(key)]; n != nil {
			return n, i
		}
		if n := v.nodes[string(key)]; n != nil {
			return n, i
		}
		if i >= x.labels-v.labels { // cannot happen: the apex exists
			return v.nodes[v.apex], i
		}
	}
}

// wildcard returns the node that stands for all names below a suffix that do
// not exist, if there is one.
func (v *view) wildcard(below []byte) *node {
	if !v.wild && !v.steeredWild {
		return nil
	}
	var buf [2 + maxName]byte
	buf[0], buf[1] = 1, '*'
	key := buf[:2+copy(buf[2:], below)]
	if n := v.steered[string(key)]; n != nil {
		return n
	}
	return v.nodes[string(key)]
}
