// Package dnsstub is a DNS responder of a hundred lines for the demo's own
// tests: it lets them move a name between addresses and fall silent at will,
// without the server that the demo is there to observe.
package dnsstub

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers A queries from a table that a test may change at any time.
type Server struct {
	conn *net.UDPConn

	mu      sync.Mutex
	table   map[string]netip.Addr
	byNet   map[string]map[netip.Addr]netip.Addr // name → client network's address → answer
	ttl     time.Duration
	silent  bool
	rcode   dnsmessage.RCode
	queries int
}

// New listens on a loopback port of the kernel's choice until the test ends.
func New(t testing.TB, ttl time.Duration) *Server {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &Server{conn: conn, table: map[string]netip.Addr{}, byNet: map[string]map[netip.Addr]netip.Addr{}, ttl: ttl}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { conn.Close(); <-done })
	return s
}

// Address is where the server listens.
func (s *Server) Address() netip.AddrPort {
	a := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Set makes name answer with addr from now on.
func (s *Server) Set(name, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table[strings.TrimSuffix(name, ".")+"."] = netip.MustParseAddr(addr)
}

// SetFor makes name answer clients of one network with addr.
func (s *Server) SetFor(network netip.Prefix, name, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = strings.TrimSuffix(name, ".") + "."
	if s.byNet[name] == nil {
		s.byNet[name] = map[netip.Addr]netip.Addr{}
	}
	s.byNet[name][network.Masked().Addr()] = netip.MustParseAddr(addr)
}

// Silence makes the server swallow queries, or answer again.
func (s *Server) Silence(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = on
}

// Fail makes the server answer everything with rcode.
func (s *Server) Fail(rcode dnsmessage.RCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode = rcode
}

// Queries is how many packets came in.
func (s *Server) Queries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

func (s *Server) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n]); reply != nil {
			s.conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

func (s *Server) answer(packet []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || len(m.Questions) != 1 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries++
	if s.silent {
		return nil
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RCode: s.rcode}, Questions: m.Questions}
	addr, ok := s.table[q.Name.String()]
	if special, found := s.byNet[q.Name.String()][subnet(m)]; found {
		addr, ok = special, true
	}
	switch {
	case s.rcode != dnsmessage.RCodeSuccess:
	case !ok:
		reply.RCode = dnsmessage.RCodeNameError
	default:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: uint32(s.ttl / time.Second)},
			Body:   &dnsmessage.AResource{A: addr.As4()},
		}}
	}
	out, err := reply.Pack()
	if err != nil {
		return nil
	}
	return out
}

// subnet returns the IPv4 network address in the query's client subnet
// option, or the zero address.
func subnet(m dnsmessage.Message) netip.Addr {
	for _, rr := range m.Additionals {
		opt, ok := rr.Body.(*dnsmessage.OPTResource)
		if !ok {
			continue
		}
		for _, o := range opt.Options {
			if o.Code == 8 && len(o.Data) >= 4 && o.Data[1] == 1 && len(o.Data) <= 8 {
				var a [4]byte
				copy(a[:], o.Data[4:])
				return netip.AddrFrom4(a)
			}
		}
	}
	return netip.Addr{}
}
