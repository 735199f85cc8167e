package dns

import (
	"encoding/binary"
	"net/netip"

	mdns "github.com/miekg/dns"
)

// Answer appends to dst the answer to a query that came in a datagram from
// client, and returns the extended slice. It returns dst as it was if there is
// nothing to send: the packet is no question, or too short to have an id.
//
// Answer may be called on a nil Snapshot, which says SERVFAIL, not ready.
func (s *Snapshot) Answer(dst, query []byte, client netip.Addr) []byte {
	return s.answer(dst, query, client, false)
}

// AnswerStream is Answer for a query that came over TCP: up to 65,535 bytes
// and never truncated.
func (s *Snapshot) AnswerStream(dst, query []byte, client netip.Addr) []byte {
	return s.answer(dst, query, client, true)
}

func (s *Snapshot) answer(dst, packet []byte, client netip.Addr, stream bool) []byte {
	r := reply{s: s, out: dst, start: len(dst), ede: -1, from: client}
	q := &r.q
	q.stream = stream
	v := q.parse(packet)
	if v == dropped {
		return dst
	}
	r.begin(packet)
	switch {
	case q.edns && q.version != 0 && v == accepted:
		r.rcode = mdns.RcodeBadVers
	case q.opcode != mdns.OpcodeQuery:
		r.rcode = rcodeOf(q.opcode)
	case v == malformed:
		r.rcode = mdns.RcodeFormatError
	case q.tsig.present:
		r.rcode = mdns.RcodeNotAuth
	case s == nil:
		r.fail(mdns.RcodeServerFailure, mdns.ExtendedErrorCodeNotReady)
	case q.qclass == mdns.ClassCHAOS:
		r.chaos()
	case q.qclass == mdns.ClassANY:
		r.internet()
		r.aa = false // we know of one class only (RFC 1034, section 6.2.2)
	case q.qclass != mdns.ClassINET:
		r.rcode = mdns.RcodeRefused
	default:
		r.internet()
	}
	return r.finish()
}

// rcodeOf answers what is not a question. A NOTIFY is understood, but nobody
// may send us one; UPDATE and all others are not implemented, and saying so is
// better than silence (RFC 8906).
func rcodeOf(opcode int) int {
	if opcode == mdns.OpcodeNotify {
		return mdns.RcodeRefused
	}
	return mdns.RcodeNotImplemented
}

// reply is an answer in the making.
type reply struct {
	s     *Snapshot
	q     query
	from  netip.Addr
	out   []byte
	start int // where the message begins in out
	limit int // how long out may become before the OPT record is added

	aa, tc     bool
	rcode      int
	ede        int // extended error, or -1
	scope      int // bits of the client's subnet that the answer depends on
	an, ns, ar uint16
}

// begin writes the header's place and the question in its own spelling.
func (r *reply) begin(packet []byte) {
	size := maxStream
	if !r.q.stream {
		size = minUDP
		if r.q.edns {
			size = min(max(int(r.q.payload), minUDP), maxUDP)
		}
	}
	r.limit = r.start + size - r.s.optSize(&r.q)
	r.out = append(r.out, make([]byte, headerLen)...)
	if r.q.questionEnd > 0 {
		r.out = append(r.out, packet[headerLen:r.q.questionEnd]...)
	}
}

// finish writes the header and what closes the message.
func (r *reply) finish() []byte {
	q := &r.q
	if q.edns {
		r.out = r.s.appendOPT(r.out, q, r.rcode, r.scope, r.ede)
		r.ar++
	}
	if q.tsig.present && r.rcode == mdns.RcodeNotAuth {
		r.out = q.tsig.append(r.out)
		r.ar++
	}
	h := r.out[r.start : r.start+headerLen]
	binary.BigEndian.PutUint16(h, q.id)
	flags := uint16(1)<<15 | uint16(q.opcode)<<11 | uint16(r.rcode&0xF)
	if r.aa {
		flags |= 1 << 10
	}
	if r.tc {
		flags |= 1 << 9
	}
	if q.rd {
		flags |= 1 << 8
	}
	binary.BigEndian.PutUint16(h[2:], flags)
	qd := uint16(0)
	if q.questionEnd > 0 {
		qd = 1
	}
	binary.BigEndian.PutUint16(h[4:], qd)
	binary.BigEndian.PutUint16(h[6:], r.an)
	binary.BigEndian.PutUint16(h[8:], r.ns)
	binary.BigEndian.PutUint16(h[10:], r.ar)
	return r.out
}

