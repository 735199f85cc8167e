package zone

import (
	"slices"
	"strings"

	mdns "github.com/miekg/dns"
)

const (
	maxTTL   = 1<<31 - 1 // RFC 2181, section 8
	maxRRset = 64_000    // bytes; what still fits a message with the rest of an answer
)

// owner is what one name holds.
type owner struct {
	name string
	line int // of its first record
	sets []kind
}

// kind is the records of one type at a name. Few names have more than one or
// two, so they are looked through.
type kind struct {
	rtype uint16
	line  int // of the first
	size  int // bytes on the wire
	data  string
}

// lineOf returns where the first record of a type is, 0 if there is none.
func (o *owner) lineOf(rtype uint16) int {
	for i := range o.sets {
		if o.sets[i].rtype == rtype {
			return o.sets[i].line
		}
	}
	return 0
}

// check reports what makes a zone unfit to be served, and warns of what is
// served all the same, though hardly as meant. The line between the two is
// where other servers draw it, so that a zone can move here as it is.
func check(z *Zone, r *report) {
	owners := make(map[string]*owner, len(z.Records))
	var buf []byte
	warn := &report{file: r.file}
	z.Records = slices.DeleteFunc(z.Records, func(rec Record) bool {
		if Within(rec.Owner, z.Apex) {
			return false
		}
		warn.add(rec.Line, 1, "remove it, or load it as its own zone", "%s is outside the zone %s and is not served", rec.RR.Header().Name, z.Origin)
		return true
	})
	redirected := false
	for _, rec := range z.Records {
		size := packedLen(rec)
		if len(buf) < size {
			buf = make([]byte, 2*size)
		}
		if data, ok := checkRecord(rec, buf, r, warn); ok {
			collect(owners, rec, data, r)
		}
		redirected = redirected || rec.RR.Header().Rrtype == mdns.TypeDNAME
	}
	apex := owners[z.Apex]
	if apex == nil || apex.lineOf(mdns.TypeSOA) == 0 {
		r.add(1, 1, "add one for "+z.Origin, "the zone %s has no SOA record", z.Origin)
	}
	if apex == nil || apex.lineOf(mdns.TypeNS) == 0 {
		r.add(1, 1, "name at least one server of "+z.Origin, "the zone %s has no NS record", z.Origin)
	}
	for wire, o := range owners {
		checkOwner(z, wire, o, r, warn)
		if redirected {
			checkAbove(z, owners, wire, o, r)
		}
	}
	for _, rec := range z.Records {
		ns, ok := rec.RR.(*mdns.NS)
		if !ok {
			continue
		}
		if target, err := Wire(ns.Ns); err == nil {
			if o := owners[target]; o != nil && o.lineOf(mdns.TypeCNAME) > 0 {
				warn.add(rec.Line, 1, "name the server by the name that has its address", "the server %s is an alias (line %d)", ns.Ns, o.line)
			}
		}
	}
	z.Warnings, _ = warn.err().(Problems)
}

// packedLen is enough room for a record with its owner.
func packedLen(rec Record) int {
	switch rec.RR.(type) {
	case *mdns.A, *mdns.AAAA:
		return len(rec.Owner) + 10 + 16
	}
	return len(rec.Owner) + 10 + mdns.Len(rec.RR) + 256
}

// checkRecord looks at one record alone and returns its data as it goes on the
// wire, in buf, or false if the record is not worth further questions.
func checkRecord(rec Record, buf []byte, r, warn *report) (data []byte, ok bool) {
	h := rec.RR.Header()
	kind := func() string { return mdns.Type(h.Rrtype).String() }
	switch {
	case h.Class != mdns.ClassINET:
		r.add(rec.Line, 1, "write IN", "the class %s is not served", mdns.Class(h.Class))
		return nil, false
	case h.Rrtype == mdns.TypeOPT || h.Rrtype >= 128 && h.Rrtype <= 255 || h.Rrtype == 0:
		r.add(rec.Line, 1, "remove it", "a record of type %s exists in questions only", kind())
		return nil, false
	}
	if h.Ttl > maxTTL {
		warn.add(rec.Line, 1, "a day is 86400", "the TTL %d is larger than 2147483647 and counts as 0", h.Ttl)
		h.Ttl = 0
	}
	n, err := mdns.PackRR(rec.RR, buf, 0, nil, false)
	if err != nil {
		r.add(rec.Line, 1, "check the record's data", "this %s record does not fit the wire: %v", kind(), err)
		return nil, false
	}
	data = buf[len(rec.Owner)+10 : n]
	wild := strings.HasPrefix(rec.Owner, "\x01*")
	if wild && (h.Rrtype == mdns.TypeNS || h.Rrtype == mdns.TypeDNAME) {
		warn.add(rec.Line, 1, "name what is meant", "a %s record of a wildcard means something else to every resolver", kind())
	}
	return data, true
}

