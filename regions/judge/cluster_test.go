package judge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/feed"
	"fairlead/regions/judge"
	"fairlead/regions/probe"
	"fairlead/regions/steer"
)

// cluster is a few nodes in a world in memory: real probes' schedules, real
// feeds, real judges, virtual time.
type cluster struct {
	t     *testing.T
	mu    sync.Mutex
	dead  map[string]bool // regions or targets that do not answer
	cut   map[string]bool // links "from>to" between regions
	nodes map[regions.NodeID]*node
	fleet *regions.Fleet
	conns map[net.Conn]string
}

type node struct {
	id       regions.NodeID
	region   regions.ID
	judge    *judge.Judge
	listener chan net.Conn
	stop     func()
	mu       sync.Mutex
	views    []*judge.View
}

var check = regions.Check{Kind: regions.TCP, Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond, Rise: 2, Fall: 3, Port: 80}

// newCluster has the regions a, b and c with www and shop in each, and a
// database's writer in a.
func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, dead: map[string]bool{}, cut: map[string]bool{}, nodes: map[regions.NodeID]*node{}, conns: map[net.Conn]string{}}
	f := &regions.Fleet{Regions: []regions.Region{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	for k, id := range []regions.ServiceID{"www", "shop", "orders"} {
		s := regions.Service{ID: id, Name: regions.Name(id + ".example."), Mode: regions.Steer, TTL: 5 * time.Second, Check: check,
			Policy: regions.Policy{Kind: regions.Failover, Order: []regions.ID{"a", "b", "c"}, Panic: regions.AnswerAll}}
		for i, r := range f.Regions {
			s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID(id, r.ID, 1), Region: r.ID, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, byte(k), byte(i + 1)})}})
		}
		f.Services = append(f.Services, s)
	}
	f.Services[2].Writes = &regions.Writes{Database: "orders"}
	c.fleet = f
	return c
}

func (c *cluster) decided(generation uint64) *regions.Decided {
	return &regions.Decided{Incarnation: 1, Generation: generation, Fleet: c.fleet,
		Writers: map[regions.DatabaseID]regions.SignedEpoch{"orders": epoch(1, "a")}}
}

func epoch(number uint64, writer regions.ID) regions.SignedEpoch {
	return regions.SignedEpoch{Database: "orders", Epoch: regions.Epoch{Incarnation: 1, Number: number, Writer: writer}, Signature: []byte("good")}
}

func (c *cluster) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	for conn, link := range c.conns {
		if c.cut[link] {
			conn.Close()
			delete(c.conns, conn)
		}
	}
}

func (c *cluster) kill(what string)   { c.set(func() { c.dead[what] = true }) }
func (c *cluster) revive(what string) { c.set(func() { delete(c.dead, what) }) }

// isolate cuts all links between a region and the others.
func (c *cluster) isolate(r string) {
	c.set(func() {
		for _, o := range []string{"a", "b", "c"} {
			if o != r {
				c.cut[r+">"+o], c.cut[o+">"+r] = true, true
			}
		}
	})
}

func (c *cluster) heal() { c.set(func() { clear(c.cut) }) }

// probe is what a node in a region sees of a target.
func (c *cluster) probe(from regions.ID, t regions.Target) probe.Prober {
	return probe.Func(func(ctx context.Context) error {
		c.mu.Lock()
		dead := c.dead[string(t.Region)] || c.dead[string(t.ID)]
		cut := c.cut[string(from)+">"+string(t.Region)]
		c.mu.Unlock()
		switch {
		case cut:
			<-ctx.Done()
			return ctx.Err()
		case dead:
			return errors.New("connection refused")
		}
		return nil
	})
}

