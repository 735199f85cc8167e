package dns

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	mdns "github.com/miekg/dns"

	"fairlead/dns/zone"
)

// rrset is an RRset almost as it goes on the wire. Two-byte holes are filled
// when it is copied: every record's owner, and the ends of names that stand
// elsewhere in the message already.
type rrset struct {
	rtype uint16
	count uint16
	ttl   uint32
	wire  []byte
	holes []hole
	more  *leads // nil for most sets
}

// hole is where a name in the data goes on elsewhere: at the zone's origin, or
// at an earlier place of the same set.
type hole struct {
	at, to uint16 // offsets into the wire; to is 0 for the origin
}

// leads is where a set leads whoever reads it.
type leads struct {
	target string  // CNAME and DNAME: lower-case wire form
	inside bool    // the target is in the same zone
	along  []along // addresses that go with the set into the additional section
}

// along is an address set that helps whoever follows an RRset.
type along struct {
	set  *rrset
	name uint16 // where its owner stands in the wire of the set that it goes with
	// must: without it the name cannot be followed at all (glue in the domain
	// that is delegated), so that leaving it out means truncation (RFC 9471).
	must bool
}

const (
	fixedLen   = 12 // owner, type, class, TTL and length of a record in a set
	pointerEnd = 1 << 14
	// maxShared bounds where a name that others in its set point to may stand.
	// What comes before a set is a question and at most maxChase aliases with
	// their DNAMEs, 9.4 kB, so it stays within reach of a pointer.
	maxShared = 7000
)

// append copies the set behind a message that begins at start.
func (r *rrset) append(b []byte, start int, owner, origin uint16) []byte {
	at := len(b)
	b = append(b, r.wire...)
	for o := at; o < len(b); o += fixedLen + int(binary.BigEndian.Uint16(b[o+10:])) {
		binary.BigEndian.PutUint16(b[o:], owner)
	}
	for _, h := range r.holes {
		to := origin
		if h.to != 0 {
			to = pointer | uint16(at-start+int(h.to))
		}
		binary.BigEndian.PutUint16(b[at+int(h.at):], to)
	}
	return b
}

// signpost is a name in a set that may have addresses to go along with it.
type signpost struct {
	at   uint16
	name string // lower-case wire form
}

// builder makes the sets of one zone.
type builder struct {
	apex string
	buf  []byte            // scratch
	seen map[string]bool   // data of the set in the making
	ends map[string]uint16 // names of the set in the making, and where they stand
	led  []signpost        // whom the set in the making leads to
}

// set compiles the records of one type at one name. Records that differ in
// nothing are one (RFC 2181, section 5); TTLs that differ become the smallest.
func (c *builder) set(records []zone.Record) (*rrset, error) {
	first := records[0].RR.Header()
	r := &rrset{rtype: first.Rrtype, ttl: first.Ttl}
	for _, rec := range records {
		r.ttl = min(r.ttl, rec.RR.Header().Ttl)
	}
	clear(c.seen)
	clear(c.ends)
	c.led = nil
	for _, rec := range records {
		if len(records) > 1 {
			key, err := c.key(rec)
			if err != nil {
				return nil, c.failed(rec, err)
			}
			if c.seen[key] {
				continue
			}
			c.seen[key] = true
		}
		if err := c.record(r, rec); err != nil {
			return nil, c.failed(rec, err)
		}
	}
	var target string
	switch rr := records[0].RR.(type) {
	case *mdns.CNAME:
		target = rr.Target
	case *mdns.DNAME:
		target = rr.Target
	default:
		return r, nil
	}
	wire, err := zone.Wire(target)
	r.more = &leads{target: wire, inside: zone.Within(wire, c.apex)}
	return r, err
}

func newBuilder(apex string) *builder {
	return &builder{apex: apex, buf: make([]byte, 1024), seen: make(map[string]bool), ends: make(map[string]uint16)}
}

func (c *builder) failed(rec zone.Record, err error) error {
	return fmt.Errorf("line %d: encode the %s record: %w", rec.Line, mdns.Type(rec.RR.Header().Rrtype), err)
}

// key is a record's data without the case of its names.
func (c *builder) key(rec zone.Record) (string, error) {
	data, err := c.pack(rec)
	if err != nil {
		return "", err
	}
	if from, ok := nameAt(rec.RR); ok {
		return string(data[:from]) + lowerWire(data[from:]), nil
	}
	return string(data), nil
}

