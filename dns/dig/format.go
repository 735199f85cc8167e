package dig

import (
	"fmt"
	"strings"

	mdns "github.com/miekg/dns"
)

// Format writes an answer much as dig does, without what differs each time.
func Format(m *mdns.Msg) string {
	var b strings.Builder
	flags := "qr"
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"},
		{m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"}, {m.Zero, "z"}} {
		if f.set {
			flags += " " + f.name
		}
	}
	status := m.Rcode
	if opt := m.IsEdns0(); opt != nil {
		status |= opt.ExtendedRcode() &^ 0xF
	}
	name := mdns.RcodeToString[status]
	if status == mdns.RcodeBadVers {
		name = "BADVERS" // the number is BADSIG's too, in a TSIG record
	}
	fmt.Fprintf(&b, ";; status: %s, flags: %s\n", name, flags)
	if m.Opcode != mdns.OpcodeQuery {
		fmt.Fprintf(&b, ";; opcode: %s\n", mdns.OpcodeToString[m.Opcode])
	}
	formatOPT(&b, m.IsEdns0())
	section(&b, "ANSWER", m.Answer)
	section(&b, "AUTHORITY", m.Ns)
	section(&b, "ADDITIONAL", m.Extra)
	return b.String()
}

func formatOPT(b *strings.Builder, opt *mdns.OPT) {
	if opt == nil {
		return
	}
	fmt.Fprintf(b, ";; EDNS: version: %d, udp: %d", opt.Version(), opt.UDPSize())
	if opt.Do() {
		b.WriteString(", do")
	}
	b.WriteString("\n")
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *mdns.EDNS0_SUBNET:
			fmt.Fprintf(b, ";; CLIENT-SUBNET: %s/%d/%d\n", o.Address, o.SourceNetmask, o.SourceScope)
		case *mdns.EDNS0_NSID:
			fmt.Fprintf(b, ";; NSID: %s\n", o.Nsid)
		case *mdns.EDNS0_EDE:
			fmt.Fprintf(b, ";; EDE: %d (%s)\n", o.InfoCode, mdns.ExtendedErrorCodeToString[o.InfoCode])
		default:
			fmt.Fprintf(b, ";; option %d: %s\n", o.Option(), o)
		}
	}
}

func section(b *strings.Builder, title string, records []mdns.RR) {
	first := true
	for _, rr := range records {
		if rr.Header().Rrtype == mdns.TypeOPT {
			continue
		}
		if first {
			fmt.Fprintf(b, ";; %s\n", title)
			first = false
		}
		b.WriteString(strings.Join(strings.Split(rr.String(), "\t"), " ") + "\n")
	}
}