// start runs a node in a region, with the others of the cluster as its peers.
func (c *cluster) start(id regions.NodeID, region regions.ID, d *regions.Decided, m judge.Memory, peers ...regions.NodeID) *node {
	n := &node{id: id, region: region, listener: make(chan net.Conn)}
	quiet := slog.New(slog.DiscardHandler)
	inbox := feed.NewInbox(func() { n.judge.Poke() })
	publisher := &feed.Publisher{Log: quiet, Tick: func() time.Duration { return 200 * time.Millisecond }}
	schedule := probe.NewSchedule(probe.Options{Log: quiet,
		New:     func(t regions.Target) (probe.Prober, error) { return c.probe(region, t), nil },
		Changed: func() { n.judge.Poke(); publisher.Kick() }})
	var err error
	n.judge, err = judge.New(judge.Config{Node: id, Region: region, Expected: peers, Log: quiet, Memory: m,
		Own:   func() (t healthTable) { t.Interval, t.Reports = 200*time.Millisecond, schedule.Reports(); return t },
		Heard: inbox.Tables, Epochs: inbox.Epochs,
		Verify: func(e regions.SignedEpoch) error {
			if string(e.Signature) != "good" {
				return errors.New("forged")
			}
			return nil
		},
		Sink: func(v *judge.View) { n.mu.Lock(); n.views = append(n.views, v); n.mu.Unlock() },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	boot := uint64(time.Now().UnixNano())
	publisher.Table = func() feed.Table {
		return feed.Table{Node: id, Region: region, Boot: boot, Reports: schedule.Reports()}
	}
	publisher.Epochs = n.judge.Epochs
	subscriber := &feed.Subscriber{Inbox: inbox, Log: quiet, Dial: func(ctx context.Context, p feed.Peer) (net.Conn, error) { return c.dial(ctx, region, p) }}
	var ps []feed.Peer
	for _, p := range peers {
		ps = append(ps, feed.Peer{Node: p})
	}
	subscriber.Set(ps)
	schedule.Set(c.fleet.Targets()) // endpoints only: the fleet has no databases
	n.judge.Decided(d)
	c.mu.Lock()
	c.nodes[id] = n
	c.mu.Unlock()

	ctx, cancel := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	all.Go(func() { schedule.Run(ctx) })
	all.Go(func() { publisher.Run(ctx, &listener{n.listener, ctx}) })
	all.Go(func() { subscriber.Run(ctx) })
	all.Go(func() { n.judge.Run(ctx) })
	n.stop = func() {
		cancel()
		all.Wait()
		c.mu.Lock()
		delete(c.nodes, id)
		c.mu.Unlock()
	}
	return n
}

type listener struct {
	conns chan net.Conn
	ctx   context.Context
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{} }

func (c *cluster) dial(ctx context.Context, from regions.ID, p feed.Peer) (net.Conn, error) {
	c.mu.Lock()
	peer := c.nodes[p.Node]
	c.mu.Unlock()
	if peer == nil {
		return nil, errors.New("connection refused")
	}
	link := string(from) + ">" + string(peer.region)
	c.mu.Lock()
	cut := c.cut[link]
	c.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	near, far := net.Pipe()
	select {
	case peer.listener <- far:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	c.conns[near] = link
	c.mu.Unlock()
	return near, nil
}

// three starts a node in each region.
func (c *cluster) three() {
	d := c.decided(1)
	c.start("n1", "a", d, judge.Memory{}, "n2", "n3")
	c.start("n2", "b", d, judge.Memory{}, "n1", "n3")
	c.start("n3", "c", d, judge.Memory{}, "n1", "n2")
	c.after(10 * time.Second)
	c.want("www", "a")
}

func (c *cluster) end() {
	c.heal() // whoever waits for a cut link goes on
	for _, id := range []regions.NodeID{"n1", "n2", "n3"} {
		if n := c.nodes[id]; n != nil {
			n.stop()
		}
	}
}

func (c *cluster) after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func answer(p *steer.Plan, service string) string {
	x := p.Explain(regions.Name(service+".example."), netip.Prefix{})
	var ids []string
	for _, e := range x.Answer {
		ids = append(ids, string(e.Region))
	}
	return strings.Join(ids, ",")
}

// want demands an answer of the nodes named, or of all that run.
func (c *cluster) want(service, want string, nodes ...regions.NodeID) {
	c.t.Helper()
	for id, n := range c.nodes {
		if len(nodes) > 0 && !slices.Contains(nodes, id) {
			continue
		}
		v := n.judge.View()
		if got := answer(&v.Plan, service); got != want {
			x := v.Plan.Explain(regions.Name(service+".example."), netip.Prefix{})
			c.t.Errorf("%v answers %s with %q, want %q: %s", id, service, got, want, x.Because)
		}
	}
}

// changes lists what each new view of a node answered for www.
func (n *node) changes(service string) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := ""
	for _, v := range n.views {
		if a := answer(&v.Plan, service); a != last {
			last = a
			all = append(all, a)
		}
	}
	return all
}

// when returns when a node first answered service so, after a moment.
func (n *node) when(service, want string, from time.Time) (time.Duration, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, v := range n.views {
		if !v.At.Before(from) && answer(&v.Plan, service) == want {
			return v.At.Sub(from), nil
		}
	}
	return 0, fmt.Errorf("%v never answered %s with %s", n.id, service, want)
}
