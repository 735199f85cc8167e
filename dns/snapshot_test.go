package dns_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// lookup returns the addresses that a client gets, and the status.
func lookup(t testing.TB, s *dns.Snapshot, question string, client netip.Addr) (status string, addrs []string) {
	t.Helper()
	var m mdns.Msg
	if err := m.Unpack(s.Answer(nil, pack(t, question), client)); err != nil {
		t.Fatal(err)
	}
	for _, rr := range m.Answer {
		if a, ok := rr.(*mdns.A); ok {
			addrs = append(addrs, a.A.String())
		}
	}
	return mdns.RcodeToString[m.Rcode], addrs
}

const (
	twoNames = "generation 1\nname a.example.com\nset x 198.51.100.1\ncell everyone = x\nname b.example.com\nset x 198.51.100.2\ncell everyone = x\n"
	newB     = "generation 2\nname a.example.com\nset x 198.51.100.1\ncell everyone = x\nname b.example.com\nset x 198.51.100.3\ncell everyone = x\n"
)

func TestWithRecompilesOnlyWhatChanged(t *testing.T) {
	before := compile(t, testZone, twoNames)
	after, err := before.With(parsePlan(t, newB))
	if err != nil {
		t.Fatal(err)
	}
	if got := after.Changed(before); !slices.Equal(got, []regions.Name{"b.example.com."}) {
		t.Errorf("Changed = %v, want b alone", got)
	}
	if _, got := lookup(t, before, "b.example.com A", resolver); !slices.Equal(got, []string{"198.51.100.2"}) {
		t.Errorf("the snapshot before answers b with %v now, want what it answered before", got)
	}
	if _, got := lookup(t, after, "b.example.com A", resolver); !slices.Equal(got, []string{"198.51.100.3"}) {
		t.Errorf("the snapshot after answers b with %v", got)
	}
	if before.Hash() == after.Hash() {
		t.Error("the hash did not change with the answers")
	}
	words := parsePlan(t, newB)
	words.Generation = 3
	words.Names[0].Cells[0].Because = "other words, same answers"
	same, err := after.With(words)
	if err != nil {
		t.Fatal(err)
	}
	if got := same.Changed(after); len(got) != 0 || same.Hash() != after.Hash() {
		t.Errorf("a plan with other words changed %v, hash %s to %s", got, after.Hash(), same.Hash())
	}
	if _, g := same.Generation(); g != 3 {
		t.Errorf("generation = %d, want 3", g)
	}
}

func TestWithAndCompileAgree(t *testing.T) {
	incremental := compile(t, testZone, twoNames)
	for _, text := range []string{newB, testPlan, twoNames, "", testPlan + newB} {
		plan := parsePlan(t, text)
		var err error
		if incremental, err = incremental.With(plan); err != nil {
			t.Fatal(err)
		}
		whole := compile(t, testZone, text)
		if incremental.Hash() != whole.Hash() {
			t.Errorf("after With(%q) the hash is %s, a full compile has %s", text, incremental.Hash(), whole.Hash())
		}
		for _, q := range []string{"a.example.com A", "b.example.com A", "www.example.com A +subnet=192.0.2.0/24", "example.com SOA", "x.a.example.com A"} {
			a, b := incremental.Answer(nil, pack(t, q), resolver), whole.Answer(nil, pack(t, q), resolver)
			if !slices.Equal(a, b) {
				t.Errorf("after With(%q), %s: incremental %x, whole %x", text, q, a, b)
			}
		}
	}
}

func TestWhatCannotBeCompiledKeepsItsAnswer(t *testing.T) {
	good := compile(t, testZone, twoNames)
	spoil := func(f func(*steer.Steered)) steer.Plan {
		p := parsePlan(t, newB)
		f(&p.Names[0])
		return p
	}
	tests := []struct {
		name, reason string
		plan         steer.Plan
	}{
		{"no client group", "no client group", spoil(func(s *steer.Steered) { s.Cells = nil })},
		{"an answer without an address", "has no address", spoil(func(s *steer.Steered) { s.Sets[0].Endpoints[0].Addresses = nil })},
		{"a threshold that points nowhere", "divides its clients wrongly", spoil(func(s *steer.Steered) { s.Cells[0].Thresholds[0].Set = 7 })},
		{"thresholds that leave clients out", "without an answer", spoil(func(s *steer.Steered) {
			s.Cells[0].Thresholds = []steer.Threshold{{Below: 10}, {Below: 20}}
		})},
		{"a negative TTL", "out of range", spoil(func(s *steer.Steered) { s.TTL = -1 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := good.With(tt.plan)
			if err != nil {
				t.Fatal(err)
			}
			q := s.Quarantined()
			if len(q) != 1 || q[0].Name != "a.example.com." || !q[0].Held || !strings.Contains(q[0].Reason, tt.reason) {
				t.Errorf("quarantined = %+v, want a held, because %q", q, tt.reason)
			}
			if _, got := lookup(t, s, "a.example.com A", resolver); !slices.Equal(got, []string{"198.51.100.1"}) {
				t.Errorf("a is answered with %v, want the answer before", got)
			}
			if _, got := lookup(t, s, "b.example.com A", resolver); !slices.Equal(got, []string{"198.51.100.3"}) {
				t.Errorf("b is answered with %v, want the new answer: it has nothing to do with a", got)
			}
			healed, err := s.With(parsePlan(t, newB))
			if err != nil || len(healed.Quarantined()) != 0 {
				t.Errorf("after a good plan: %v, %v; want nothing quarantined", healed.Quarantined(), err)
			}
			fresh, err := dns.Compile(good.Zones(), tt.plan)
			if err != nil {
				t.Fatal(err)
			}
			if status, got := lookup(t, fresh, "a.example.com A", resolver); status != "SERVFAIL" || len(got) != 0 {
				t.Errorf("without an answer before, a is %s %v, want SERVFAIL", status, got)
			}
		})
	}
}

func TestCompileRefusesOneOriginTwice(t *testing.T) {
	z := parseZone(t, "example.com", testZone)
	if _, err := dns.Compile([]*zone.Zone{z, parseZone(t, "EXAMPLE.com.", testZone)}, steer.Plan{}); err == nil || !strings.Contains(err.Error(), "loaded twice") {
		t.Errorf("Compile with one origin twice = %v", err)
	}
}

func TestWithRefusesADisorderlyPlan(t *testing.T) {
	s := compile(t, testZone, twoNames)
	p := parsePlan(t, twoNames)
	slices.Reverse(p.Names)
	if _, err := s.With(p); err == nil {
		t.Error("With took a plan whose names are not sorted")
	}
	p.Names[1] = p.Names[0]
	if _, err := s.With(p); err == nil {
		t.Error("With took a plan that names one thing twice")
	}
}

func TestConflicts(t *testing.T) {
	z := parseZone(t, "example.com", testZone)
	got, err := dns.Conflicts([]*zone.Zone{z}, []regions.Name{"www.example.com.", "alias.example.com.", "www.example.org.", "x.child.example.com.", "www.example.com."})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"alias.example.com. has a static CNAME record at example.com.zone:5", "www.example.org. is in none", "x.child.example.com. is below the delegation"}
	if len(got) != len(want) {
		t.Fatalf("Conflicts = %+v, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i].Reason, want[i]) {
			t.Errorf("Conflicts[%d] = %q, want %q", i, got[i].Reason, want[i])
		}
	}
}

