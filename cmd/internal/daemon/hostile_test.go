package daemon_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"fairlead/api/openapi"
)

// TestWhatIsHostileHurtsNobodyElse throws at one node whatever can be sent to
// its ports, all at once; it goes on answering everybody.
func TestWhatIsHostileHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run(t)
	before := p.memory(t)
	t.Run("all at once", func(t *testing.T) {
		t.Run("DNS over UDP", func(t *testing.T) { t.Parallel(); hostileDatagrams(t, p) })
		t.Run("DNS over TCP", func(t *testing.T) { t.Parallel(); hostileStreams(t, p) })
		t.Run("requests", func(t *testing.T) { t.Parallel(); hostileRequests(t, p) })
		t.Run("large bodies", func(t *testing.T) { t.Parallel(); largeBodies(t, p) })
		t.Run("slow senders", func(t *testing.T) { t.Parallel(); slowSenders(t, p) })
	})
	if grown := p.memory(t) - before; grown > 64<<20 {
		t.Errorf("the node has at one time held %d MiB more than before", grown>>20)
	}
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
	p.status(t)
	if trace := traces.FindString(p.said()); trace != "" || strings.Contains(p.said(), "panicked") || strings.Contains(p.said(), "answering a packet failed") {
		t.Errorf("the log tells of a fault of our own (%q)", trace)
	}
	p.end(t)
}

// memory is the most that the node has ever held, in bytes.
func (p *place) memory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	n, _ := strconv.Atoi(string(found[1]))
	return n << 10
}

// question is a packet that asks as a resolver does.
func question(t *testing.T, name string) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 0x4711})
	n, err := dnsmessage.NewName(name)
	if err == nil {
		err = b.StartQuestions()
	}
	if err == nil {
		err = b.Question(dnsmessage.Question{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	}
	if err == nil {
		err = b.StartAdditionals()
	}
	var h dnsmessage.ResourceHeader
	if err == nil {
		err = h.SetEDNS0(1232, dnsmessage.RCodeSuccess, true)
	}
	if err == nil { // a client in 192.0.2.0/24, and a cookie
		err = b.OPTResource(h, dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 8, Data: []byte{0, 1, 24, 0, 192, 0, 2}}, {Code: 10, Data: []byte("8 bytes!")}}})
	}
	packet, ferr := b.Finish()
	if err != nil || ferr != nil {
		t.Fatal(err, ferr)
	}
	return packet
}

