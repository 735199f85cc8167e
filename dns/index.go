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
	c := compiler{index: x, builder: newBuilder(z.Apex)}
	if err := c.compile(z.Records); err != nil {
		return nil, fmt.Errorf("zone %s: %s: %w", z.Origin, z.File, err)
	}
	for _, n := range x.nodes {
		if c.ends {
			n.top = x.topOf(n)
		}
		x.wild = x.wild || n.name[0] == 1 && n.name[1] == '*'
	}
	for _, l := range c.leading {
		if l.node.set(l.set.rtype) == l.set {
			x.accompany(l.node, l.set, l.to)
		}
	}
	soa := x.nodes[x.apex].set(mdns.TypeSOA)
	x.negative = soa.withTTL(min(soa.ttl, z.SOA().Minttl))
	return x, nil
}

// compiler makes the nodes of an index.
type compiler struct {
	*index
	*builder
	leading []leading
	ends    bool // authority or names end somewhere in the zone
}

// leading is a set with names that may have addresses to go along.
type leading struct {
	node *node
	set  *rrset
	to   []signpost
}

// compile makes the nodes of all records. In most files the records of a name
// stand together, so they are taken as they come; the names that come again
// are made a second time, of all that they have.
func (c *compiler) compile(all []zone.Record) error {
	again := make(map[*node][]zone.Record)
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].Owner == all[i].Owner {
			end++
		}
		records := all[i:end]
		i = end
		if slices.ContainsFunc(records, denial) {
			if records = slices.DeleteFunc(slices.Clone(records), denial); len(records) == 0 {
				continue
			}
		}
		n := c.grow(records[0].Owner)
		if len(n.sets) > 0 {
			again[n] = nil
			continue
		}
		if err := c.fill(n, records); err != nil {
			return err
		}
	}
	if len(again) == 0 {
		return nil
	}
	for _, rec := range all {
		n := c.nodes[rec.Owner]
		if records, ok := again[n]; ok && !denial(rec) {
			again[n] = append(records, rec)
		}
	}
	for n, records := range again {
		if err := c.fill(n, records); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the sets of a node of all its records.
func (c *compiler) fill(n *node, records []zone.Record) error {
	n.sets = nil
	for len(records) > 0 {
		rtype := records[0].RR.Header().Rrtype
		other := func(rec zone.Record) bool { return rec.RR.Header().Rrtype != rtype }
		same, rest := records, []zone.Record(nil)
		if slices.ContainsFunc(records, other) {
			same = slices.DeleteFunc(slices.Clone(records), other)
			rest = slices.DeleteFunc(slices.Clone(records), func(rec zone.Record) bool { return !other(rec) })
		}
		set, err := c.set(same)
		if err != nil {
			return err
		}
		n.sets = append(n.sets, set)
		n.cut = n.cut || rtype == mdns.TypeNS && n.name != c.index.apex
		c.ends = c.ends || n.cut || rtype == mdns.TypeDNAME
		if c.led != nil {
			c.leading = append(c.leading, leading{n, set, c.led})
		}
		records = rest
	}
	slices.SortFunc(n.sets, func(a, b *rrset) int { return int(a.rtype) - int(b.rtype) })
	return nil
}

// denial tells the records whose owners are no names of the zone but hashes of
// some: nobody can ask for them (RFC 5155, section 7.2.8).
func denial(rec zone.Record) bool {
	switch rr := rec.RR.(type) {
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
