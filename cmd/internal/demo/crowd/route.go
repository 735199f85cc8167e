package crowd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"time"

	"fairlead/cmd/internal/demo/ledger"
)

// patience is how long a shopper waits for a page or a receipt.
const patience = 2 * time.Second

// route is how one line of one shopper gets to a name: what it remembers of
// DNS and the connection it may keep. One goroutine uses it.
type route struct {
	s      *shopper
	name   string
	client *http.Client

	addr  netip.Addr
	until time.Time // until when addr is remembered
	holds bool      // a keeper's connection to addr worked last time
}

func newRoute(s *shopper, name string) *route {
	dialer := net.Dialer{Timeout: time.Second}
	return &route{s: s, name: name, client: &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DisableKeepAlives: s.habit != ledger.Keeper,
			IdleConnTimeout:   time.Minute,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, addr)
				if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
					// Hundreds of short connections a second from one host
					// would use up its ports in TIME_WAIT.
					tcp.SetLinger(0)
				}
				return conn, err
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (r *route) close() { r.client.CloseIdleConnections() }

// address is where the shopper believes the name to be, by its habit.
func (r *route) address(ctx context.Context) (netip.Addr, error) {
	now := time.Now()
	switch {
	case r.holds && r.s.habit == ledger.Keeper:
		return r.addr, nil
	case r.s.habit != ledger.Forgetful && now.Before(r.until):
		return r.addr, nil
	}
	answer, err := r.s.resolver.Lookup(ctx, r.name)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(answer.Addresses) == 0 {
		return netip.Addr{}, fmt.Errorf("%s has no address (%v)", r.name, answer.RCode)
	}
	ttl := answer.TTL
	if r.s.habit == ledger.Stretcher {
		ttl = max(ttl, r.s.stretch)
	}
	r.addr = answer.Addresses[rand.IntN(len(answer.Addresses))]
	r.until = now.Add(ttl)
	return r.addr, nil
}
