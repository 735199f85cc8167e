package dnstest_test

import (
	"fmt"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"
)

// heard is an answer in parts that can be compared: names without case,
// records without order.
type heard struct {
	status     string // rcode, flags, whether there is an OPT record and its DO
	answer     string
	authority  string
	additional string
	truncated  bool
	rcode      int
	raw        *mdns.Msg
}

var parts = []string{"status", "answer", "authority", "additional"}

func (h heard) part(name string) string {
	switch name {
	case "status":
		return h.status
	case "answer":
		return h.answer
	case "authority":
		return h.authority
	}
	return h.additional
}

// hear takes an answer apart. apex is the zone of the question: its NS records
// beside an answer are a courtesy that some servers show and none must, so they
// are not compared.
func hear(raw []byte, apex string) (h heard) {
	if raw == nil {
		return heard{status: "silence"}
	}
	m := new(mdns.Msg)
	if err := m.Unpack(raw); err != nil {
		return heard{status: "unreadable: " + err.Error()}
	}
	h.raw, h.truncated = m, m.Truncated
	h.rcode = m.Rcode
	var flags strings.Builder
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Response, " qr"}, {m.Authoritative, " aa"}, {m.Truncated, " tc"}, {m.RecursionDesired, " rd"},
		{m.RecursionAvailable, " ra"}, {m.AuthenticatedData, " ad"}, {m.CheckingDisabled, " cd"}, {m.Zero, " z"}} {
		if f.set {
			flags.WriteString(f.name)
		}
	}
	if opt := m.IsEdns0(); opt != nil {
		h.rcode |= opt.ExtendedRcode() &^ 0xF
		fmt.Fprintf(&flags, " edns%d", opt.Version())
		if opt.Do() {
			flags.WriteString(" do")
		}
	}
	h.status = mdns.RcodeToString[h.rcode] + flags.String()
	if m.Truncated {
		return h // whoever reads this comes again over TCP
	}
	courtesy := func(rr mdns.RR) bool {
		return m.Authoritative && len(m.Answer) > 0 && rr.Header().Rrtype == mdns.TypeNS && strings.EqualFold(rr.Header().Name, apex)
	}
	h.answer = recordText(m.Answer)
	h.authority = recordText(slices.DeleteFunc(slices.Clone(m.Ns), courtesy))
	h.additional = recordText(m.Extra)
	return h
}

// recordText writes records one to a line, sorted. A record that is there twice
// says no more than once; that ours never is, [dnstest.Sound] sees to.
func recordText(records []mdns.RR) string {
	var lines []string
	for _, rr := range records {
		switch rr.(type) {
		case *mdns.OPT:
			continue
		case *mdns.TXT, *mdns.SPF, *mdns.CAA, *mdns.RFC3597: // no names in them
			h := rr.Header()
			lines = append(lines, strings.ToLower(h.Name)+strings.TrimPrefix(rr.String(), h.Name))
		default:
			lines = append(lines, strings.ToLower(rr.String()))
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// majority returns what at least two of the references say.
func majority(refs []heard, part string) (string, bool) {
	for i, a := range refs {
		for _, b := range refs[i+1:] {
			if a.part(part) == b.part(part) {
				return a.part(part), true
			}
		}
	}
	return "", false
}
