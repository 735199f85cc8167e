package dns

import (
	"bytes"
	"encoding/binary"
	"slices"

	mdns "github.com/miekg/dns"
)

// maxChase bounds a chain of aliases; a resolver goes on from where it ends.
const maxChase = 16

// chase follows one question through its zone: RFC 1034, section 4.3.2, with
// the corrections of RFC 4592 (wildcards), 6672 (DNAME) and 2308 (denials).
type chase struct {
	r      *reply
	v      *view
	x      *name  // the name that is looked for now; the question's own is not needed again
	pos    int    // where it stands in the message, relative to its start
	origin uint16 // pointer to the zone's origin, inside the question
	hops   int
	seen   [maxChase]int   // where the names before it stand
	used   [maxChase]*node // the DNAME that led away from each, if one did
}

func (c *chase) run() {
	c.r.aa = true
	for c.step() {
	}
}

// step answers from the current name. It returns true if the name was an
// alias and the chase goes on with c.x as its target.
func (c *chase) step() bool {
	n, above := c.v.find(c.x)
	if top := n.top; top != nil {
		at := c.x.labels - top.labels
		switch self := at == 0; {
		case top.cut && !(self && c.r.q.qtype == mdns.TypeDS):
			c.refer(top, at)
			return false
		case !top.cut && !self:
			return c.redirect(top, at)
		}
	}
	if above > 0 {
		if n = c.v.wildcard(c.x.suffix(above)); n == nil {
			c.r.rcode = mdns.RcodeNameError
			c.deny(0, false)
			return false
		}
	}
	return c.serve(n)
}

// owner is the pointer to the current name.
func (c *chase) owner() uint16 { return pointer | uint16(c.pos) }

// suffix is the pointer to the current name without its first labels. A name
// that we wrote ends in a pointer where the origin begins; all before lies in
// one piece.
func (c *chase) suffix(labels int) uint16 {
	if c.x.labels-labels == c.v.labels {
		return c.origin
	}
	return pointer | uint16(c.pos+int(c.x.at[labels]))
}

// serve answers from a node that exists, or from the wildcard in its place.
func (c *chase) serve(n *node) bool {
	qtype := c.r.q.qtype
	if n.slot >= 0 && (qtype == mdns.TypeA || qtype == mdns.TypeAAAA || qtype == mdns.TypeANY) {
		c.steered(c.r.s.slots[n.slot])
		return false
	}
	if qtype == mdns.TypeANY {
		c.any(n)
		return false
	}
	if set := n.set(qtype); set != nil {
		c.put(set)
		return false
	}
	if alias := n.set(mdns.TypeCNAME); alias != nil {
		return c.follow(alias)
	}
	c.deny(0, false)
	return false
}

// steered answers an address question from the plan. It goes by the same
// Choose as the explanation of the answer.
func (c *chase) steered(s *slot) {
	r := c.r
	if len(s.from.Cells) == 0 {
		r.aa = false
		r.fail(mdns.RcodeServerFailure, mdns.ExtendedErrorCodeNotReady)
		return
	}
	client, subnet := r.q.client(r.from)
	choice := s.from.Choose(client)
	if subnet {
		r.scope = max(r.scope, choice.Scope)
	}
	var set *rrset
	if choice.Set >= 0 {
		if r.q.qtype == mdns.TypeANY {
			if set = s.a[choice.Set]; set == nil {
				set = s.aaaa[choice.Set]
			}
		} else {
			set = s.family(r.q.qtype)[choice.Set]
		}
	}
	if set == nil {
		// Failing closed, or no address of this family: a denial that is not
		// kept longer than the answer would be.
		c.deny(s.ttl, true)
		return
	}
	c.put(set)
}

// any gives a small answer to ANY (RFC 8482): one set in a datagram, all that
// fit in a stream. It follows no alias.
func (c *chase) any(n *node) {
	if len(n.sets) == 0 {
		c.deny(0, false)
		return
	}
	for i, set := range n.sets {
		switch {
		case i == 0:
			c.put(set)
		case c.r.q.stream && c.r.room(set) && !c.r.tc:
			c.r.out = set.append(c.r.out, c.owner(), c.origin)
			c.r.an += set.count
		}
	}
}

// put adds a set to the answer, and what goes along with it if there is room.
func (c *chase) put(set *rrset) {
	if !c.r.room(set) {
		c.r.truncate()
		return
	}
	c.r.out = set.append(c.r.out, c.owner(), c.origin)
	c.r.an += set.count
	c.accompany(set)
}

