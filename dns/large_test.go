package dns_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/dns"
	"fairlead/dns/zone"
)

// A failover must not wait for the zones it does not touch. The bound is
// generous; what it forbids is work in proportion to the zone.
func TestAPlanChangeDoesNotDependOnTheSizeOfTheZone(t *testing.T) {
	var b strings.Builder
	b.WriteString(testZone)
	for i := range 50_000 {
		fmt.Fprintf(&b, "h%d A 192.0.2.%d\n", i, i%250)
	}
	s, err := dns.Compile([]*zone.Zone{parseZone(t, "example.com", b.String())}, parsePlan(t, twoNames))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 100 {
		text := twoNames
		if i%2 == 0 {
			text = newB
		}
		if s, err = s.With(parsePlan(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("100 plan changes beside a zone of 50,000 names took %v, want far less than a second", took)
	}
	if _, got := lookup(t, s, "h49999.example.com A", resolver); len(got) != 1 {
		t.Errorf("h49999 is answered with %v", got)
	}
}

func BenchmarkLoadZone(b *testing.B) {
	var text strings.Builder
	text.WriteString(testZone)
	for i := range 50_000 {
		fmt.Fprintf(&text, "h%d A 192.0.2.%d\n", i, i%250)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dns.Compile([]*zone.Zone{parseZone(b, "example.com", text.String())}, parsePlan(b, twoNames)); err != nil {
			b.Fatal(err)
		}
	}
}