// The wire and the explanation of an answer go by one choice.
func TestAnswersAreWhatThePlanChooses(t *testing.T) {
	s, plan := compile(t, testZone, testPlan), parsePlan(t, testPlan)
	name, _ := plan.Name("www.example.com.")
	counts := map[string]int{}
	for i := range 2000 {
		client := netip.AddrFrom4([4]byte{byte(i % 200), byte(i / 7), byte(i), 9})
		choice := name.Choose(netip.PrefixFrom(client, 32))
		var want []string
		for _, e := range name.Sets[choice.Set].Endpoints {
			if e.Addresses[0].Is4() {
				want = append(want, e.Addresses[0].String())
			}
		}
		if _, got := lookup(t, s, "www.example.com A", client); !slices.Equal(got, want) {
			t.Fatalf("%s gets %v, the plan chooses %v", client, got, want)
		}
		subnet := netip.PrefixFrom(client, 24).Masked()
		if _, got := lookup(t, s, "www.example.com A +subnet="+subnet.String(), resolver); !slices.Equal(got, want) {
			t.Fatalf("subnet %s gets %v, the plan chooses %v", subnet, got, want)
		}
		counts[want[0]]++
	}
	if a, b := counts["198.51.100.1"], counts["198.51.100.2"]; a < 800 || b < 800 {
		t.Errorf("of 2000 clients %v: far from half each", counts)
	}
}

func BenchmarkWith(b *testing.B) {
	var plan steer.Plan
	for i := range 10_000 {
		p := parsePlan(b, twoNames)
		s := p.Names[0]
		s.Name = regions.Name("n" + string([]byte{'a' + byte(i/1000), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)}) + ".example.com.")
		plan.Names = append(plan.Names, s)
	}
	s, err := dns.Compile([]*zone.Zone{parseZone(b, "example.com", testZone)}, plan)
	if err != nil {
		b.Fatal(err)
	}
	other := plan
	other.Names = slices.Clone(plan.Names)
	other.Names[17].TTL++
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.With(other); err != nil {
			b.Fatal(err)
		}
	}
}

// A zone that cannot be read must not be denied by the zone above it.
func TestFailingZonesAreNotDenied(t *testing.T) {
	s := compile(t, testZone+"inside NS ns1\n", twoNames)
	failing, err := s.Failing("inside.example.com", "elsewhere.example", "example.com")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := failing.With(parsePlan(t, newB))
	if err != nil {
		t.Fatal(err)
	}
	more := parsePlan(t, newB+"name c.example.com\nset x 198.51.100.4\ncell everyone = x\n")
	grown, err := failing.With(more)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Snapshot{failing, changed, grown} {
		for question, want := range map[string]string{
			"www.inside.example.com A": "SERVFAIL", "inside.example.com SOA": "SERVFAIL", "x.y.elsewhere.example A": "SERVFAIL",
			"inside.example.com DS": "NOERROR", "ns1.example.com A": "NOERROR", "example.org A": "REFUSED",
		} {
			if got, _ := lookup(t, s, question, resolver); got != want {
				t.Errorf("%s: %s, want %s", question, got, want)
			}
		}
	}
	if failing.Hash() == s.Hash() {
		t.Error("the hash is the same, but not the answers")
	}
	if served, err := grown.WithZones(grown.Zones(), more); err != nil || served.Hash() == grown.Hash() {
		t.Errorf("WithZones keeps zones as failing that nobody asked for (%v)", err)
	}
	if _, got := lookup(t, grown, "c.example.com A", resolver); len(got) != 1 {
		t.Errorf("c.example.com is answered with %v", got)
	}
}
