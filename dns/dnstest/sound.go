package dnstest

import (
	"bytes"
	"fmt"

	mdns "github.com/miekg/dns"
)

// Sound says what is wrong with an answer whatever the question was: it must
// be readable to its last byte, carry the query's id, opcode, RD and question
// as they came, have QR set and RA, AD, CD and Z clear, have an OPT record if
// and only if the query was understood to have one, fit its transport, and
// never hold one record twice.
func Sound(query, answer []byte, stream bool) error {
	var m mdns.Msg
	if err := m.Unpack(answer); err != nil {
		return fmt.Errorf("it cannot be unpacked: %w", err)
	}
	if size, err := measure(answer); err != nil || size != len(answer) {
		return fmt.Errorf("it has %d bytes, of which its counts explain %d: %v", len(answer), size, err)
	}
	switch {
	case !bytes.Equal(query[:2], answer[:2]):
		return fmt.Errorf("its id is not the query's")
	case !m.Response:
		return fmt.Errorf("QR is clear")
	case query[2]&0x79 != answer[2]&0x79:
		return fmt.Errorf("its opcode or RD is not the query's")
	case m.RecursionAvailable || m.AuthenticatedData || m.CheckingDisabled || m.Zero:
		return fmt.Errorf("RA, AD, CD or Z is set")
	case len(m.Question) > 1:
		return fmt.Errorf("it has %d questions", len(m.Question))
	case stream && m.Truncated:
		return fmt.Errorf("it is truncated, over TCP")
	}
	if len(m.Question) == 1 {
		end, err := questionEnd(answer)
		if err != nil || end > len(query) || !bytes.Equal(query[12:end], answer[12:end]) {
			return fmt.Errorf("its question is not the query's, byte by byte")
		}
	}
	return sections(query, answer, &m, stream)
}

func sections(query, answer []byte, m *mdns.Msg, stream bool) error {
	limit := 65535
	var asked mdns.Msg
	if err := asked.Unpack(query); err == nil && m.Rcode != mdns.RcodeFormatError {
		if (asked.IsEdns0() != nil) != (m.IsEdns0() != nil) {
			return fmt.Errorf("query and answer do not both have an OPT record, or both none")
		}
		if !stream {
			limit = 512
			if opt := asked.IsEdns0(); opt != nil {
				limit = min(max(512, int(opt.UDPSize())), maxUDP)
			}
		}
	}
	if len(answer) > limit {
		return fmt.Errorf("it has %d bytes, %d were allowed", len(answer), limit)
	}
	for _, records := range [][]mdns.RR{m.Answer, m.Ns, m.Extra} {
		seen := map[string]bool{}
		for _, rr := range records {
			if s := rr.String(); seen[s] {
				return fmt.Errorf("it holds a record twice: %s", s)
			} else {
				seen[s] = true
			}
		}
	}
	return nil
}

func questionEnd(b []byte) (int, error) {
	_, off, err := mdns.UnpackDomainName(b, 12)
	return off + 4, err
}

// measure walks the whole message by its counts.
func measure(b []byte) (int, error) {
	count := func(i int) int { return int(b[i])<<8 | int(b[i+1]) }
	off := 12
	for range count(4) {
		_, next, err := mdns.UnpackDomainName(b, off)
		if err != nil {
			return off, err
		}
		off = next + 4
	}
	for range count(6) + count(8) + count(10) {
		_, next, err := mdns.UnpackRR(b, off)
		if err != nil {
			return off, err
		}
		off = next
	}
	return off, nil
}