// collect adds a record to what its owner holds.
func collect(owners map[string]*owner, rec Record, data []byte, r *report) {
	o := owners[rec.Owner]
	if o == nil {
		o = &owner{name: rec.RR.Header().Name, line: rec.Line}
		owners[rec.Owner] = o
	}
	t := rec.RR.Header().Rrtype
	i := slices.IndexFunc(o.sets, func(k kind) bool { return k.rtype == t })
	first := i < 0
	if first {
		i = len(o.sets)
		o.sets = append(o.sets, kind{rtype: t, line: rec.Line})
	}
	k := &o.sets[i]
	switch t {
	case mdns.TypeSOA, mdns.TypeCNAME, mdns.TypeDNAME: // of which there may be one
		// The same record twice is one record, except a SOA, where it shows
		// that two zones were glued together.
		text := string(lower(data))
		if !first && (k.data != text || t == mdns.TypeSOA) {
			r.add(rec.Line, 1, "keep one", "%s has a second %s record, the first is in line %d", o.name, mdns.Type(t), k.line)
		}
		k.data = text
	}
	more := len(data) + 12
	if k.size <= maxRRset && k.size+more > maxRRset {
		r.add(rec.Line, 1, "spread them over several names", "the %s records of %s do not fit one message", mdns.Type(t), o.name)
	}
	k.size += more
}

// checkOwner looks at what stands side by side at one name.
func checkOwner(z *Zone, wire string, o *owner, r, warn *report) {
	if line := o.lineOf(mdns.TypeSOA); line > 0 && wire != z.Apex {
		r.add(line, 1, "remove it, or load it as its own zone", "a SOA record belongs to %s only, not to %s", z.Origin, o.name)
	}
	if line := o.lineOf(mdns.TypeCNAME); line > 0 {
		for _, k := range o.sets {
			switch t, other := k.rtype, k.line; t {
			case mdns.TypeCNAME, mdns.TypeRRSIG, mdns.TypeNSEC:
			default:
				r.add(max(line, other), 1, "a CNAME record stands alone at its name: keep one of them",
					"%s has a CNAME record (line %d) and %s data (line %d)", o.name, line, mdns.Type(t), other)
			}
		}
	}
	if line, ns := o.lineOf(mdns.TypeDNAME), o.lineOf(mdns.TypeNS); line > 0 && ns > 0 && wire != z.Apex {
		warn.add(max(line, ns), 1, "keep one of them", "%s is both delegated (line %d) and redirected by a DNAME (line %d)", o.name, ns, line)
	}
}

// checkAbove refuses names below a DNAME (RFC 6672, section 2.4): they could
// never be answered.
func checkAbove(z *Zone, owners map[string]*owner, wire string, o *owner, r *report) {
	for name := wire; name != z.Apex; {
		name = name[1+int(name[0]):]
		if above := owners[name]; above != nil && above.lineOf(mdns.TypeDNAME) > 0 {
			r.add(o.line, 1, "remove it, or the DNAME", "%s is below the DNAME record of %s (line %d) and would never be answered",
				o.name, above.name, above.lineOf(mdns.TypeDNAME))
			return
		}
	}
}

// Within reports whether a name in lower-case wire form is the apex or below it.
func Within(name, apex string) bool {
	for len(name) > len(apex) {
		name = name[1+int(name[0]):]
	}
	return name == apex
}
