package feed

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/regions"
)

// counted counts what is read from a connection.
type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

// BenchmarkThousandListeners runs 9 reporters of 300 targets and 1,000 nodes
// that only answer, each with its own TCP connections, inbox and input to the
// judgement, at a tick of three seconds, because all of them share this machine.
// Figures are for each listener and tick;
// processor time is that of both ends, without TLS.
func BenchmarkThousandListeners(b *testing.B) {
	for _, way := range []string{"relays", "direct"} {
		for _, failing := range []bool{false, true} {
			name := way + "/calm"
			if failing {
				name = way + "/failing"
			}
			b.Run(name, func(b *testing.B) { thousand(b, way == "direct", failing) })
		}
	}
}

func thousand(b *testing.B, direct, failing bool) {
	const reporters, targets, ticks, tick = 9, 300, 4, 3 * time.Second
	listeners := 1000
	each := relays
	if direct {
		each = reporters
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	if fit := (int(limit.Cur) - 500) / (2 * each); fit < listeners { // both ends are here
		b.Logf("%d files may be open: %d listeners instead of %d", limit.Cur, fit, listeners)
		listeners = fit
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2*reporters+listeners)
	running := 0
	run := func(f func(context.Context) error) {
		running++
		go func() { f(ctx); ended <- struct{}{} }()
	}
	defer func() {
		cancel()
		for range running {
			<-ended
		}
	}()
	var senders []Sender
	var at []net.Listener
	for i := range reporters {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		at = append(at, ln)
		senders = append(senders, Sender{Peer{regions.NodeID(fmt.Sprintf("p%d", i)), ln.Addr().String()}, regions.ID([]string{"us", "eu", "ap"}[i%3])})
	}
	var d net.Dialer
	table := world(targets, failing)
	for i, s := range senders {
		pub := &Publisher{Relay: true, Log: quiet, Tick: func() time.Duration { return tick }, Table: func() Table {
			t := table
			t.Node, t.Region = s.Node, s.Region
			return t
		}}
		sub := &Subscriber{Inbox: NewInbox(nil), Log: quiet, Pass: pub.Forward, Dial: func(ctx context.Context, p Peer) (net.Conn, error) { return d.DialContext(ctx, "tcp", p.Address) }}
		var peers []Peer
		for _, o := range senders {
			if o.Node != s.Node {
				peers = append(peers, o.Peer)
			}
		}
		sub.Set(peers)
		run(func(ctx context.Context) error { return pub.Run(ctx, at[i]) })
		run(sub.Run)
	}
	var bytes, tables atomic.Int64
	var inboxes []*Inbox
	for i := range listeners {
		in := NewInbox(func() { tables.Add(1) })
		inboxes = append(inboxes, in)
		sub := &Subscriber{Inbox: in, Log: quiet, Dial: func(ctx context.Context, p Peer) (net.Conn, error) {
			c, err := d.DialContext(ctx, "tcp", p.Address)
			if err != nil {
				return nil, err
			}
			return counted{c, &bytes}, nil
		}}
		if direct {
			var peers []Peer
			for _, s := range senders {
				peers = append(peers, s.Peer)
			}
			sub.Set(peers)
			run(sub.Run)
			continue
		}
		r := &Relayed{Self: regions.NodeID(fmt.Sprintf("dns-%d", i)), Region: regions.ID([]string{"us", "eu", "ap"}[i%3]), Senders: senders, Subscriber: sub, Log: quiet}
		run(r.Run)
	}
	all := func() bool {
		for _, in := range inboxes {
			if len(in.Nodes()) < reporters {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(2 * time.Minute); !all(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("after two minutes not every listener has heard every reporter")
		}
	}
	time.Sleep(2 * tick) // the newcomers' kicks are over
	for b.Loop() {
		bytes.Store(0)
		tables.Store(0)
		began := cpu()
		time.Sleep(ticks * tick)
		used := cpu() - began
		n := float64(listeners * ticks)
		b.ReportMetric(float64(bytes.Load())/n, "B/node/tick")
		b.ReportMetric(float64(tables.Load())/n, "tables/node/tick")
		b.ReportMetric(float64(used.Microseconds())/n, "cpu-µs/node/tick")
		b.ReportMetric(float64(each), "connections/node")
		b.ReportMetric(float64(listeners), "nodes")
	}
	b.ReportMetric(0, "ns/op")
	silent := 0
	for _, in := range inboxes {
		judged := in.Tables()
		for i := range judged {
			if judged[i].Silent(time.Now()) {
				silent++
			}
		}
	}
	if silent > 0 {
		b.Logf("%d of %d tables count as silent: the machine cannot keep up", silent, listeners*reporters)
	}
}
