// Package crowd is the demo's shoppers: clients that find the shop through
// our DNS as clients of all manners do, and that remember every order which
// was acknowledged to them.
//
// Most honour the TTL. Some ask each time, some keep a connection as long as
// it works, some stretch TTLs, as resolvers and run-times in the wild do. None
// of them knows anything of Fairlead: what they suffer during a failover is
// what users would.
//
// A shopper waits for one answer before it asks again, in two lines that do
// not wait for one another: one reads pages, one places orders.
package crowd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/lookup"
	"fairlead/regions/fault"
)

// Origin is where some of the shoppers are.
type Origin struct {
	Region string
	Client netip.Prefix // what their resolvers say of them
}

// Config describes a crowd.
type Config struct {
	Servers    []netip.AddrPort // our DNS
	ReadsName  string           // where pages are read; empty reads none
	WritesName string           // where orders are placed; empty places none
	Port       uint16           // of the shop, at whatever address DNS says
	Origins    []Origin         // shoppers are dealt out to them in turn
	Habits     []ledger.Habit   // likewise; [Mix] if empty
	Shoppers   int
	// Orders and Visits are how many the whole crowd makes in a second.
	Orders, Visits float64
	// Stretch is how long a stretcher caches at least.
	Stretch time.Duration
	Book    *ledger.Book
	// Label begins the names of the shoppers; "shopper" if empty.
	Label string
}

// Mix is the habits of ten people: six honest, two who keep connections, one
// who asks each time, one who stretches.
func Mix() []ledger.Habit {
	h, k := ledger.Honest, ledger.Keeper
	return []ledger.Habit{h, k, h, h, ledger.Forgetful, h, k, h, ledger.Stretcher, h}
}

// Crowd is ready to go shopping.
type Crowd struct {
	cfg      Config
	shoppers []*shopper
}

// New deals out habits and origins.
func New(cfg Config) (*Crowd, error) {
	switch {
	case len(cfg.Servers) == 0 || len(cfg.Origins) == 0:
		return nil, fault.Invalidf("crowd", "needs DNS servers and origins")
	case cfg.Shoppers < 1 || cfg.Book == nil || cfg.Port == 0:
		return nil, fault.Invalidf("crowd", "needs shoppers, a book and the shop's port")
	}
	if len(cfg.Habits) == 0 {
		cfg.Habits = Mix()
	}
	if cfg.Stretch == 0 {
		cfg.Stretch = 5 * time.Second
	}
	if cfg.Label == "" {
		cfg.Label = "shopper"
	}
	c := &Crowd{cfg: cfg}
	for i := range cfg.Shoppers {
		origin := cfg.Origins[i%len(cfg.Origins)]
		habit := cfg.Habits[(i/len(cfg.Origins))%len(cfg.Habits)]
		c.shoppers = append(c.shoppers, &shopper{
			name: fmt.Sprintf("%s-%02d", cfg.Label, i+1), habit: habit, origin: origin, port: cfg.Port, book: cfg.Book,
			resolver: lookup.Resolver{Servers: cfg.Servers, Client: origin.Client}, stretch: cfg.Stretch,
		})
	}
	return c, nil
}

// Run lets the crowd shop until ctx ends.
func (c *Crowd) Run(ctx context.Context) error {
	var lines sync.WaitGroup
	queue := func(perSecond float64, name string, act func(context.Context, *shopper, *route)) {
		if name == "" || perSecond <= 0 {
			return
		}
		interval := time.Duration(float64(time.Second) * float64(len(c.shoppers)) / perSecond)
		for _, s := range c.shoppers {
			lines.Go(func() { s.line(ctx, name, interval, act) })
		}
	}
	queue(c.cfg.Visits, c.cfg.ReadsName, func(ctx context.Context, s *shopper, r *route) { s.visit(ctx, r) })
	queue(c.cfg.Orders, c.cfg.WritesName, func(ctx context.Context, s *shopper, r *route) { s.order(ctx, r) })
	lines.Wait()
	return nil
}

// line does one thing again and again, from a moment of its own.
func (s *shopper) line(ctx context.Context, name string, interval time.Duration, act func(context.Context, *shopper, *route)) {
	r := newRoute(s, name)
	defer r.close()
	select {
	case <-time.After(rand.N(interval)):
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		act(ctx, s, r)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
