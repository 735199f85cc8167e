package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"fairlead/cmd/internal/demo/lookup"
)

// Observer asks for a name from outside of all regions, again and again, and
// judges the answers.
type Observer struct {
	Name    string
	Servers []netip.AddrPort
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Rate    int // questions a second
	Allowed time.Duration
	History *History

	mu      sync.Mutex
	shops   map[netip.Addr]*standing
	loss    map[netip.AddrPort]*Loss
	wronged string
}

// standing is what the observer knows of a shop, because it was told by who
// closed it.
type standing struct {
	region string
	gone   time.Time // zero while it is open
}

// Loss is how one server did by itself: resolvers go on to the next.
type Loss struct{ Asked, Silent int }

// Shop tells the observer of a shop, and whether it is open from now on.
func (o *Observer) Shop(at netip.Addr, region string, open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shops == nil {
		o.shops, o.loss = map[netip.Addr]*standing{}, map[netip.AddrPort]*Loss{}
	}
	s := &standing{region: region}
	if !open {
		s.gone = time.Now()
	}
	o.shops[at] = s
}

// Run asks until ctx ends, and returns once every answer is judged.
func (o *Observer) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	tick := time.NewTicker(time.Second / time.Duration(o.Rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			all.Go(func() { o.ask(context.WithoutCancel(ctx)) })
		}
	}
}

func (o *Observer) ask(ctx context.Context) {
	r := lookup.Resolver{Servers: o.Servers, Dial: o.dial}
	began, asked := time.Now(), o.History.Now()
	a, err := r.Lookup(ctx, o.Name)
	j := Judged{Asked: asked, Took: time.Since(began), Tries: a.Tries}
	switch {
	case errors.Is(err, lookup.ErrUnanswered):
		j.Verdict, j.Detail = Unanswered, err.Error()
	case err != nil:
		j.Verdict, j.Detail = Wrong, err.Error()
	default:
		j.Region, j.Verdict, j.Detail = o.judge(a, began)
	}
	o.History.answered(j)
}

// dial connects to a server, and counts what it leaves unanswered.
func (o *Observer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := o.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	server, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	l := o.loss[server]
	if l == nil {
		l = &Loss{}
		o.loss[server] = l
	}
	l.Asked++
	l.Silent++ // until it is heard
	o.mu.Unlock()
	return &counted{Conn: c, heard: func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		l.Silent--
	}}, nil
}

// counted tells when something is heard for the first time.
type counted struct {
	net.Conn
	once  sync.Once
	heard func()
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		c.once.Do(c.heard)
	}
	return n, err
}

func (o *Observer) judge(a lookup.Answer, asked time.Time) (region string, v Verdict, detail string) {
	if len(a.Addresses) == 0 {
		return "", Wrong, fmt.Sprintf("%s answers without an address (%v)", a.Server, a.RCode)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	open := 0
	for _, s := range o.shops {
		if s.gone.IsZero() {
			open++
		}
	}
	for _, address := range a.Addresses {
		s := o.shops[address]
		switch {
		case s == nil:
			return "", Wrong, fmt.Sprintf("%s answers %s, where no shop ever was", a.Server, address)
		case s.gone.IsZero() || open == 0: // where nothing is open, an old answer is all there is
			region = s.region
		case asked.Sub(s.gone) > o.Allowed:
			return s.region, Wrong, fmt.Sprintf("%s answers %s, which had been gone for %v", a.Server, address, asked.Sub(s.gone).Round(time.Millisecond))
		default:
			region, v = s.region, Late
		}
	}
	return region, v, ""
}

// PerServer returns how each server did so far.
func (o *Observer) PerServer() map[netip.AddrPort]Loss {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[netip.AddrPort]Loss{}
	for server, l := range o.loss {
		out[server] = *l
	}
	return out
}