// accompany fills the additional section.
func (c *chase) accompany(set *rrset) {
	for _, a := range set.along {
		switch {
		case c.r.room(a.set):
			c.r.out = a.set.append(c.r.out, 0, c.origin)
			c.r.ar += a.set.count
		case a.must && !c.r.q.stream:
			c.r.tc = true
		}
	}
}

// refer answers with a delegation. If aliases led here, the answer so far is
// authoritative and stays so.
func (c *chase) refer(cut *node, above int) {
	r, set := c.r, cut.set(mdns.TypeNS)
	if c.hops == 0 {
		r.aa = false
	}
	if !r.room(set) {
		r.truncate()
		return
	}
	r.out = set.append(r.out, c.suffix(above), c.origin)
	r.ns += set.count
	c.accompany(set)
}

// deny adds the SOA record that says how long nothing may be remembered. A
// steered name's denial is capped by its own TTL.
func (c *chase) deny(ttl uint32, capped bool) {
	r, soa := c.r, c.v.negative
	if !r.room(soa) {
		r.truncate()
		return
	}
	at := len(r.out)
	r.out = soa.append(r.out, c.origin, c.origin)
	r.ns++
	if capped && ttl < soa.ttl {
		binary.BigEndian.PutUint32(r.out[at+6:], ttl)
	}
}

// follow adds an alias and goes on with its target, if that is in the zone and
// was not met before.
func (c *chase) follow(alias *rrset) bool {
	r := c.r
	if !r.room(alias) {
		r.truncate()
		return false
	}
	at := len(r.out) - r.start
	r.out = alias.append(r.out, c.owner(), c.origin)
	r.an += alias.count
	if !alias.inside {
		return false
	}
	return c.move(alias.target, at+12)
}

// redirect answers a name below a DNAME with an alias made for it.
func (c *chase) redirect(top *node, above int) bool {
	r, set := c.r, top.set(mdns.TypeDNAME)
	if slices.Contains(c.used[:c.hops], top) {
		return false // it may lead below itself and grow for ever; the resolver goes on if it wants
	}
	if !r.room(set) {
		r.truncate()
		return false
	}
	r.out = set.append(r.out, c.suffix(above), c.origin)
	r.an += set.count
	prefix := int(c.x.at[above])
	size := prefix + len(set.target)
	if size > maxName {
		r.rcode = mdns.RcodeYXDomain // RFC 6672, section 2.2: no name is made up that cannot exist
		return false
	}
	if len(r.out)+12+size > r.limit {
		r.truncate()
		return false
	}
	at := len(r.out) - r.start
	r.out = binary.BigEndian.AppendUint16(r.out, c.owner())
	r.out = append(r.out, 0, byte(mdns.TypeCNAME), 0, mdns.ClassINET)
	r.out = binary.BigEndian.AppendUint32(r.out, set.ttl)
	r.out = binary.BigEndian.AppendUint16(r.out, uint16(size))
	r.out = append(r.out, r.out[r.start+c.pos:r.start+c.pos+prefix]...)
	r.out = append(r.out, set.target...)
	r.an++
	if !set.inside || r.q.qtype == mdns.TypeCNAME || r.q.qtype == mdns.TypeANY {
		return false
	}
	var next [maxName]byte
	n := copy(next[:], c.x.b[:prefix])
	n += copy(next[n:], set.target)
	if c.hops < maxChase {
		c.used[c.hops] = top
	}
	return c.moveTo(next[:n], at+12)
}

func (c *chase) move(target string, pos int) bool {
	var next [maxName]byte
	return c.moveTo(next[:copy(next[:], target)], pos)
}

// moveTo makes target, which stands at pos in the message, the name to look
// for. It returns false where the chain must end.
func (c *chase) moveTo(target []byte, pos int) bool {
	if c.hops == maxChase || pos >= 1<<14 {
		return false
	}
	c.seen[c.hops] = c.pos
	c.hops++
	c.x.set(target)
	c.pos = pos
	var before name
	message := c.r.out[c.r.start:]
	for _, p := range c.seen[:c.hops] {
		if _, ok := before.unpack(message, p, true); ok && bytes.Equal(before.b[:before.n], c.x.b[:c.x.n]) {
			return false // a loop: its records are all there
		}
	}
	return true
}