// hostilePackets are broken in every way that we could think of, and in many
// that nobody thought of.
func hostilePackets(t *testing.T) [][]byte {
	sound := question(t, "www.shop.example.")
	all := [][]byte{{}, make([]byte, 11), make([]byte, 12), bytes.Repeat([]byte{0xFF}, 512), make([]byte, 65000)}
	for n := range sound {
		all = append(all, sound[:n])
	}
	change := func(f func(p []byte) []byte) { all = append(all, f(bytes.Clone(sound))) }
	for _, at := range []int{4, 6, 8, 10} { // counts that are not true
		for _, n := range []uint16{0, 2, 0xFFFF} {
			change(func(p []byte) []byte { binary.BigEndian.PutUint16(p[at:], n); return p })
		}
	}
	for opcode := range byte(16) {
		change(func(p []byte) []byte { p[2] = opcode << 3; return p })
	}
	for flags := range byte(8) {
		change(func(p []byte) []byte { p[2] |= flags; p[3] = 0xFF; return p })
	}
	for _, class := range []uint16{0, 3, 4, 254, 255} {
		for _, qtype := range []uint16{0, 41, 250, 251, 252, 255, 65535} {
			change(func(p []byte) []byte {
				binary.BigEndian.PutUint16(p[30:], qtype)
				binary.BigEndian.PutUint16(p[32:], class)
				return p
			})
		}
	}
	for _, name := range [][]byte{{0xC0, 0x0C}, {0xC0, 0xFF}, {0xFF, 0xFF}, {0x40, 1}, {0x80, 1}, {63}, {1, 'a', 0xC0, 0x0C}, bytes.Repeat([]byte{1, 'a'}, 200), bytes.Repeat([]byte{1, 0}, 127)} {
		change(func(p []byte) []byte { return slices.Concat(p[:12], name, p[29:]) })
	}
	const opt = 34 // where the OPT record begins
	for _, record := range [][]byte{
		{0, 0, 41, 0, 0, 0, 0xFF, 0, 0, 0, 0},                      // of version 255
		{0, 0, 41, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF},             // longer than the packet
		{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 3, 0, 8, 0},                // with half an option
		{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 4, 0, 3, 0, 0}, // of a family that is none
		{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 4, 0, 1, 0xFF, 0xFF},
		{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 1, 0},
		{0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 5, 0, 10, 0, 1, 7},
		{3, 'w', 'w', 'w', 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0}, // that is not of the root
		{0xC0, 0x0C, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0},       // a signature of nothing
	} {
		change(func(p []byte) []byte { return append(p[:opt], record...) })
		change(func(p []byte) []byte { p[11] = 2; return append(p, record...) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		change(func(p []byte) []byte {
			for range 1 + random.IntN(6) {
				p[random.IntN(len(p))] = byte(random.Uint32())
			}
			return p
		})
	}
	return all
}

func hostileDatagrams(t *testing.T, p *place) {
	conn, err := net.Dial("udp", p.dns)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	read := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 65535)
		for ; ; n++ {
			size, err := conn.Read(buf)
			if err != nil {
				read <- n
				return
			}
			if size < 12 || buf[2]&0x80 == 0 || size > 1232 {
				t.Errorf("to a hostile packet came %d bytes: %x", size, buf[:min(size, 64)])
			}
		}
	}()
	packets := hostilePackets(t)
	for i, packet := range packets {
		if _, err := conn.Write(packet); err != nil {
			t.Errorf("packet %d, %x: %v", i, packet[:min(len(packet), 64)], err)
		}
		if i%256 == 255 { // in between it answers others
			p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
		}
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	t.Logf("%d hostile packets, %d of them answered", len(packets), <-read)
}

func hostileStreams(t *testing.T, p *place) {
	framed := func(packet []byte) []byte {
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	sound := question(t, "www.shop.example.")
	send := func(bytes []byte) {
		conn, err := net.Dial("tcp", p.dns)
		if err != nil {
			t.Errorf("dial: %v", err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(bytes) // it may be cut off
	}
	for _, packet := range hostilePackets(t)[:300] {
		send(framed(packet))
	}
	send([]byte{0})
	send([]byte{0, 0, 0, 0, 0, 0})
	send(append([]byte{0xFF, 0xFF}, sound...))
	send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))

	// One client takes all it can get and says nothing; others are served.
	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for range 300 {
		c, err := net.Dial("tcp", p.dns)
		if err != nil {
			break
		}
		idle = append(idle, c)
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(newHost())}, Timeout: 5 * time.Second}
	p.eventually(t, "another client is answered over TCP", func() (bool, string) {
		conn, err := other.DialContext(t.Context(), "tcp", p.dns)
		if err != nil {
			return false, err.Error()
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		for _, b := range framed(sound) { // byte by byte
			if _, err := conn.Write([]byte{b}); err != nil {
				return false, err.Error()
			}
		}
		answer := make([]byte, 2)
		if _, err := io.ReadFull(conn, answer); err != nil {
			return false, err.Error()
		}
		return binary.BigEndian.Uint16(answer) > 12, "an empty answer"
	})
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
}

// hostileRequests: each is told what is wrong in a problem document.
func hostileRequests(t *testing.T, p *place) {
	const drain = "/api/v1/regions/us-east/drain"
	long := strings.Repeat("x", 128<<10)
	for _, tt := range []struct {
		name, method, path, body string
		header                   [2]string
		status                   int
		words                    []string
	}{
		{name: "nothing at all", method: "POST", path: drain, status: 400, words: []string{"body"}},
		{name: "garbage", method: "POST", path: drain, body: "\x00\xff{", status: 400, words: []string{"not well-formed JSON"}},
		{name: "half of it", method: "POST", path: drain, body: `{"reason": "x"`, status: 400, words: []string{"not well-formed JSON"}},
		{name: "two documents", method: "POST", path: drain, body: `{"reason":"x","dry_run":true}{"reason":"y"}`, status: 400, words: []string{"body"}},
		{name: "null", method: "POST", path: drain, body: "null", status: 400, words: []string{"body"}},
		{name: "a list", method: "POST", path: drain, body: "[1]", status: 400, words: []string{"an object"}},
		{name: "an unknown field", method: "POST", path: drain, body: `{"reason":"x","dryrun":true}`, status: 400, words: []string{"dryrun", "not known"}},
		{name: "a wrong type", method: "POST", path: drain, body: `{"reason":7}`, status: 400, words: []string{"reason", "text"}},
		{name: "a very deep list", method: "POST", path: drain, body: strings.Repeat("[", 200_000), status: 400, words: []string{"JSON"}},
		{name: "a very deep object", method: "POST", path: drain, body: strings.Repeat(`{"reason":`, 50_000), status: 400, words: []string{"JSON"}},
		{name: "a very long reason", method: "POST", path: drain, body: `{"reason":"` + long + `"}`, status: 400, words: []string{"reason", "longer than"}},
		{name: "a form", method: "POST", path: drain, body: "reason=x", header: [2]string{"Content-Type", "application/x-www-form-urlencoded"}, status: 400, words: []string{"application/json"}},
		{name: "a region with a slash", method: "POST", path: "/api/v1/regions/..%2f..%2fetc/drain", body: `{"reason":"x"}`, status: 404},
		{name: "a region that is an attack", method: "POST", path: "/api/v1/regions/%27%3B%20drop/drain", body: `{"reason":"x"}`, status: 400, words: []string{"region"}},
		{name: "a parameter that is none", method: "GET", path: "/api/v1/audit?limt=3", status: 400, words: []string{"limt", "limit"}},
		{name: "a number that is none", method: "GET", path: "/api/v1/audit?limit=many", status: 400, words: []string{"limit", "whole number"}},
		{name: "a negative number", method: "GET", path: "/api/v1/history?limit=-5", status: 400, words: []string{"limit"}},
		{name: "an address that is none", method: "GET", path: "/api/v1/explain?name=www.shop.example&type=A&client=300.1.1.1", status: 400, words: []string{"client"}},
		{name: "a name that is none", method: "GET", path: "/api/v1/explain?name=" + strings.Repeat("a", 300) + "&type=A", status: 400, words: []string{"name"}},
		{name: "a path that is none", method: "GET", path: "/api/v1/nothing", status: 404, words: []string{"/api/v1/nothing"}},
		{name: "a method that is none", method: "PATCH", path: drain, body: "{}", status: 405, words: []string{"PATCH"}},
		{name: "another site's page", method: "POST", path: drain, body: `{"reason":"x","dry_run":true}`, header: [2]string{"Origin", "https://evil.example"}, status: 403, words: []string{"another site"}},
		{name: "a name that was bound again", method: "POST", path: drain, body: `{"reason":"x","dry_run":true}`, header: [2]string{"Host", "evil.example"}, status: 401, words: []string{"nobody is signed in"}},
		{name: "a token that is none", method: "GET", path: "/api/v1/status", header: [2]string{"Authorization", "Bearer ../../etc/passwd"}, status: 401, words: []string{"token"}},
		{name: "a kind of sign-in that is none", method: "GET", path: "/api/v1/status", header: [2]string{"Authorization", "Basic YTpi"}, status: 401, words: []string{"bearer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+p.api+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			switch tt.header[0] {
			case "":
			case "Host":
				r.Host = tt.header[1]
			default:
				r.Header.Set(tt.header[0], tt.header[1])
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			problem(t, resp, tt.status, tt.words...)
		})
	}
	t.Run("headers of a megabyte", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.api+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			r.Header.Set(fmt.Sprintf("X-%d", i), long)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d, want %d", resp.StatusCode, http.StatusRequestHeaderFieldsTooLarge)
		}
	})
	t.Run("what is not HTTP", func(t *testing.T) {
		for _, text := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "POST " + drain + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "\x00\x00\x00"} {
			conn, err := net.Dial("tcp", p.api)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprint(conn, text)
			conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			conn.Close()
			if first, _, _ := strings.Cut(string(answer), "\r\n"); first != "" && !strings.Contains(first, " 400 ") && !strings.Contains(first, " 505 ") {
				t.Errorf("to %q it says %q", text, answer)
			}
		}
	})
	if list := p.overrides(t); len(list) > 0 {
		t.Errorf("hostile requests have put in force %+v", list)
	}
}

