package dns

import (
	"bytes"
	"encoding/binary"
	"slices"

	mdns "github.com/miekg/dns"

	"fairlead/dns/zone"
)

const (
	maxChase = 16 // aliases in a chain; a resolver goes on from where it ends
	maxUses  = 2  // of one DNAME in a chain: names can grow by it without end
)

// chase follows one question through its zone: RFC 1034, section 4.3.2, with
// the corrections of RFC 4592 (wildcards), 6672 (DNAME) and 2308 (denials).
type chase struct {
	r      *reply
	v      *view
	x      *name  // the name that is looked for now; the question's own is not needed again
	pos    int    // where it stands in the message, relative to its start
	origin uint16 // pointer to the zone's origin, inside the question
	tail   int    // the label from which the name goes on elsewhere, 0 if it lies in one piece
	tailAt int    // where that is
	hops   int
	seen   [maxChase]int   // where the names before it stand
	used   [maxChase]*node // the DNAME that led away from each, if one did
	usedAt [maxChase]int   // where that one's target stands
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
// that we wrote ends in a pointer where the origin begins, or where the target
// of a DNAME does; all before lies in one piece.
func (c *chase) suffix(labels int) uint16 {
	switch {
	case c.x.labels-labels == c.v.labels:
		return c.origin
	case c.tail > 0 && labels >= c.tail:
		return pointer | uint16(c.tailAt+int(c.x.at[labels])-int(c.x.at[c.tail]))
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
	if alias := n.set(mdns.TypeCNAME); alias != nil && !besideAlias(qtype) {
		return c.follow(alias)
	}
	c.deny(0, false)
	return false
}

// besideAlias tells the types that an alias has of its own (RFC 4035, section
// 2.5), so that a question for one is not led away.
func besideAlias(qtype uint16) bool {
	return qtype == mdns.TypeRRSIG || qtype == mdns.TypeNSEC
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

// any gives one set for ANY (RFC 8482), over every transport alike. It follows
// no alias.
func (c *chase) any(n *node) {
	set := n.set(mdns.TypeSOA)
	switch {
	case set != nil:
	case len(n.sets) > 0:
		set = n.sets[0]
	default:
		c.deny(0, false)
		return
	}
	c.put(set)
}

// put adds a set to the answer, and what goes along with it if there is room.
func (c *chase) put(set *rrset) {
	if set.rtype == mdns.TypeDNAME && slices.ContainsFunc(c.used[:c.hops], func(n *node) bool { return n != nil && n.set(mdns.TypeDNAME) == set }) {
		return // it led here, so it is in the answer already
	}
	if !c.r.room(set) {
		c.r.truncate()
		return
	}
	at := c.add(set, c.owner())
	c.r.an += set.count
	c.accompany(set, at)
}

// add copies a set and returns where it stands in the message.
func (c *chase) add(set *rrset, owner uint16) (at int) {
	r := c.r
	at = len(r.out) - r.start
	r.out = set.append(r.out, r.start, owner, c.origin)
	return at
}

// accompany fills the additional section for a set that stands at a place in
// the message.
func (c *chase) accompany(set *rrset, at int) {
	if set.more == nil {
		return
	}
	r := c.r
	for _, a := range set.more.along {
		owner := at + int(a.name)
		switch {
		case !r.room(a.set):
			r.tc = r.tc || a.must && !r.q.stream
			continue
		case owner < pointerEnd:
			c.add(a.set, pointer|uint16(owner))
		default:
			continue // cannot happen, see maxShared
		}
		r.ar += a.set.count
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
	at := c.add(set, c.suffix(above))
	r.ns += set.count
	c.accompany(set, at)
}

// deny adds the SOA record that says how long nothing may be remembered. A
// steered name's denial is capped by its own TTL.
func (c *chase) deny(ttl uint32, capped bool) {
	r, soa := c.r, c.v.negative
	if !r.room(soa) {
		r.truncate()
		return
	}
	at := c.add(soa, c.origin)
	r.ns++
	if capped && ttl < soa.ttl {
		binary.BigEndian.PutUint32(r.out[r.start+at+6:], ttl)
	}
}

// follow adds an alias and goes on with its target, if that is in the zone and
// was not met before.
func (c *chase) follow(alias *rrset) bool {
	if !c.r.room(alias) {
		c.r.truncate()
		return false
	}
	at := c.add(alias, c.owner())
	c.r.an += alias.count
	if !alias.more.inside {
		return false
	}
	var next [maxName]byte
	return c.move(next[:copy(next[:], alias.more.target)], at+fixedLen)
}

// redirect answers a name below a DNAME with an alias made for it.
func (c *chase) redirect(top *node, above int) bool {
	r, set := c.r, top.set(mdns.TypeDNAME)
	uses, dname := 0, 0 // dname: where its target stands, in full
	for i, n := range c.used[:c.hops] {
		if n == top {
			uses, dname = uses+1, c.usedAt[i]
		}
	}
	switch {
	case uses > 0 && (uses == maxUses || zone.Within(set.more.target, top.name)):
		return false // it would go on for ever; the resolver may, if it wants
	case uses > 0: // the record is there
	case !r.room(set):
		r.truncate()
		return false
	default:
		dname = c.add(set, c.suffix(above)) + fixedLen
		r.an += set.count
	}
	prefix, target := int(c.x.at[above]), set.more.target
	if prefix+len(target) > maxName {
		r.rcode = mdns.RcodeYXDomain // RFC 6672, section 2.2: no name is made up that cannot exist
		return false
	}
	at, ok := c.synthesize(prefix, dname, set.ttl)
	if !ok || !set.more.inside || r.q.qtype == mdns.TypeCNAME {
		return false
	}
	if c.hops < maxChase {
		c.used[c.hops], c.usedAt[c.hops] = top, dname
	}
	var next [maxName]byte
	n := copy(next[:], c.x.b[:prefix])
	n += copy(next[n:], target)
	if !c.move(next[:n], at+fixedLen) {
		return false
	}
	c.tail, c.tailAt = above, dname
	return true
}

// synthesize adds an alias from the current name to the name that has the
// first bytes of it, in their spelling, before the name that stands at a place
// in the message. It returns where the alias stands.
func (c *chase) synthesize(kept, before int, ttl uint32) (at int, ok bool) {
	r := c.r
	if len(r.out)+fixedLen+kept+2 > r.limit {
		r.truncate()
		return 0, false
	}
	at = len(r.out) - r.start
	r.out = binary.BigEndian.AppendUint16(r.out, c.owner())
	r.out = append(r.out, 0, byte(mdns.TypeCNAME), 0, mdns.ClassINET)
	r.out = binary.BigEndian.AppendUint32(r.out, ttl)
	r.out = binary.BigEndian.AppendUint16(r.out, uint16(kept+2))
	here := kept
	if c.tail > 0 {
		here = min(kept, int(c.x.at[c.tail]))
	}
	r.out = append(r.out, r.out[r.start+c.pos:r.start+c.pos+here]...)
	r.out = append(r.out, r.out[r.start+c.tailAt:r.start+c.tailAt+kept-here]...)
	r.out = binary.BigEndian.AppendUint16(r.out, pointer|uint16(before))
	r.an++
	return at, true
}

// move makes target, which stands at pos in the message, the name to look
// for. It returns false where the chain must end.
func (c *chase) move(target []byte, pos int) bool {
	if c.hops == maxChase || pos >= pointerEnd {
		return false
	}
	c.seen[c.hops] = c.pos
	c.hops++
	c.x.set(target)
	c.pos, c.tail = pos, 0
	var before name
	message := c.r.out[c.r.start:]
	for _, p := range c.seen[:c.hops] {
		if _, ok := before.unpack(message, p, true); ok && bytes.Equal(before.b[:before.n], c.x.b[:c.x.n]) {
			return false // a loop: its records are all there
		}
	}
	return true
}
