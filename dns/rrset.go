package dns

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	mdns "github.com/miekg/dns"

	"fairlead/dns/zone"
)

// rrset is an RRset almost as it goes on the wire. Two kinds of two-byte holes
// are filled when it is copied: its owner, and the zone's origin at the end of
// names.
type rrset struct {
	rtype   uint16
	count   uint16
	ttl     uint32
	wire    []byte
	owners  []uint16 // where the owner's pointer goes
	origins []uint16 // where the pointer to the zone's origin goes

	target string  // CNAME and DNAME: where it leads, lower-case wire form
	inside bool    // the target is in the same zone
	along  []along // addresses that go with it into the additional section
}

// along is an address set that helps whoever follows an RRset.
type along struct {
	set *rrset
	// must: without it the name cannot be followed at all (glue in the domain
	// that is delegated), so that leaving it out means truncation (RFC 9471).
	must bool
}

// append copies the set; base is where the message begins in b.
func (r *rrset) append(b []byte, owner, origin uint16) []byte {
	at := len(b)
	b = append(b, r.wire...)
	for _, o := range r.owners {
		binary.BigEndian.PutUint16(b[at+int(o):], owner)
	}
	for _, o := range r.origins {
		binary.BigEndian.PutUint16(b[at+int(o):], origin)
	}
	return b
}

// builder makes the sets of one zone.
type builder struct {
	apex string
	buf  []byte // scratch
}

// set compiles the records of one type at one name. Records that differ in
// nothing are one (RFC 2181, section 5); TTLs that differ become the smallest.
func (c *builder) set(records []zone.Record) (*rrset, error) {
	first := records[0].RR.Header()
	r := &rrset{rtype: first.Rrtype, ttl: first.Ttl}
	for _, rec := range records {
		r.ttl = min(r.ttl, rec.RR.Header().Ttl)
	}
	seen := make(map[string]bool, len(records))
	for _, rec := range records {
		data, origins, err := c.rdata(rec)
		if err != nil {
			return nil, fmt.Errorf("line %d: encode the %s record: %w", rec.Line, mdns.Type(first.Rrtype), err)
		}
		if seen[string(data)] {
			continue
		}
		seen[string(data)] = true
		r.owners = append(r.owners, uint16(len(r.wire)))
		r.wire = append(r.wire, 0, 0)
		r.add(data, origins)
		switch rr := rec.RR.(type) {
		case *mdns.CNAME:
			r.target, err = zone.Wire(rr.Target)
		case *mdns.DNAME:
			r.target, err = zone.Wire(rr.Target)
		}
		if err != nil {
			return nil, err
		}
		r.inside = r.target != "" && zone.Within(r.target, c.apex)
	}
	return r, nil
}

// add writes a record behind its owner.
func (r *rrset) add(data []byte, origins []uint16) {
	r.wire = binary.BigEndian.AppendUint16(r.wire, r.rtype)
	r.wire = binary.BigEndian.AppendUint16(r.wire, mdns.ClassINET)
	r.wire = binary.BigEndian.AppendUint32(r.wire, r.ttl)
	r.wire = binary.BigEndian.AppendUint16(r.wire, uint16(len(data)))
	for _, o := range origins {
		r.origins = append(r.origins, o+uint16(len(r.wire)))
	}
	r.wire = append(r.wire, data...)
	r.count++
}

// named returns a copy of a set that carries its own owner, for the additional
// section.
func (r *rrset) named(owner string, apex string) *rrset {
	labels := owner[:len(owner)-len(apex)]
	out := &rrset{rtype: r.rtype, ttl: r.ttl, count: r.count}
	for i, at := range r.owners {
		end := len(r.wire)
		if i+1 < len(r.owners) {
			end = int(r.owners[i+1])
		}
		out.wire = append(out.wire, labels...)
		out.origins = append(out.origins, uint16(len(out.wire)))
		out.wire = append(out.wire, r.wire[at:end]...) // A and AAAA: no holes inside
	}
	return out
}

// withTTL returns a copy of the set with another TTL.
func (r *rrset) withTTL(ttl uint32) *rrset {
	out := *r
	out.ttl = ttl
	out.wire = append([]byte(nil), r.wire...)
	for _, at := range r.owners {
		binary.BigEndian.PutUint32(out.wire[at+6:], ttl)
	}
	return &out
}

// rdata encodes a record's data. Names compress only in the types of RFC 1035
// (RFC 3597, section 4), and only their end that is the zone's origin.
func (c *builder) rdata(rec zone.Record) (data []byte, origins []uint16, err error) {
	put := func(names ...string) {
		for _, n := range names {
			var hole bool
			if data, hole, err = c.putName(data, n); err != nil {
				return
			}
			if hole {
				origins = append(origins, uint16(len(data)-2))
			}
		}
	}
	switch rr := rec.RR.(type) {
	case *mdns.NS:
		put(rr.Ns)
	case *mdns.CNAME:
		put(rr.Target)
	case *mdns.PTR:
		put(rr.Ptr)
	case *mdns.MX:
		data = binary.BigEndian.AppendUint16(data, rr.Preference)
		put(rr.Mx)
	case *mdns.SOA:
		put(rr.Ns, rr.Mbox)
		for _, v := range []uint32{rr.Serial, rr.Refresh, rr.Retry, rr.Expire, rr.Minttl} {
			data = binary.BigEndian.AppendUint32(data, v)
		}
	default:
		if c.buf == nil {
			c.buf = make([]byte, 70_000)
		}
		n, err := mdns.PackRR(rec.RR, c.buf, 0, nil, false)
		if err != nil {
			return nil, nil, err
		}
		return append(data, c.buf[len(rec.Owner)+10:n]...), nil, nil
	}
	return data, origins, err
}

// putName writes a name in its own spelling, ending in a hole if it is in the
// zone.
func (c *builder) putName(b []byte, s string) (out []byte, hole bool, err error) {
	var buf [256]byte
	n, err := mdns.PackDomainName(s, buf[:], 0, nil, false)
	if err != nil {
		return b, false, err
	}
	lowered, err := zone.Wire(s)
	if err != nil {
		return b, false, err
	}
	if !zone.Within(lowered, c.apex) {
		return append(b, buf[:n]...), false, nil
	}
	b = append(b, buf[:n-len(c.apex)]...)
	return append(b, 0, 0), true, nil
}

// addresses makes an address set of what has the family of rtype; nil if
// nothing has. Doubles are left out, the order is kept.
func addresses(rtype uint16, ttl uint32, addrs []netip.Addr) *rrset {
	r := &rrset{rtype: rtype, ttl: ttl}
	seen := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if !a.IsValid() || a.Is4() != (rtype == mdns.TypeA) || seen[a] {
			continue
		}
		seen[a] = true
		r.owners = append(r.owners, uint16(len(r.wire)))
		r.wire = append(r.wire, 0, 0)
		r.add(a.AsSlice(), nil)
	}
	if r.count == 0 {
		return nil
	}
	return r
}
