// Package dig asks a snapshot a question as a resolver would, and writes the
// answer in dig's notation: for explanations and for tests, which both want to
// see what went over the wire and not what was meant to.
package dig

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/regions/fault"
)

// Ask puts a question for a client to a snapshot, over TCP so that the answer
// is whole. A client that is no single address is sent as an EDNS client
// subnet (RFC 7871); an invalid one is left out.
func Ask(s *dns.Snapshot, name, qtype string, client netip.Prefix) (string, error) {
	t, ok := mdns.StringToType[strings.ToUpper(qtype)]
	if !ok {
		return "", fault.Invalidf("type "+qtype, "is no record type").Do("use A, AAAA, TXT or another type's name")
	}
	if _, ok := mdns.IsDomainName(name); !ok {
		return "", fault.Invalidf("name "+name, "is not a domain name").Do("use labels of 1 to 63 bytes, 255 bytes in all")
	}
	var m mdns.Msg
	m.SetQuestion(mdns.Fqdn(name), t)
	m.RecursionDesired = false
	from := netip.IPv4Unspecified()
	if client.IsValid() {
		from = client.Addr()
		m.SetEdns0(1232, false)
		family := uint16(1)
		if from.Is6() {
			family = 2
		}
		m.IsEdns0().Option = append(m.IsEdns0().Option, &mdns.EDNS0_SUBNET{Code: mdns.EDNS0SUBNET, Family: family,
			SourceNetmask: uint8(client.Bits()), Address: net.IP(client.Masked().Addr().AsSlice())})
	}
	query, err := m.Pack()
	if err != nil {
		return "", fmt.Errorf("pack the question for %s: %w", name, err)
	}
	var answer mdns.Msg
	if err := answer.Unpack(s.AnswerStream(nil, query, from)); err != nil {
		return "", fmt.Errorf("read the answer for %s: %w", name, err)
	}
	return Format(&answer), nil
}
