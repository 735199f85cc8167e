package crowd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/crowd"
	"fairlead/cmd/internal/demo/dnsstub"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/shop"
)

// fakeShop answers as a region's shop does, without a database: it has its
// till obey the test.
type fakeShop struct {
	region string
	till   atomic.Value // shop.Written: "", No or Unknown
	server *http.Server
	conns  atomic.Int64

	mu    sync.Mutex
	taken []string
}

func open(t *testing.T, region, addr string, port uint16) *fakeShop {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr(addr), port).String())
	if err != nil {
		t.Fatalf("open the shop in %s: %v", region, err)
	}
	f := &fakeShop{region: region}
	f.till.Store(shop.Written(""))
	f.server = &http.Server{Handler: f, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			f.conns.Add(1)
		}
	}}
	go f.server.Serve(l)
	t.Cleanup(func() { f.server.Close() })
	return f
}

func (f *fakeShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Region", f.region)
	if r.Method == http.MethodGet {
		return
	}
	var o shop.Order
	json.NewDecoder(r.Body).Decode(&o)
	switch f.till.Load().(shop.Written) {
	case shop.No:
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		json.NewEncoder(w).Encode(shop.Refusal{Problem: "a standby", Written: shop.No})
	case shop.Unknown:
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(shop.Refusal{Problem: "no answer", Written: shop.Unknown})
	default:
		f.mu.Lock()
		f.taken = append(f.taken, o.ID)
		f.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
	}
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.10.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

type scene struct {
	dns      *dnsstub.Server
	east, eu *fakeShop
	book     *ledger.Book
	cfg      crowd.Config
}

func stage(t *testing.T, habits ...ledger.Habit) *scene {
	t.Helper()
	port := freePort(t)
	s := &scene{dns: dnsstub.New(t, time.Second), book: &ledger.Book{}}
	s.east, s.eu = open(t, "us-east", "127.10.0.1", port), open(t, "eu-central", "127.20.0.1", port)
	s.dns.Set("www.shop.example", "127.10.0.1")
	s.dns.Set("orders.shop.example", "127.10.0.1")
	s.cfg = crowd.Config{
		Servers: []netip.AddrPort{s.dns.Address()}, ReadsName: "www.shop.example", WritesName: "orders.shop.example", Port: port,
		Origins: []crowd.Origin{{Region: "us-east", Client: netip.MustParsePrefix("203.0.113.0/24")}},
		Habits:  habits, Shoppers: 4, Orders: 80, Visits: 80, Book: s.book,
	}
	return s
}

// shopUntil runs the crowd until enough is true.
func (s *scene) shopUntil(t *testing.T, enough func() bool) {
	t.Helper()
	c, err := crowd.New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for !enough() {
		if ctx.Err() != nil {
			t.Fatalf("it never happened; counts are %+v", s.book.Counts())
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestEveryAcknowledgedOrderIsInTheBookAndInTheFile(t *testing.T) {
	s := stage(t, crowd.Mix()...)
	var file bytes.Buffer
	s.book.File = bufio.NewWriter(&file)
	s.shopUntil(t, func() bool { return s.book.Counts().Acknowledged >= 40 })
	if err := s.book.Flush(); err != nil {
		t.Fatal(err)
	}
	written, err := ledger.ReadOrders(&file)
	if err != nil {
		t.Fatal(err)
	}
	var booked, filed []string
	for _, o := range s.book.Orders(time.Time{}) {
		if o.Fate == ledger.Acknowledged {
			booked = append(booked, o.ID)
		}
	}
	for _, o := range written {
		if o.Fate == ledger.Acknowledged {
			filed = append(filed, o.ID)
		}
	}
	slices.Sort(booked)
	slices.Sort(filed)
	if !slices.Equal(booked, filed) {
		t.Errorf("book holds %d acknowledged orders, file %d, want the same", len(booked), len(filed))
	}
	for _, id := range booked {
		if !slices.Contains(s.east.taken, id) {
			t.Errorf("order %s is in the book as acknowledged and was never taken", id)
		}
	}
}

func TestFateIsWhatTheAnswerProves(t *testing.T) {
	tests := []struct {
		name string
		till shop.Written
		want func(ledger.Counts) int
	}{
		{"a standby refuses: certainly not written", shop.No, func(c ledger.Counts) int { return c.Refused }},
		{"the shop cannot tell: indeterminate", shop.Unknown, func(c ledger.Counts) int { return c.Indeterminate }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stage(t, ledger.Honest, ledger.Keeper)
			s.cfg.Visits = 0
			s.east.till.Store(tt.till)
			s.shopUntil(t, func() bool { c := s.book.Counts(); return tt.want(c) >= 10 })
			if c := s.book.Counts(); c.Acknowledged != 0 || c.Refused > 0 && c.Indeterminate > 0 {
				t.Errorf("counts = %+v, want one fate only", c)
			}
		})
	}
	t.Run("nobody listens: not sent, so refused", func(t *testing.T) {
		s := stage(t, ledger.Honest)
		s.cfg.Visits = 0
		s.dns.Set("orders.shop.example", "127.30.0.1")
		s.shopUntil(t, func() bool { return s.book.Counts().Refused >= 10 })
		if c := s.book.Counts(); c.Acknowledged+c.Indeterminate != 0 {
			t.Errorf("counts = %+v, want refusals only", c)
		}
	})
	t.Run("killed after it was sent: indeterminate", func(t *testing.T) {
		s := stage(t, ledger.Honest)
		s.cfg.Visits = 0
		s.dns.Set("orders.shop.example", "127.30.0.1")
		l, err := net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr("127.30.0.1"), s.cfg.Port).String())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Read(make([]byte, 1024)) // it read the order, and dies
				c.Close()
			}
		}()
		s.shopUntil(t, func() bool { return s.book.Counts().Indeterminate >= 5 })
	})
}

