package publish

import (
	"fmt"
	"net/netip"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// selfTest asks the new snapshot for every name it changed, once for each
// client group, and compares the answer with what the plan says. It goes
// through the wire: what it proves is what a resolver will read.
func selfTest(before, after *dns.Snapshot, plan steer.Plan) map[regions.Name]string {
	failed := make(map[regions.Name]string)
	for _, n := range after.Changed(before) {
		s, ok := plan.Name(n)
		if !ok || !after.Steered(n) {
			continue
		}
		for i := range s.Cells {
			if err := testName(after, s, clientOf(s.Cells[i])); err != nil {
				failed[n] = fmt.Sprintf("%s failed its test and keeps its answer: %v (report this)", n, err)
				break
			}
		}
	}
	return failed
}

// clientOf returns somebody in the group; for everyone else, somebody from a
// network that is reserved for documentation.
func clientOf(c steer.Cell) netip.Addr {
	if len(c.Prefixes) > 0 {
		return c.Prefixes[0].Addr()
	}
	return netip.AddrFrom4([4]byte{203, 0, 113, 1})
}

func testName(snapshot *dns.Snapshot, s *steer.Steered, client netip.Addr) error {
	choice := s.Choose(netip.PrefixFrom(client, client.BitLen()))
	want := map[netip.Addr]bool{}
	if choice.Set >= 0 && choice.Set < len(s.Sets) {
		for _, e := range s.Sets[choice.Set].Endpoints {
			for _, a := range e.Addresses {
				want[a.Unmap().WithZone("")] = true
			}
		}
	}
	got := 0
	for _, t := range []uint16{mdns.TypeA, mdns.TypeAAAA} {
		addrs, err := ask(snapshot, s.Name, t, client)
		if err != nil {
			return fmt.Errorf("asked for %s by %s: %w", mdns.Type(t), client, err)
		}
		for _, a := range addrs {
			if !want[a] {
				return fmt.Errorf("asked for %s by %s: it answered %s, which the plan does not", mdns.Type(t), client, a)
			}
		}
		got += len(addrs)
	}
	if got != len(want) {
		return fmt.Errorf("asked by %s: it answered %d of %d addresses", client, got, len(want))
	}
	return nil
}

// ask puts a question as over TCP, so that a long answer is whole.
func ask(snapshot *dns.Snapshot, n regions.Name, t uint16, client netip.Addr) ([]netip.Addr, error) {
	var m mdns.Msg
	m.SetQuestion(string(n), t)
	query, err := m.Pack()
	if err != nil {
		return nil, err
	}
	var answer mdns.Msg
	if err := answer.Unpack(snapshot.AnswerStream(nil, query, client)); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if answer.Rcode != mdns.RcodeSuccess || answer.Id != m.Id {
		return nil, fmt.Errorf("it answered %s", mdns.RcodeToString[answer.Rcode])
	}
	var out []netip.Addr
	for _, rr := range answer.Answer {
		var a netip.Addr
		switch rr := rr.(type) {
		case *mdns.A:
			a, _ = netip.AddrFromSlice(rr.A.To4())
		case *mdns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		}
		out = append(out, a)
	}
	return out, nil
}
