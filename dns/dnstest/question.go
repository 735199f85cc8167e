package dnstest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"
)

// Question is a query as a test writes it.
type Question struct {
	Msg    *mdns.Msg
	Client netip.Addr
	Stream bool
}

// ParseQuestion reads a question in dig's words; see the package comment.
func ParseQuestion(text string) (Question, error) {
	q := Question{Msg: new(mdns.Msg), Client: netip.MustParseAddr("203.0.113.53")}
	qtype, class, bufsize := mdns.TypeA, uint16(mdns.ClassINET), uint16(maxUDP)
	edns, qname := true, ""
	opt := &mdns.OPT{Hdr: mdns.RR_Header{Name: ".", Rrtype: mdns.TypeOPT}}
	q.Msg.Id, q.Msg.RecursionDesired = 4711, true
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch {
		case strings.HasPrefix(word, "@"):
			q.Client, err = netip.ParseAddr(word[1:])
		case key == "+noedns":
			edns = false
		case key == "+bufsize":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 16)
			bufsize = uint16(n)
		case key == "+edns":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 8)
			opt.SetVersion(uint8(n))
		case key == "+dnssec":
			opt.SetDo()
		case key == "+nsid":
			opt.Option = append(opt.Option, &mdns.EDNS0_NSID{Code: mdns.EDNS0NSID})
		case key == "+subnet":
			var o *mdns.EDNS0_SUBNET
			o, err = subnetOption(value)
			opt.Option = append(opt.Option, o)
		case key == "+tcp":
			q.Stream = true
		case key == "+norec":
			q.Msg.RecursionDesired = false
		case key == "+opcode":
			q.Msg.Opcode = mdns.StringToOpcode[value]
		case key == "+class":
			class = mdns.StringToClass[value]
		case strings.HasPrefix(word, "+"):
			err = fmt.Errorf("unknown word")
		case qname == "":
			qname = mdns.Fqdn(word)
		default:
			var ok bool
			if qtype, ok = mdns.StringToType[word]; !ok {
				var n uint64
				n, err = strconv.ParseUint(strings.TrimPrefix(word, "TYPE"), 10, 16)
				qtype = uint16(n)
			}
		}
		if err != nil {
			return q, fmt.Errorf("question %q: %s: %w", text, word, err)
		}
	}
	q.Msg.Question = []mdns.Question{{Name: qname, Qtype: qtype, Qclass: class}}
	if edns {
		opt.SetUDPSize(bufsize)
		q.Msg.Extra = append(q.Msg.Extra, opt)
	}
	return q, nil
}

func subnetOption(text string) (*mdns.EDNS0_SUBNET, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, err
	}
	o := &mdns.EDNS0_SUBNET{Code: mdns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
	if p.Addr().Is6() {
		o.Family = 2
	}
	return o, nil
}

const maxUDP = 1232
