package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"go.uber.org/goleak"

	"fairlead/dns"
	"fairlead/dns/server"
	"fairlead/regions/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const zoneText = `$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 60
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.80
big TXT "%s" "%s" "%s"
`

func zoneFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.zone")
	fill := strings.Repeat("x", 250)
	if err := os.WriteFile(path, fmt.Appendf(nil, zoneText, fill, fill, fill), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a server until the test ends and returns its port.
func start(t *testing.T, o server.Options) (*server.Server, string) {
	t.Helper()
	o.Zones = []string{"example.com=" + zoneFile(t)}
	if o.Listen == nil {
		o.Listen = []string{"127.0.0.1:0"}
	}
	s, err := server.Standalone(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, port, err := net.SplitHostPort(s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return s, port
}

func run(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run = %v, want nil after its context ended", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not return within 10 s of its context's end")
		}
	})
}

func ask(t *testing.T, network, addr, name string) *mdns.Msg {
	t.Helper()
	c := &mdns.Client{Net: network, Timeout: 5 * time.Second}
	m := new(mdns.Msg).SetQuestion(name, mdns.TypeANY)
	m.Question[0].Qtype = mdns.TypeA
	if strings.HasPrefix(name, "big") {
		m.Question[0].Qtype = mdns.TypeTXT
	}
	answer, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("ask %s for %s over %s: %v", addr, name, network, err)
	}
	return answer
}

func TestAnswersOnUDPAndTCP(t *testing.T) {
	s, port := start(t, server.Options{})
	addr := net.JoinHostPort("127.0.0.1", port)
	for _, network := range []string{"udp", "tcp"} {
		m := ask(t, network, addr, "www.example.com.")
		if len(m.Answer) != 1 || !m.Authoritative {
			t.Errorf("over %s got\n%v", network, m)
		}
	}
	if m := ask(t, "udp", addr, "big.example.com."); !m.Truncated {
		t.Errorf("a long answer over UDP is not truncated:\n%v", m)
	}
	if m := ask(t, "tcp", addr, "big.example.com."); m.Truncated || len(m.Answer) != 1 {
		t.Errorf("a long answer over TCP:\n%v", m)
	}
	ask(t, "udp", addr, "nothing.example.com.")
	c := s.Counters()
	if c.Datagrams != 3 || c.Streamed != 2 || c.Answers["NOERROR"] != 4 || c.Answers["NXDOMAIN"] != 1 || c.Truncated != 1 || c.ConnectionsTotal != 2 {
		t.Errorf("Counters = %+v", c)
	}
}

func TestManySocketsOnOnePort(t *testing.T) {
	s, port := start(t, server.Options{Threads: 4})
	if got := len(s.Addrs()); got != 5 {
		t.Fatalf("4 threads listen on %d sockets, want 4 and one for TCP", got)
	}
	for range 40 { // a new source port each, so several sockets get some
		ask(t, "udp", net.JoinHostPort("127.0.0.1", port), "www.example.com.")
	}
	if c := s.Counters(); c.Datagrams != 40 {
		t.Errorf("Counters = %+v, want 40 datagrams", c)
	}
}

// A socket on all addresses must answer from the one that was asked; a
// connected client sees nothing else.
func TestRepliesLeaveFromTheAddressThatWasAsked(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		t.Run(listen, func(t *testing.T) {
			if listen[0] == '[' && !hasIPv6() {
				t.Skip("needs IPv6 on the loopback interface (sysctl net.ipv6.conf.lo.disable_ipv6=0)")
			}
			_, port := start(t, server.Options{Listen: []string{listen}})
			for _, host := range []string{"127.0.0.1", "127.10.0.1", "127.30.0.1"} {
				ask(t, "udp", net.JoinHostPort(host, port), "www.example.com.")
			}
			if listen[0] == '[' {
				ask(t, "udp", net.JoinHostPort("::1", port), "www.example.com.")
			}
		})
	}
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func frame(t *testing.T, names ...string) (out []byte) {
	t.Helper()
	for i, n := range names {
		m := new(mdns.Msg).SetQuestion(n, mdns.TypeA)
		m.Id = uint16(i)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
	}
	return out
}

func readFrame(t *testing.T, r io.Reader) *mdns.Msg {
	t.Helper()
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		t.Fatalf("read a reply's length: %v", err)
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	var m mdns.Msg
	if err := m.Unpack(b); err != nil {
		t.Fatal(err)
	}
	return &m
}

func dial(t *testing.T, port string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func TestStreamsTakeManyQueriesAtOnce(t *testing.T) {
	_, port := start(t, server.Options{})
	conn := dial(t, port)
	names := strings.Split(strings.TrimSpace(strings.Repeat("www.example.com. ", 50)), " ")
	packet := frame(t, names...)
	for i := 0; i < len(packet); i += 7 { // in pieces that match no message
		if _, err := conn.Write(packet[i:min(i+7, len(packet))]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range names {
		if m := readFrame(t, conn); int(m.Id) != i || len(m.Answer) != 1 {
			t.Fatalf("reply %d is %v", i, m)
		}
	}
}

// Half a message, or what is no message at all, must not hold back the answers
// to the whole ones before it.
func TestStreamsAnswerWhatCameWhole(t *testing.T) {
	_, port := start(t, server.Options{})
	one := frame(t, "www.example.com.")
	for name, rest := range map[string][]byte{
		"half a length":     {0},
		"half a query":      one[:9],
		"an empty message":  {0, 0},
		"no DNS":            []byte("\x00\x05GET /"),
		"a huge half query": append([]byte{0xFF, 0xFF}, make([]byte, 60_000)...),
	} {
		conn := dial(t, port)
		began := time.Now()
		if _, err := conn.Write(append(bytes.Clone(one), rest...)); err != nil {
			t.Fatal(err)
		}
		if m := readFrame(t, conn); len(m.Answer) != 1 {
			t.Errorf("a query and %s: %v", name, m)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("a query and %s: answered after %v, want at once", name, took)
		}
	}
}

// Whoever holds connections open for nothing must not cost others an answer.
func TestSilentStreamsMakeRoom(t *testing.T) {
	sockets, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Current: none, Datagrams: sockets.Datagrams, Streams: sockets.Streams, MaxConnections: 20})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, port, _ := net.SplitHostPort(sockets.Streams[0].Addr().String())
	busy := dial(t, port)
	for range 50 {
		dial(t, port)
		busy.Write(frame(t, "www.example.com."))
		readFrame(t, busy) // the one that is used is never the silent one
	}
	c := s.Counters()
	for deadline := time.Now().Add(10 * time.Second); c.ConnectionsTotal < 51 && time.Now().Before(deadline); c = s.Counters() {
		time.Sleep(time.Millisecond) // the last ones may still wait to be accepted
	}
	if c.Connections > 20 || c.ConnectionsDisplaced != 31 {
		t.Errorf("Counters = %+v, want at most 20 of 51 connections and 31 displaced", c)
	}
}

func TestStreamsThatDoNotSpeakDNSAreClosed(t *testing.T) {
	_, port := start(t, server.Options{})
	conn := dial(t, port)
	if _, err := conn.Write([]byte("\x00\x05GET /")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 10)); err == nil {
		t.Errorf("read %d bytes, want the connection closed", n)
	}
}

func TestIdleStreamsAreClosed(t *testing.T) {
	sockets, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Current: none, Datagrams: sockets.Datagrams, Streams: sockets.Streams, IdleTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, port, _ := net.SplitHostPort(sockets.Streams[0].Addr().String())
	conn := dial(t, port)
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("an idle connection ended with %v, want EOF", err)
	}
}

func none() *dns.Snapshot { return nil }

func TestOneClientCannotTakeAllConnections(t *testing.T) {
	sockets, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Current: none, Datagrams: sockets.Datagrams, Streams: sockets.Streams, MaxPerClient: 2})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	_, port, _ := net.SplitHostPort(sockets.Streams[0].Addr().String())
	var first net.Conn
	for i := range 2 {
		conn := dial(t, port)
		if i == 0 {
			first = conn
		}
		conn.Write(frame(t, "www.example.com."))
		if m := readFrame(t, conn); m.Rcode != mdns.RcodeServerFailure {
			t.Errorf("without a snapshot: %v, want SERVFAIL", m)
		}
	}
	third := dial(t, port)
	third.Write(frame(t, "www.example.com."))
	readFrame(t, third)
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("the oldest of three connections of one client stayed, two are allowed")
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := other.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(frame(t, "www.example.com."))
	readFrame(t, conn)
	if c := s.Counters(); c.ConnectionsDisplaced != 1 || c.ConnectionsTotal != 4 {
		t.Errorf("Counters = %+v, want 4 connections and 1 displaced", c)
	}
}

// A fault in answering costs one packet, not the server.
func TestPanicCostsOnePacket(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	sockets, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Datagrams: sockets.Datagrams, Streams: sockets.Streams, Current: func() *dns.Snapshot {
		if broken.Swap(false) {
			panic("as if a packet had found a bug")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	addr := sockets.Datagrams[0].LocalAddr().String()
	m := new(mdns.Msg).SetQuestion("www.example.com.", mdns.TypeA)
	if _, _, err := (&mdns.Client{Timeout: 200 * time.Millisecond}).Exchange(m, addr); err == nil {
		t.Error("the packet that failed was answered")
	}
	ask(t, "udp", addr, "www.example.com.")
	if c := s.Counters(); c.Panics != 1 {
		t.Errorf("Counters = %+v, want one panic", c)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	taken, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Streams[0].Addr().String()
	tests := []struct {
		address, want string
		kind          fault.Kind
	}{
		{addr, "another program has port " + strings.Split(addr, ":")[1], fault.Conflict},
		{"127.0.0.1", "it is not ADDRESS:PORT", fault.Invalid},
		{"127.0.0.1:dns?", "is not a port", fault.Invalid},
		{"192.0.2.1:0", "does not have that address", fault.Invalid},
	}
	for _, tt := range tests {
		s, err := server.Listen(t.Context(), tt.address, 1)
		if s != nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !fault.Is(err, tt.kind) {
			t.Errorf("Listen(%s) = %v, want %q of kind %v", tt.address, err, tt.want, tt.kind)
		}
	}
}

func TestStandaloneReportsAllThatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.zone")
	if err := os.WriteFile(bad, []byte("$TTL 1\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nwww A 1.2.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := server.Standalone(t.Context(), server.Options{Listen: []string{"127.0.0.1:0"}, Zones: []string{"example.com=" + bad, "example.org=/none.zone", "x"}})
	for _, want := range []string{bad + ":4:7: ", "/none.zone: there is no such file", "zone x: it is not ORIGIN=FILE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Standalone = %v, want also %q", err, want)
		}
	}
}

func TestStandaloneServesWhatIsSound(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.zone")
	if err := os.WriteFile(bad, []byte("$TTL 1\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nwww A 1.2.3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := server.Standalone(t.Context(), server.Options{Listen: []string{"127.0.0.1:0"}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Zones: []string{"example.org=" + bad, "example.com=" + zoneFile(t)}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	for name, want := range map[string]int{"www.example.com.": mdns.RcodeSuccess, "www.example.org.": mdns.RcodeServerFailure, "www.example.net.": mdns.RcodeRefused} {
		if m := ask(t, "udp", s.Addrs()[0].String(), name); m.Rcode != want {
			t.Errorf("%s: %s, want %s", name, mdns.RcodeToString[m.Rcode], mdns.RcodeToString[want])
		}
	}
	if !strings.Contains(log.String(), bad+":4:7: ") {
		t.Errorf("the log does not say what is wrong with the bad zone:\n%s", log.String())
	}
}

func TestDigAgrees(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal("needs dig (apt-get install bind9-dnsutils)")
		}
		t.Skip("needs dig (apt-get install bind9-dnsutils)")
	}
	_, port := start(t, server.Options{NSID: "node-1", Listen: []string{"0.0.0.0:0"}})
	tests := []struct {
		args string
		want []string
	}{
		{"@127.20.0.1 www.example.com", []string{"status: NOERROR", "flags: qr aa rd;", "www.example.com.\t300\tIN\tA\t192.0.2.80"}},
		{"@127.0.0.1 +tcp big.example.com TXT", []string{"status: NOERROR", "(TCP)"}},
		{"@127.0.0.1 +noedns big.example.com TXT", []string{"Truncated, retrying in TCP mode", "status: NOERROR"}},
		{"@127.0.0.1 +subnet=192.0.2.0/24 www.example.com", []string{"CLIENT-SUBNET: 192.0.2.0/24/0"}},
		{"@127.0.0.1 +subnet=0 www.example.com", []string{"status: NOERROR", "CLIENT-SUBNET: 0.0.0.0/0/0"}},
		{"@127.0.0.1 +nsid www.example.com", []string{"NSID: 6e 6f 64 65 2d 31 (\"node-1\")"}},
		{"@127.0.0.1 +edns=1 +noednsnegotiation www.example.com", []string{"status: BADVERS"}},
		{"@127.0.0.1 +ednsflags=0x40 www.example.com", []string{"status: NOERROR", "EDNS: version: 0, flags:; udp: 1232"}},
		{"@127.0.0.1 +ednsopt=100 www.example.com", []string{"status: NOERROR"}},
		{"@127.0.0.1 +noedns +noad +opcode=15 +header-only", []string{"status: NOTIMP"}},
		{"@127.0.0.1 +cookie www.example.com", []string{"status: NOERROR"}},
		{"@127.0.0.1 nothing.example.com AAAA", []string{"status: NXDOMAIN", "example.com.\t\t60\tIN\tSOA"}},
		{"@127.0.0.1 example.org", []string{"status: REFUSED", "EDE: 20 (Not Authoritative)"}},
		{"@127.0.0.1 example.com AXFR", []string{"Transfer failed"}},
		{"@127.0.0.1 id.server TXT CH", []string{`"node-1"`}},
	}
	for _, tt := range tests {
		args := append([]string{"-p", port, "+tries=1", "+time=3"}, strings.Fields(tt.args)...)
		out, err := exec.Command(dig, args...).CombinedOutput()
		if err != nil && !strings.Contains(tt.args, "AXFR") {
			t.Errorf("dig %s: %v\n%s", tt.args, err, out)
		}
		if strings.Contains(string(out), "WARNING: Message") || strings.Contains(string(out), "malformed") {
			t.Errorf("dig %s complains:\n%s", tt.args, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("dig %s: got\n%s\nwant %q", tt.args, out, want)
			}
		}
	}
}

func TestServesAnyPacketConn(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Current: none, Datagrams: []net.PacketConn{struct{ net.PacketConn }{conn}}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if m := ask(t, "udp", conn.LocalAddr().String(), "www.example.com."); m.Rcode != mdns.RcodeServerFailure {
		t.Errorf("got %v, want SERVFAIL", m)
	}
}
