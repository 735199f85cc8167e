package steer_test

import (
	"math"
	"net/netip"
	"testing"

	"fairlead/regions"
	"fairlead/regions/steer"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestAClientIsMaskedToWhatMayMatter(t *testing.T) {
	tests := []struct{ in, want string }{
		{"198.51.100.77/32", "198.51.100.0/24"},
		{"198.51.100.77/24", "198.51.100.0/24"},
		{"198.51.100.77/16", "198.51.0.0/16"},
		{"198.51.100.77/0", "0.0.0.0/0"},
		{"2001:db8:1:2:3:4:5:6/128", "2001:db8:1::/56"},
		{"2001:db8:1:2ff::/64", "2001:db8:1:200::/56"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"::ffff:198.51.100.77/128", "198.51.100.0/24"},
		{"::ffff:198.51.100.77/112", "198.51.0.0/16"},
		{"::ffff:198.51.100.77/64", "0.0.0.0/0"},
	}
	for _, tt := range tests {
		if got := steer.Client(prefix(tt.in)); got.String() != tt.want {
			t.Errorf("Client(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
	if got := steer.Client(netip.Prefix{}); got.IsValid() {
		t.Errorf("Client(nothing) = %v", got)
	}
}

// table is a name with three groups and everyone else; set i belongs to cell i.
func table() *steer.Steered {
	one := func(set int) []steer.Threshold { return []steer.Threshold{{Below: steer.Buckets, Set: set}} }
	return &steer.Steered{Name: "www.example.com.", Service: "www", Sets: make([]steer.Set, 5), Cells: []steer.Cell{
		{Group: "wide", Prefixes: []netip.Prefix{prefix("198.51.0.0/16"), prefix("2001:db8::/32")}, Thresholds: one(0)},
		{Group: "narrow", Prefixes: []netip.Prefix{prefix("198.51.100.0/24")}, Thresholds: one(1)},
		{Group: "half", Prefixes: []netip.Prefix{prefix("203.0.0.0/12")}, Thresholds: []steer.Threshold{{Below: 5000, Set: 2}, {Below: steer.Buckets, Set: 3}}},
		{Group: steer.Everyone, Thresholds: one(4)},
	}}
}

func TestTheMostSpecificGroupWins(t *testing.T) {
	tests := []struct {
		name   string
		client string
		cell   int
		scope  int
	}{
		{"inside both", "198.51.100.9/32", 1, 24},
		{"inside the wide one", "198.51.7.9/32", 0, 24},
		{"outside all", "192.0.2.1/32", 3, 24},
		{"too coarse for the narrow one", "198.51.100.0/20", 0, 24},
		{"too coarse for any", "198.0.0.0/8", 3, 24},
		{"another family", "2001:db8:1::/48", 0, 32},
		{"another family, outside", "2001:dead::/48", 3, 32},
		{"an IPv4 address in IPv6 clothes", "::ffff:198.51.100.9/128", 1, 24},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := table().Choose(prefix(tt.client))
			if got.Cell != tt.cell || got.Set != []int{0, 1, 2, 4}[tt.cell] || got.Scope != tt.scope {
				t.Errorf("%s gets %+v, want cell %d, scope %d", tt.client, got, tt.cell, tt.scope)
			}
		})
	}
}

func TestTheScopeIsWhatTheAnswerDependedOn(t *testing.T) {
	s := table()
	if got := s.Choose(prefix("203.0.113.7/32")); got.Scope != 24 || got.Cell != 2 || got.Set != 2+b2i(got.Bucket >= 5000) {
		t.Errorf("a cohort's answer depends on the 24 hashed bits: %+v", got)
	}
	s.Cells = s.Cells[3:]
	if got := s.Choose(prefix("203.0.113.7/32")); got.Scope != 0 || got.Set != 4 {
		t.Errorf("one answer for all depends on nothing: %+v", got)
	}
	s.Cells[0].Thresholds = []steer.Threshold{{Below: 1, Set: 0}, {Below: steer.Buckets, Set: 1}}
	if got := s.Choose(prefix("2001:db8::1/128")); got.Scope != 56 {
		t.Errorf("IPv6 is hashed by 56 bits: %+v", got)
	}
	s.Cells[0].Thresholds = nil
	if got := s.Choose(prefix("203.0.113.7/32")); got.Set != -1 {
		t.Errorf("a cell without thresholds has no answer: %+v", got)
	}
	if got := (&steer.Steered{}).Choose(netip.Prefix{}); got.Set != -1 {
		t.Errorf("neither has a name without cells: %+v", got)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestBucketsAreUniformAndIndependent(t *testing.T) {
	const n = 1 << 16
	var www, both [10]int
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		a, b := steer.Bucket("www", p), steer.Bucket("api", p)
		if a < 0 || a >= steer.Buckets {
			t.Fatalf("bucket %d", a)
		}
		www[a*10/steer.Buckets]++
		if a < steer.Buckets/10 {
			both[b*10/steer.Buckets]++
		}
	}
	check := func(what string, counts [10]int) {
		sum := 0
		for _, c := range counts {
			sum += c
		}
		want := float64(sum) / 10
		for i, c := range counts {
			if math.Abs(float64(c)-want) > 5*math.Sqrt(want) {
				t.Errorf("%s: tenth %d holds %d of %d", what, i, c, sum)
			}
		}
	}
	check("buckets of neighbouring networks", www)
	check("buckets of one service within a tenth of another's", both)
}

// The values are part of the contract: clients must stay in their cohorts
// when nodes of different versions answer.
func TestBucketsNeverMove(t *testing.T) {
	tests := []struct {
		service regions.ServiceID
		client  string
		want    int
	}{
		{"www", "198.51.100.0/24", 4548}, {"www", "198.51.101.0/24", 3051}, {"api", "198.51.100.0/24", 3451}, {"www", "2001:db8::/56", 9541},
	}
	for _, tt := range tests {
		if got := steer.Bucket(tt.service, prefix(tt.client)); got != tt.want {
			t.Errorf("Bucket(%s, %s) = %d, want %d for ever", tt.service, tt.client, got, tt.want)
		}
	}
}

func TestChoosingDoesNotAllocate(t *testing.T) {
	s, client := table(), prefix("203.0.113.7/32")
	if n := testing.AllocsPerRun(100, func() { s.Choose(client) }); n != 0 {
		t.Errorf("%v allocations for each answer", n)
	}
}
