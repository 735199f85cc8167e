package dns

import (
	"encoding/binary"
	"net/netip"

	mdns "github.com/miekg/dns"
)

const (
	maxUDP    = 1232 // what passes every path unfragmented, and what we advertise
	minUDP    = 512  // RFC 1035, section 4.2.1
	maxStream = 65535
	optLen    = 11 // an OPT record without options
)

// subnet is the client subnet option (RFC 7871).
type subnet struct {
	present bool
	family  uint16
	source  int
	prefix  netip.Prefix
}

func (q *query) setOPT(msg []byte, r record) {
	fixed := msg[r.start+1:]
	q.edns = true
	q.payload = binary.BigEndian.Uint16(fixed[2:])
	q.version = fixed[5]
	q.do = fixed[6]&0x80 != 0 // the other flags must be zero and are not looked at
	q.options = msg[r.data:r.end]
}

// readOptions reports whether the options are well formed.
func (q *query) readOptions() bool {
	for o := q.options; len(o) > 0; {
		if len(o) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(o), int(binary.BigEndian.Uint16(o[2:]))
		if 4+n > len(o) {
			return false
		}
		data := o[4 : 4+n]
		o = o[4+n:]
		switch code {
		case mdns.EDNS0NSID:
			q.nsid = true
		case mdns.EDNS0SUBNET:
			var ecs subnet
			if !ecs.unpack(data) {
				return false
			}
			if !q.ecs.present { // of two the first counts
				q.ecs = ecs
			}
		case mdns.EDNS0COOKIE: // we give none, but know a broken one (RFC 7873, section 5.2.2)
			if n != 8 && (n < 16 || n > 40) {
				return false
			}
		}
	}
	return true
}

// unpack is strict where RFC 7871, section 6, is: the address has just the
// bytes that the prefix needs, its other bits are zero, and a query's scope is
// zero. An unknown family is malformed too (section 7.1.2).
func (s *subnet) unpack(data []byte) bool {
	if len(data) < 4 || data[3] != 0 {
		return false
	}
	s.present = true
	s.family = binary.BigEndian.Uint16(data)
	s.source = int(data[2])
	address := data[4:]
	if len(address) != (s.source+7)/8 {
		return false
	}
	var addr netip.Addr
	switch s.family {
	case 0: // what some clients send to say: none
		return s.source == 0
	case 1:
		var b [4]byte
		if s.source > 32 {
			return false
		}
		copy(b[:], address)
		addr = netip.AddrFrom4(b)
	case 2:
		var b [16]byte
		if s.source > 128 {
			return false
		}
		copy(b[:], address)
		addr = netip.AddrFrom16(b)
	default:
		return false
	}
	s.prefix = netip.PrefixFrom(addr, s.source)
	return s.prefix.Masked().Addr() == addr
}

// client is the prefix by which a client is told from others: the subnet that
// its resolver passed on, else the resolver's own address. A resolver that
// sends a prefix of no bits asks not to be told apart by its users; its own
// address is all there is.
func (q *query) client(from netip.Addr) (p netip.Prefix, subnet bool) {
	if q.ecs.present && q.ecs.source > 0 {
		return q.ecs.prefix, true
	}
	from = from.Unmap()
	return netip.PrefixFrom(from.WithZone(""), from.BitLen()), false
}

// optSize is how much of the message the answer's OPT record may need.
func (s *Snapshot) optSize(q *query) int {
	if !q.edns {
		return 0
	}
	n := optLen + 6 // room for an extended error
	if q.ecs.present {
		n += 8 + (q.ecs.source+7)/8
	}
	if q.nsid && s != nil {
		n += 4 + len(s.nsid)
	}
	return n
}

// appendOPT closes the message. Every answer to a query with EDNS has an OPT
// record, whatever else is wrong with it (RFC 6891, section 7).
func (s *Snapshot) appendOPT(b []byte, q *query, rcode int, scope int, ede int) []byte {
	b = append(b, 0, 0, byte(mdns.TypeOPT))
	b = binary.BigEndian.AppendUint16(b, maxUDP)
	b = append(b, byte(rcode>>4), 0)
	if q.do {
		b = append(b, 0x80, 0)
	} else {
		b = append(b, 0, 0)
	}
	at := len(b)
	b = append(b, 0, 0)
	if q.nsid && s != nil && len(s.nsid) > 0 {
		b = appendOption(b, mdns.EDNS0NSID, len(s.nsid))
		b = append(b, s.nsid...)
	}
	if q.ecs.present {
		n := (q.ecs.source + 7) / 8
		b = appendOption(b, mdns.EDNS0SUBNET, 4+n)
		b = binary.BigEndian.AppendUint16(b, q.ecs.family)
		b = append(b, byte(q.ecs.source), byte(scope))
		addr := q.ecs.prefix.Addr()
		switch q.ecs.family {
		case 1:
			a := addr.As4()
			b = append(b, a[:n]...)
		case 2:
			a := addr.As16()
			b = append(b, a[:n]...)
		}
	}
	if ede >= 0 {
		b = appendOption(b, mdns.EDNS0EDE, 2)
		b = binary.BigEndian.AppendUint16(b, uint16(ede))
	}
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

func appendOption(b []byte, code uint16, n int) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}
