package lookup_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/cmd/internal/demo/dnsstub"
	"fairlead/cmd/internal/demo/lookup"
)

func TestLookupReturnsWhatWentOverTheWire(t *testing.T) {
	s := dnsstub.New(t, 2*time.Second)
	s.Set("www.shop.example", "127.10.0.1")
	europe := netip.MustParsePrefix("192.0.2.0/24")
	s.SetFor(europe, "www.shop.example", "127.20.0.1")

	tests := []struct {
		name   string
		client netip.Prefix
		want   string
	}{
		{"everyone else, no client network sent", netip.Prefix{}, "127.10.0.1"},
		{"a client network has its own answer", europe, "127.20.0.1"},
		{"another client network has not", netip.MustParsePrefix("203.0.113.0/24"), "127.10.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := lookup.Resolver{Servers: []netip.AddrPort{s.Address()}, Client: tt.client}
			got, err := r.Lookup(t.Context(), "www.shop.example")
			if err != nil || len(got.Addresses) != 1 || got.Addresses[0].String() != tt.want || got.TTL != 2*time.Second {
				t.Errorf("Lookup(client %v) = %+v, %v, want %s with TTL 2s", tt.client, got, err, tt.want)
			}
		})
	}
}

func TestLookupMovesOnToTheNextServer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*dnsstub.Server)
	}{
		{"when one is silent", func(s *dnsstub.Server) { s.Silence(true) }},
		{"when one says SERVFAIL", func(s *dnsstub.Server) { s.Fail(dnsmessage.RCodeServerFailure) }},
		{"when one refuses", func(s *dnsstub.Server) { s.Fail(dnsmessage.RCodeRefused) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad, good := dnsstub.New(t, time.Second), dnsstub.New(t, time.Second)
			tt.spoil(bad)
			good.Set("www.shop.example", "127.10.0.1")
			r := lookup.Resolver{Servers: []netip.AddrPort{bad.Address(), good.Address()}}
			for range 8 { // the first server is chosen by chance
				got, err := r.Lookup(t.Context(), "www.shop.example")
				if err != nil || got.Server != good.Address() {
					t.Fatalf("Lookup = %+v, %v, want the answer of %v", got, err, good.Address())
				}
			}
		})
	}
}

func TestLookupGivesUpAfterASecond(t *testing.T) {
	s := dnsstub.New(t, time.Second)
	s.Silence(true)
	r := lookup.Resolver{Servers: []netip.AddrPort{s.Address()}}
	began := time.Now()
	_, err := r.Lookup(t.Context(), "www.shop.example")
	if took := time.Since(began); !errors.Is(err, lookup.ErrUnanswered) || took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("Lookup at a silent server = %v after %v, want ErrUnanswered after a second", err, took)
	}
	if s.Queries() < 3 {
		t.Errorf("a silent server was asked %d times, want retries", s.Queries())
	}
}

func TestLookupTellsAnAbsentName(t *testing.T) {
	s := dnsstub.New(t, time.Second)
	r := lookup.Resolver{Servers: []netip.AddrPort{s.Address()}}
	got, err := r.Lookup(t.Context(), "nobody.shop.example")
	if err != nil || got.RCode != dnsmessage.RCodeNameError || len(got.Addresses) != 0 {
		t.Errorf("Lookup of an absent name = %+v, %v, want NXDOMAIN", got, err)
	}
}