// problem demands a problem document whose detail says all words.
func problem(t *testing.T, resp *http.Response, status int, words ...string) {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("read the answer: %v", err)
		return
	}
	var doc openapi.Problem
	if err := json.Unmarshal(text, &doc); err != nil || resp.StatusCode != status || doc.Status != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") ||
		doc.Detail == "" || doc.Title == "" || doc.Kind == "" || traces.MatchString(doc.Detail) {
		t.Errorf("status %d, %s: %.500s; want a problem document with status %d", resp.StatusCode, resp.Header.Get("Content-Type"), text, status)
		return
	}
	if missing := lacks(doc.Title+": "+doc.Detail, words...); missing != "" {
		t.Errorf("it does not say %q: %.500s", missing, text)
	}
}

// largeBodies sends bodies of 100 MB, with and without saying so first.
func largeBodies(t *testing.T, p *place) {
	const size = 100 << 20
	send := func(header string, frame func([]byte) []byte) {
		conn, err := net.Dial("tcp", p.api)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "POST /api/v1/config/check HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%s\r\n\r\n", p.api, header)
		go func() {
			block := frame(bytes.Repeat([]byte(" "), 64<<10))
			for sent := 0; sent < size; sent += 64 << 10 {
				if _, err := conn.Write(block); err != nil {
					return // cut off, as it should be
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", header, err)
			return
		}
		defer resp.Body.Close()
		problem(t, resp, http.StatusRequestEntityTooLarge, "larger than 1 MiB")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { send(fmt.Sprintf("Content-Length: %d", size), func(b []byte) []byte { return b }) })
		all.Go(func() {
			send("Transfer-Encoding: chunked", func(b []byte) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b) })
		})
	}
	all.Wait()
}

// slowSenders hold connections; others are served meanwhile, and the
// connections do not stay for ever.
func slowSenders(t *testing.T, p *place) {
	for _, tt := range []struct {
		name, begin, more string
		limit             time.Duration
	}{
		{"headers", "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", 10 * time.Second},
		{"a body", "POST /api/v1/config/check HTTP/1.1\r\nHost: " + p.api + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", " ", 40 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var conns []net.Conn
			for range 50 {
				conn, err := net.Dial("tcp", p.api)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprint(conn, tt.begin)
				conns = append(conns, conn)
			}
			p.status(t)
			began := time.Now()
			for _, conn := range conns {
				for {
					if _, err := fmt.Fprint(conn, tt.more); err != nil {
						break
					}
					conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
					if _, err := io.Copy(io.Discard, conn); err == nil || !os.IsTimeout(err) {
						break // closed
					}
					if time.Since(began) > tt.limit+patience {
						t.Fatalf("a connection that sends %s one by one is still open after %v, want at most %v", tt.name, time.Since(began), tt.limit)
					}
				}
			}
			t.Logf("50 connections that send %s slowly were closed within %v", tt.name, time.Since(began).Round(time.Second))
		})
	}
}