// pack returns a record's data without compression, in the scratch buffer.
func (c *builder) pack(rec zone.Record) ([]byte, error) {
	if size := len(rec.Owner) + 10 + mdns.Len(rec.RR) + 256; len(c.buf) < size {
		c.buf = make([]byte, 2*size)
	}
	n, err := mdns.PackRR(rec.RR, c.buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	return c.buf[len(rec.Owner)+10 : n], nil
}

// nameAt says where in a record's data its only name stands.
func nameAt(rr mdns.RR) (offset int, ok bool) {
	switch rr.(type) {
	case *mdns.NS, *mdns.CNAME, *mdns.DNAME, *mdns.PTR:
		return 0, true
	case *mdns.MX:
		return 2, true
	case *mdns.SRV:
		return 6, true
	}
	return 0, false
}

// record adds a record. Names compress only in the types of RFC 1035 (RFC
// 3597, section 4).
func (c *builder) record(r *rrset, rec zone.Record) error {
	at := r.begin()
	var err error
	name := func(s string) {
		if err == nil {
			err = c.name(r, s)
		}
	}
	switch rr := rec.RR.(type) {
	case *mdns.A:
		r.wire = append(r.wire, rr.A.To4()...)
	case *mdns.AAAA:
		r.wire = append(r.wire, rr.AAAA.To16()...)
	case *mdns.NS:
		err = c.lead(r, 0, rr.Ns)
		name(rr.Ns)
	case *mdns.CNAME:
		name(rr.Target)
	case *mdns.PTR:
		name(rr.Ptr)
	case *mdns.MX:
		r.wire = binary.BigEndian.AppendUint16(r.wire, rr.Preference)
		err = c.lead(r, 0, rr.Mx)
		name(rr.Mx)
	case *mdns.SOA:
		name(rr.Ns)
		name(rr.Mbox)
		for _, v := range []uint32{rr.Serial, rr.Refresh, rr.Retry, rr.Expire, rr.Minttl} {
			r.wire = binary.BigEndian.AppendUint32(r.wire, v)
		}
	default:
		if srv, ok := rec.RR.(*mdns.SRV); ok {
			err = c.lead(r, 6, srv.Target)
		}
		var data []byte
		if err == nil {
			data, err = c.pack(rec)
		}
		r.wire = append(r.wire, data...)
	}
	r.end(at)
	return err
}

// lead notes that a name in the zone will stand behind what is written.
func (c *builder) lead(r *rrset, behind int, target string) error {
	wire, err := zone.Wire(target)
	if err == nil && zone.Within(wire, c.apex) && len(r.wire)+behind < maxShared {
		c.led = append(c.led, signpost{uint16(len(r.wire) + behind), wire})
	}
	return err
}

// begin writes what stands before a record's data.
func (r *rrset) begin() (at int) {
	at = len(r.wire)
	r.wire = append(r.wire, 0, 0)
	r.wire = binary.BigEndian.AppendUint16(r.wire, r.rtype)
	r.wire = binary.BigEndian.AppendUint16(r.wire, mdns.ClassINET)
	r.wire = binary.BigEndian.AppendUint32(r.wire, r.ttl)
	r.wire = append(r.wire, 0, 0)
	return at
}

// end writes the length of the data of the record that began at at.
func (r *rrset) end(at int) {
	binary.BigEndian.PutUint16(r.wire[at+10:], uint16(len(r.wire)-at-fixedLen))
	r.count++
}

// name writes a name in its own spelling up to where it goes on in a place
// that is known: the zone's origin, or a name before it in the same set.
func (c *builder) name(r *rrset, s string) error {
	n, err := mdns.PackDomainName(s, c.buf[:256], 0, nil, false)
	if err != nil {
		return err
	}
	spelled := c.buf[:n]
	lowered := lowerWire(spelled)
	for i := 0; spelled[i] != 0; i += 1 + int(spelled[i]) {
		end := lowered[i:]
		to, known := c.ends[end]
		if end == c.apex || known {
			r.holes = append(r.holes, hole{uint16(len(r.wire)), to})
			r.wire = append(r.wire, 0, 0)
			return nil
		}
		if at := len(r.wire); at < maxShared {
			c.ends[end] = uint16(at)
		}
		r.wire = append(r.wire, spelled[i:i+1+int(spelled[i])]...)
	}
	r.wire = append(r.wire, 0)
	return nil
}

// lowerWire returns a wire name in lower case. The bytes that count labels are
// below 64, so they are no letters.
func lowerWire(wire []byte) string {
	var b [maxName + 1]byte
	out := b[:copy(b[:], wire)]
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

// withTTL returns a copy of the set with another TTL.
func (r *rrset) withTTL(ttl uint32) *rrset {
	out := *r
	out.ttl = ttl
	out.wire = append([]byte(nil), r.wire...)
	for o := 0; o < len(out.wire); o += fixedLen + int(binary.BigEndian.Uint16(out.wire[o+10:])) {
		binary.BigEndian.PutUint32(out.wire[o+6:], ttl)
	}
	return &out
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
		at := r.begin()
		r.wire = append(r.wire, a.AsSlice()...)
		r.end(at)
	}
	if r.count == 0 {
		return nil
	}
	return r
}