// fail ends in an error with a reason for people (RFC 8914).
func (r *reply) fail(rcode int, ede uint16) {
	r.rcode, r.ede = rcode, int(ede)
}

// truncate empties the answer: the client will come again over TCP. Over TCP
// nothing that was loaded can be too long, so there it is our failure.
func (r *reply) truncate() {
	r.out = r.out[:r.start+max(headerLen, r.q.questionEnd)]
	r.an, r.ns, r.ar = 0, 0, 0
	if r.q.stream {
		r.aa = false
		r.fail(mdns.RcodeServerFailure, mdns.ExtendedErrorCodeOther)
		return
	}
	r.tc = true
}

// room reports whether a set still fits.
func (r *reply) room(set *rrset) bool { return len(r.out)+len(set.wire) <= r.limit }

// chaos answers who we are, in class CH (RFC 4892), of which nobody is an authority.
func (r *reply) chaos() {
	is := func(want string) bool { return string(r.q.name.b[:r.q.name.n]) == want }
	var text []byte
	switch {
	case r.q.qtype != mdns.TypeTXT && r.q.qtype != mdns.TypeANY:
	case is("\x02id\x06server\x00"), is("\x08hostname\x04bind\x00"):
		text = r.s.nsid
	case is("\x07version\x06server\x00"), is("\x07version\x04bind\x00"):
		text = []byte("fairlead")
	}
	if len(text) == 0 {
		r.rcode = mdns.RcodeRefused
		return
	}
	r.an++
	r.out = append(r.out, 0xC0, headerLen, 0, byte(mdns.TypeTXT), 0, mdns.ClassCHAOS, 0, 0, 0, 0)
	r.out = binary.BigEndian.AppendUint16(r.out, uint16(len(text)+1))
	r.out = append(r.out, byte(len(text)))
	r.out = append(r.out, text...)
}

// internet answers in class IN.
func (r *reply) internet() {
	switch r.q.qtype {
	case mdns.TypeNXNAME:
		r.rcode = mdns.RcodeFormatError // never asked for (RFC 9824, section 3.4)
		return
	case mdns.TypeAXFR, mdns.TypeIXFR:
		r.fail(mdns.RcodeRefused, mdns.ExtendedErrorCodeNotSupported)
		if r.q.qtype == mdns.TypeAXFR && !r.q.stream {
			r.rcode = mdns.RcodeNotImplemented // it is not defined over UDP (RFC 5936, section 4.2)
		}
		return
	}
	v, known := r.s.zone(&r.q.name, r.q.qtype)
	switch {
	case !known:
		r.fail(mdns.RcodeRefused, mdns.ExtendedErrorCodeNotAuthoritative)
		return
	case v == nil:
		r.fail(mdns.RcodeServerFailure, mdns.ExtendedErrorCodeNotReady)
		return
	}
	c := chase{r: r, v: v, x: &r.q.name, pos: headerLen}
	c.origin = pointer | uint16(headerLen+int(r.q.name.at[r.q.name.labels-v.labels]))
	c.run()
}

// zone finds the deepest zone around a name; nil if that zone is known to be
// ours and cannot be served. A question for DS at an apex belongs to the parent
// (RFC 4035, section 3.1.4.1), if that is served too.
func (s *Snapshot) zone(x *name, qtype uint16) (v *view, known bool) {
	for i := 0; i <= x.labels; i++ {
		if !s.depths[x.labels-i] {
			continue
		}
		at, ok := s.within[string(x.suffix(i))]
		switch {
		case !ok:
		case i == 0 && qtype == mdns.TypeDS && x.labels > 0:
			v, known = at, true
		default:
			return at, true
		}
	}
	return v, known
}
