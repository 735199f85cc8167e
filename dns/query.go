package dns

import (
	"encoding/binary"

	mdns "github.com/miekg/dns"
)

// query is what a packet asks, taken apart without allocating.
type query struct {
	id     uint16
	opcode int
	rd     bool
	stream bool // came over TCP

	name        name
	qtype       uint16
	qclass      uint16
	questionEnd int // 0: there is no question to echo

	edns    bool
	version uint8
	payload uint16
	do      bool
	options []byte // of the OPT record
	nsid    bool
	ecs     subnet

	tsig tsig
}

// verdict is what becomes of a packet before anything is looked up.
type verdict int

const (
	accepted  verdict = iota
	dropped           // not a question, or too short to have an id
	malformed         // FORMERR
)

// parse takes the packet apart. It is stricter than the parser of the library
// we otherwise use: a question cut short, counts that exceed the packet,
// pointers forwards, two OPT records or one in the wrong place are all
// malformed. As most servers do, it reads over records that no question needs,
// and over bytes that no count knows.
func (q *query) parse(msg []byte) verdict {
	if len(msg) < headerLen || msg[2]&0x80 != 0 {
		return dropped // answering an answer would make two servers talk for ever
	}
	q.id = binary.BigEndian.Uint16(msg)
	q.opcode = int(msg[2]>>3) & 0xF
	q.rd = msg[2]&1 != 0
	qd := int(binary.BigEndian.Uint16(msg[4:]))
	an := int(binary.BigEndian.Uint16(msg[6:]))
	ns := int(binary.BigEndian.Uint16(msg[8:]))
	ar := int(binary.BigEndian.Uint16(msg[10:]))
	off := headerLen
	if qd == 1 { // more than one is malformed (RFC 9619), none has no meaning here
		next, ok := q.name.unpack(msg, off, false)
		if !ok || next+4 > len(msg) {
			return malformed
		}
		q.qtype = binary.BigEndian.Uint16(msg[next:])
		q.qclass = binary.BigEndian.Uint16(msg[next+2:])
		off = next + 4
		q.questionEnd = off
	}
	v := accepted
	if qd != 1 {
		v = malformed
	}
	if qd > 1 {
		return v
	}
	for i, total := 0, an+ns+ar; i < total; i++ {
		var r record
		if !r.unpack(msg, off) {
			return malformed
		}
		off = r.end
		switch r.rtype {
		case mdns.TypeOPT:
			if i < an+ns || q.edns || r.data-r.start != 11 {
				v = malformed
				continue
			}
			q.setOPT(msg, r)
		case mdns.TypeTSIG:
			if i != total-1 || i < an+ns || !q.tsig.unpack(msg, r) {
				v = malformed
			}
		}
	}
	if v == accepted && q.edns && q.version == 0 && !q.readOptions() {
		q.ecs = subnet{} // half of one must not be repeated
		v = malformed
	}
	return v
}

// record is a resource record's place in a packet.
type record struct {
	start, data, end int
	rtype            uint16
}

func (r *record) unpack(msg []byte, off int) bool {
	next, ok := skipName(msg, off)
	if !ok || next+10 > len(msg) {
		return false
	}
	r.start, r.data = off, next+10
	r.rtype = binary.BigEndian.Uint16(msg[next:])
	r.end = r.data + int(binary.BigEndian.Uint16(msg[next+8:]))
	return r.end <= len(msg)
}

// tsig is the part of a signed query that an answer to it must repeat. No keys
// are known here, so its signature is never checked.
type tsig struct {
	present   bool
	key       name
	algorithm []byte
	timeFudge []byte // time signed and fudge
	id        []byte
}

func (t *tsig) unpack(msg []byte, r record) bool {
	if _, ok := t.key.unpack(msg, r.start, true); !ok {
		return false
	}
	var algorithm name
	next, ok := algorithm.unpack(msg[:r.end], r.data, false)
	if !ok || next+10 > r.end {
		return false
	}
	mac := int(binary.BigEndian.Uint16(msg[next+8:]))
	rest := next + 10 + mac
	if rest+6 > r.end || rest+6+int(binary.BigEndian.Uint16(msg[rest+4:])) != r.end {
		return false
	}
	t.algorithm, t.timeFudge, t.id = msg[r.data:next], msg[next:next+8], msg[rest:rest+2]
	t.present = true
	return true
}

const badKey = 17 // RFC 8945, section 5.2.1

// append adds the TSIG record that says the key is not known here.
func (t *tsig) append(b []byte) []byte {
	b = append(b, t.key.b[:t.key.n]...)
	b = binary.BigEndian.AppendUint16(b, mdns.TypeTSIG)
	b = binary.BigEndian.AppendUint16(b, mdns.ClassANY)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.algorithm)+16))
	b = append(b, t.algorithm...)
	b = append(b, t.timeFudge...)
	b = append(b, 0, 0) // no MAC: it cannot be signed
	b = append(b, t.id...)
	return append(b, 0, badKey, 0, 0)
}
