package sim

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"fairlead/dns"
	"fairlead/regions"
)

// question is a name as a resolver asks for it: a query for its A records.
type question struct {
	name  regions.Name
	query []byte
}

func newQuestion(n regions.Name) question {
	q := []byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, label := range strings.Split(strings.TrimSuffix(string(n), "."), ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	return question{n, append(q, 0, 0, 1, 0, 1)}
}

// question returns the question for a name, made once.
func (s *simulation) question(n regions.Name) question {
	q, ok := s.asked[n]
	if !ok {
		q = newQuestion(n)
		s.asked[n] = q
	}
	return q
}

var errCut = errors.New("it ends in the middle")

// resolve puts the question to a snapshot, through the wire, and returns the
// addresses that a resolver would read.
func (q question) resolve(s *dns.Snapshot, client netip.Addr, buffer []byte) (rcode int, addresses []netip.Addr, err error) {
	b := s.Answer(buffer[:0], q.query, client)
	if len(b) < len(q.query) || b[2]&0x82 != 0x80 {
		return 0, nil, errors.New("it is no whole answer")
	}
	rcode = int(b[3] & 0xf)
	at := len(q.query)
	for range binary.BigEndian.Uint16(b[6:]) {
		for at < len(b) && b[at] != 0 && b[at]&0xc0 == 0 {
			at += int(b[at]) + 1
		}
		if at >= len(b) {
			return rcode, nil, errCut
		}
		if b[at]&0xc0 != 0 {
			at++
		}
		if at++; at+10 > len(b) {
			return rcode, nil, errCut
		}
		kind, length := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+8:]))
		if at += 10; at+length > len(b) {
			return rcode, nil, errCut
		}
		if kind == 1 && length == 4 {
			addresses = append(addresses, netip.AddrFrom4([4]byte(b[at:at+4])))
		}
		at += length
	}
	return rcode, addresses, nil
}