func TestHabits(t *testing.T) {
	// The name moves; where each habit reads its pages then is the point.
	last := func(s *scene) string {
		v := s.book.Visits(time.Time{})
		if len(v) == 0 {
			return ""
		}
		return v[len(v)-1].Region
	}
	t.Run("the honest follow when the TTL is over", func(t *testing.T) {
		s := stage(t, ledger.Honest)
		s.cfg.Orders, s.cfg.Shoppers, s.cfg.Visits = 0, 1, 50
		moved := time.Time{}
		s.shopUntil(t, func() bool {
			if last(s) == "us-east" && moved.IsZero() {
				s.dns.Set("www.shop.example", "127.20.0.1")
				moved = time.Now()
			}
			return last(s) == "eu-central"
		})
		if q := s.dns.Queries(); q < 2 {
			t.Errorf("moved after %d queries, want at least two", q)
		}
	})
	t.Run("keepers keep one connection until it fails", func(t *testing.T) {
		s := stage(t, ledger.Keeper)
		s.cfg.Orders, s.cfg.Shoppers, s.cfg.Visits = 0, 1, 50
		s.shopUntil(t, func() bool {
			if s.book.Counts().Served == 5 {
				s.dns.Set("www.shop.example", "127.20.0.1")
			}
			return s.book.Counts().Served >= 75 // longer than the TTL
		})
		if got := s.book.Counts().ByRegion["eu-central"]; got != 0 {
			t.Errorf("%d visits went to the new place, want none while the connection works", got)
		}
		if got := s.east.conns.Load(); got != 1 {
			t.Errorf("used %d connections, want 1", got)
		}
		s.east.server.Close()
		s.shopUntil(t, func() bool { return last(s) == "eu-central" })
	})
	t.Run("the forgetful ask each time", func(t *testing.T) {
		s := stage(t, ledger.Forgetful)
		s.cfg.Orders, s.cfg.Shoppers = 0, 1
		s.shopUntil(t, func() bool { return s.book.Counts().Served >= 10 })
		if q := s.dns.Queries(); q < 10 {
			t.Errorf("asked %d times for 10 pages, want once each", q)
		}
	})
	t.Run("stretchers cache longer than they were told", func(t *testing.T) {
		s := stage(t, ledger.Stretcher)
		s.cfg.Orders, s.cfg.Shoppers, s.cfg.Visits, s.cfg.Stretch = 0, 1, 20, time.Hour
		s.shopUntil(t, func() bool { return s.book.Counts().Served >= 30 }) // 1.5 s at a TTL of 1 s
		if q := s.dns.Queries(); q != 1 {
			t.Errorf("asked %d times, want once", q)
		}
	})
}
