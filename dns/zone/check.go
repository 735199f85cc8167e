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
	name   string
	line   int // of its first record
	types  map[uint16]int
	size   map[uint16]int
	single map[uint16]string // rdata of a type of which there may be one
}

// check reports what makes a zone unfit to be served, and warns of what is
// served all the same, though hardly as meant. The line between the two is
// where other servers draw it, so that a zone can move here as it is.
func check(z *Zone, r *report) {
	owners := make(map[string]*owner)
	buf := make([]byte, 70_000)
	warn := &report{file: r.file}
	z.Records = slices.DeleteFunc(z.Records, func(rec Record) bool {
		if Within(rec.Owner, z.Apex) {
			return false
		}
		warn.add(rec.Line, 1, "remove it, or load it as its own zone", "%s is outside the zone %s and is not served", rec.RR.Header().Name, z.Origin)
		return true
	})
	for _, rec := range z.Records {
		if wire := checkRecord(rec, buf, r, warn); wire != "" {
			collect(owners, rec, wire, r)
		}
	}
	apex := owners[z.Apex]
	if apex == nil || apex.types[mdns.TypeSOA] == 0 {
		r.add(1, 1, "add one for "+z.Origin, "the zone %s has no SOA record", z.Origin)
	}
	if apex == nil || apex.types[mdns.TypeNS] == 0 {
		r.add(1, 1, "name at least one server of "+z.Origin, "the zone %s has no NS record", z.Origin)
	}
	for wire, o := range owners {
		checkOwner(z, wire, o, r, warn)
		checkAbove(z, owners, wire, o, r)
	}
	for _, rec := range z.Records {
		ns, ok := rec.RR.(*mdns.NS)
		if !ok {
			continue
		}
		if target, err := Wire(ns.Ns); err == nil {
			if o := owners[target]; o != nil && o.types[mdns.TypeCNAME] > 0 {
				warn.add(rec.Line, 1, "name the server by the name that has its address", "the server %s is an alias (line %d)", ns.Ns, o.line)
			}
		}
	}
	z.Warnings, _ = warn.err().(Problems)
}

// checkRecord looks at one record alone and returns its rdata as it goes on
// the wire, or "" if the record is not worth further questions.
func checkRecord(rec Record, buf []byte, r, warn *report) string {
	h := rec.RR.Header()
	kind := mdns.Type(h.Rrtype).String()
	switch {
	case h.Class != mdns.ClassINET:
		r.add(rec.Line, 1, "write IN", "the class %s is not served", mdns.Class(h.Class))
		return ""
	case h.Rrtype == mdns.TypeOPT || h.Rrtype >= 128 && h.Rrtype <= 255 || h.Rrtype == 0:
		r.add(rec.Line, 1, "remove it", "a record of type %s exists in questions only", kind)
		return ""
	}
	if h.Ttl > maxTTL {
		warn.add(rec.Line, 1, "a day is 86400", "the TTL %d is larger than 2147483647 and counts as 0", h.Ttl)
		h.Ttl = 0
	}
	n, err := mdns.PackRR(rec.RR, buf, 0, nil, false)
	if err != nil {
		r.add(rec.Line, 1, "check the record's data", "this %s record does not fit the wire: %v", kind, err)
		return ""
	}
	data := string(buf[len(rec.Owner)+10 : n])
	if _, unknown := rec.RR.(*mdns.RFC3597); data == "" && !unknown && h.Rrtype != mdns.TypeNULL && h.Rrtype != mdns.TypeAPL {
		r.add(rec.Line, 1, "write the data behind the type", "this %s record has no data", kind)
		return ""
	}
	wild := strings.HasPrefix(rec.Owner, "\x01*")
	if wild && (h.Rrtype == mdns.TypeNS || h.Rrtype == mdns.TypeDNAME) {
		warn.add(rec.Line, 1, "name what is meant", "a %s record of a wildcard means something else to every resolver", kind)
	}
	return string(lower([]byte(data))) + " " // never empty; compared only
}

// collect adds a record to what its owner holds.
func collect(owners map[string]*owner, rec Record, data string, r *report) {
	o := owners[rec.Owner]
	if o == nil {
		o = &owner{name: rec.RR.Header().Name, line: rec.Line, types: map[uint16]int{}, size: map[uint16]int{}}
		owners[rec.Owner] = o
	}
	t := rec.RR.Header().Rrtype
	switch t {
	case mdns.TypeSOA, mdns.TypeCNAME, mdns.TypeDNAME:
		if o.single == nil {
			o.single = map[uint16]string{}
		}
		// The same record twice is one record, except a SOA, where it shows
		// that two zones were glued together.
		if was, ok := o.single[t]; ok && (was != data || t == mdns.TypeSOA) {
			r.add(rec.Line, 1, "keep one", "%s has a second %s record, the first is in line %d", o.name, mdns.Type(t), o.types[t])
		}
		o.single[t] = data
	}
	if o.types[t] == 0 {
		o.types[t] = rec.Line
	}
	o.size[t] += len(data) + 12
	if o.size[t] > maxRRset && o.size[t]-len(data)-12 <= maxRRset {
		r.add(rec.Line, 1, "spread them over several names", "the %s records of %s do not fit one message", mdns.Type(t), o.name)
	}
}

// checkOwner looks at what stands side by side at one name.
func checkOwner(z *Zone, wire string, o *owner, r, warn *report) {
	if line := o.types[mdns.TypeSOA]; line > 0 && wire != z.Apex {
		r.add(line, 1, "remove it, or load it as its own zone", "a SOA record belongs to %s only, not to %s", z.Origin, o.name)
	}
	if line := o.types[mdns.TypeCNAME]; line > 0 {
		for t, other := range o.types {
			switch t {
			case mdns.TypeCNAME, mdns.TypeRRSIG, mdns.TypeNSEC:
			default:
				r.add(max(line, other), 1, "a CNAME record stands alone at its name: keep one of them",
					"%s has a CNAME record (line %d) and %s data (line %d)", o.name, line, mdns.Type(t), other)
			}
		}
	}
	if line, ns := o.types[mdns.TypeDNAME], o.types[mdns.TypeNS]; line > 0 && ns > 0 && wire != z.Apex {
		warn.add(max(line, ns), 1, "keep one of them", "%s is both delegated (line %d) and redirected by a DNAME (line %d)", o.name, ns, line)
	}
}

// checkAbove refuses names below a DNAME (RFC 6672, section 2.4): they could
// never be answered.
func checkAbove(z *Zone, owners map[string]*owner, wire string, o *owner, r *report) {
	for name := wire; name != z.Apex; {
		name = name[1+int(name[0]):]
		if above := owners[name]; above != nil && above.types[mdns.TypeDNAME] > 0 {
			r.add(o.line, 1, "remove it, or the DNAME", "%s is below the DNAME record of %s (line %d) and would never be answered",
				o.name, above.name, above.types[mdns.TypeDNAME])
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
