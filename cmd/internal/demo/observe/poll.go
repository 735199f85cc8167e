// Package observe is the demo's witnesses: they stand outside Fairlead and
// see only what any outsider could, namely DNS answers, what the databases
// acknowledge, and what PostgreSQL wrote into its own log.
//
// They enter what they see in a [ledger.Book] and draw no conclusions.
package observe

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/lookup"
)

// Poller asks for one name on behalf of several client networks, each of them
// once in an interval whether or not earlier questions were answered yet.
type Poller struct {
	Servers  []netip.AddrPort
	Name     string
	Clients  []netip.Prefix
	Interval time.Duration
	Book     *ledger.Book
}

// Run polls until ctx ends. Questions still open then are not entered.
func (p Poller) Run(ctx context.Context) error {
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	for {
		for _, client := range p.Clients {
			open.Go(func() { p.ask(ctx, client) })
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (p Poller) ask(ctx context.Context, client netip.Prefix) {
	r := ledger.Reply{Client: client, Sent: time.Now()}
	answer, err := lookup.Resolver{Servers: p.Servers, Client: client}.Lookup(ctx, p.Name)
	r.Settled = time.Now()
	r.Addresses, r.Answered = answer.Addresses, err == nil
	if ctx.Err() == nil {
		p.Book.AddReply(r)
	}
}
