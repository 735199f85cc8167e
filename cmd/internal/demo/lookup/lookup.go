// Package lookup asks our DNS servers the way a recursive resolver does: over
// UDP, with the client's network attached (RFC 7871), one listed server after
// the other, and no longer than a second in all.
//
// It shares no code with the server it asks, and caches nothing: what an
// observer built on it reports is what went over the wire. Whoever wants a
// cache, honest or sloppy, keeps it himself.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Patience is how long a resolver tries before its user sees a failure.
const Patience = time.Second

// ErrUnanswered means that no listed server gave a usable reply within
// [Patience].
var ErrUnanswered = errors.New("no listed server answered")

// Resolver asks a fixed list of servers on behalf of one client network. It
// is safe for concurrent use.
type Resolver struct {
	Servers []netip.AddrPort
	Client  netip.Prefix // sent as EDNS client subnet; the zero prefix sends none
	// Dial connects from somewhere else than this process is; nil from here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Answer is one reply, as it came.
type Answer struct {
	Server    netip.AddrPort
	Addresses []netip.Addr
	TTL       time.Duration // the smallest of the answer; 0 if it holds no address
	RCode     dnsmessage.RCode
	Tries     int           // packets sent until this reply
	Took      time.Duration // from the first packet to the reply
}

// Names reports whether the answer holds a.
func (a Answer) Names(addr netip.Addr) bool {
	for _, got := range a.Addresses {
		if got == addr {
			return true
		}
	}
	return false
}

// Lookup asks for name's IPv4 addresses. NXDOMAIN is an answer; SERVFAIL and
// REFUSED send it to the next server. The error is ErrUnanswered or ctx's.
func (r Resolver) Lookup(ctx context.Context, name string) (Answer, error) {
	began := time.Now()
	ctx, cancel := context.WithDeadline(ctx, began.Add(Patience))
	defer cancel()

	var last error
	first := rand.IntN(max(len(r.Servers), 1))
	for try := 0; len(r.Servers) > 0; try++ {
		server := r.Servers[(first+try)%len(r.Servers)]
		answer, err := r.ask(ctx, server, name, attemptTimeout(try))
		if err == nil {
			answer.Tries, answer.Took = try+1, time.Since(began)
			return answer, nil
		}
		last = err
		if !pause(ctx, backoff(try, len(r.Servers))) {
			break
		}
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return Answer{}, cause
	}
	return Answer{}, fmt.Errorf("look up %s at %v: %w within %v: %v", name, r.Servers, ErrUnanswered, Patience, last)
}

// attemptTimeout grows, as resolvers' do: a lost packet costs little, a slow
// server is still given its time.
func attemptTimeout(try int) time.Duration {
	return min(100*time.Millisecond<<min(try, 3), 400*time.Millisecond)
}

// backoff is nothing while there are servers that have not been tried, and a
// little between rounds, so that a closed port is not hammered.
func backoff(try, servers int) time.Duration {
	if (try+1)%servers != 0 {
		return 0
	}
	return 20 * time.Millisecond
}

func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask sends one packet from a fresh port and waits for its reply.
func (r Resolver) ask(ctx context.Context, server netip.AddrPort, name string, timeout time.Duration) (Answer, error) {
	id := uint16(rand.Uint32())
	query, err := r.query(id, name)
	if err != nil {
		return Answer{}, err
	}
	dial := r.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "udp", server.String())
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	deadline := time.Now().Add(timeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	conn.SetDeadline(deadline)
	if _, err := conn.Write(query); err != nil {
		return Answer{}, err
	}
	buf := make([]byte, 1500)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return Answer{}, err
		}
		answer, ours, err := read(buf[:n], id)
		if !ours {
			continue // a late or forged packet
		}
		answer.Server = server
		return answer, err
	}
}

func (r Resolver) query(id uint16, name string) ([]byte, error) {
	qname, err := dnsmessage.NewName(absolute(name))
	if err != nil {
		return nil, fmt.Errorf("query for %q: %w", name, err)
	}
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{ID: id})
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: qname, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}); err != nil {
		return nil, err
	}
	if err := b.StartAdditionals(); err != nil {
		return nil, err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, err
	}
	var opt dnsmessage.OPTResource
	if r.Client.IsValid() {
		opt.Options = append(opt.Options, clientSubnet(r.Client))
	}
	if err := b.OPTResource(h, opt); err != nil {
		return nil, err
	}
	return b.Finish()
}

func absolute(name string) string {
	if name == "" || name[len(name)-1] != '.' {
		return name + "."
	}
	return name
}

// clientSubnet writes RFC 7871, section 6: family, source and scope length,
// then only the bytes that the length covers.
func clientSubnet(p netip.Prefix) dnsmessage.Option {
	p = p.Masked()
	family := byte(1)
	if p.Addr().Is6() {
		family = 2
	}
	data := []byte{0, family, byte(p.Bits()), 0}
	data = append(data, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
	return dnsmessage.Option{Code: 8, Data: data}
}

// read decodes a reply. ours is false for a packet that does not belong to
// the query; an error with ours says why the reply is of no use.
func read(packet []byte, id uint16) (a Answer, ours bool, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(packet)
	if err != nil || h.ID != id || !h.Response {
		return Answer{}, false, err
	}
	a.RCode = h.RCode
	switch {
	case h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError:
		return a, true, fmt.Errorf("the server says %v", h.RCode)
	case h.Truncated:
		return a, true, errors.New("the reply is truncated")
	}
	if err := p.SkipAllQuestions(); err != nil {
		return a, true, fmt.Errorf("bad reply: %w", err)
	}
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return a, true, nil
		}
		if err != nil {
			return a, true, fmt.Errorf("bad reply: %w", err)
		}
		ttl := time.Duration(h.TTL) * time.Second
		if h.Type != dnsmessage.TypeA {
			if err := p.SkipAnswer(); err != nil {
				return a, true, fmt.Errorf("bad reply: %w", err)
			}
			continue
		}
		rr, err := p.AResource()
		if err != nil {
			return a, true, fmt.Errorf("bad reply: %w", err)
		}
		if len(a.Addresses) == 0 || ttl < a.TTL {
			a.TTL = ttl
		}
		a.Addresses = append(a.Addresses, netip.AddrFrom4(rr.A))
	}
}
