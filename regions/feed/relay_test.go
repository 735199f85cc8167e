package feed

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

const relayTick = 200 * time.Millisecond

// member is a full node: it publishes, hears the others directly and relays.
type member struct {
	name  regions.NodeID
	pub   *Publisher
	inbox *Inbox
}

// mesh runs n full nodes of three regions that hear each other.
func mesh(t *testing.T, network *switchboard, n int) (members []*member, senders []Sender, stop func()) {
	var stops []func()
	for i := range n {
		name := regions.NodeID(fmt.Sprintf("p%02d", i))
		senders = append(senders, Sender{Peer{name, string(name) + ":1"}, regions.ID([]string{"us", "eu", "ap"}[i%3])})
	}
	for i, s := range senders {
		m := &member{name: s.Node, inbox: NewInbox(nil)}
		m.pub = &Publisher{Relay: true, Log: quiet, Tick: func() time.Duration { return relayTick }, Table: func() Table {
			return Table{Node: s.Node, Region: s.Region, Boot: uint64(i + 1), Reports: map[uint64]health.Report{7: {State: regions.Up, Last: time.Now().Add(-time.Second), Since: time.Now().Add(-time.Hour)}}}
		}}
		sub := &Subscriber{Dial: network.dial, Inbox: m.inbox, Log: quiet, Pass: m.pub.Forward}
		var peers []Peer
		for _, o := range senders {
			if o.Node != s.Node {
				peers = append(peers, o.Peer)
			}
		}
		sub.Set(peers)
		ln := network.listen(s.Address)
		stops = append(stops, background(t, func(ctx context.Context) error { return m.pub.Run(ctx, ln) }), background(t, sub.Run))
		members = append(members, m)
	}
	return members, senders, func() {
		for _, s := range stops {
			s()
		}
	}
}

// wire is a listener's way into the network, on which addresses can go quiet
// without any connection ending.
type wire struct {
	network *switchboard
	mu      sync.Mutex
	frozen  map[string]bool
	dialled map[string]int
}

func (w *wire) dial(ctx context.Context, p Peer) (net.Conn, error) {
	w.mu.Lock()
	if w.dialled == nil {
		w.dialled = map[string]int{}
	}
	w.dialled[p.Address]++
	frozen := w.frozen[p.Address]
	w.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	c, err := w.network.dial(ctx, p)
	if err != nil {
		return nil, err
	}
	return &freezable{Conn: c, wire: w, address: p.Address}, nil
}

func (w *wire) freeze(addresses ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = map[string]bool{}
	for _, a := range addresses {
		w.frozen[a] = true
	}
}

type freezable struct {
	net.Conn
	wire    *wire
	address string
}

func (c *freezable) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		c.wire.mu.Lock()
		frozen := c.wire.frozen[c.address]
		c.wire.mu.Unlock()
		if !frozen || err != nil {
			return n, err
		}
	}
}

func TestAListenerHearsEverybodyThroughTwoRelaysOfItsRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		_, senders, stopMesh := mesh(t, &network, 12)
		time.Sleep(time.Second)
		w := &wire{network: &network}
		in := NewInbox(nil)
		r := &Relayed{Self: "dns-1", Region: "eu", Senders: senders, Log: quiet, Subscriber: &Subscriber{Dial: w.dial, Inbox: in, Log: quiet}}
		stop := background(t, r.Run)
		time.Sleep(20 * time.Second)
		if len(w.dialled) != 2 {
			t.Errorf("dialled %v, want two relays and nobody else", w.dialled)
		}
		for _, s := range senders {
			if w.dialled[s.Address] > 0 && s.Region != "eu" {
				t.Errorf("%s of %s relays for a listener in eu", s.Node, s.Region)
			}
		}
		nodes := in.Nodes()
		if len(nodes) != len(senders) {
			t.Fatalf("heard %d of %d", len(nodes), len(senders))
		}
		for i, h := range nodes {
			table := h.Table
			if table.Node != senders[i].Node || table.Region != senders[i].Region || table.Boot != uint64(i+1) || table.Sequence < 90 || table.Interval != relayTick {
				t.Errorf("heard %+v, want what %s said of itself", table, senders[i].Node)
			}
			if age := time.Since(h.At); age > relayTick+2*kickPause {
				t.Errorf("%s was heard %v ago", table.Node, age)
			}
			if age := h.At.Sub(table.Reports[7].Last); age.Round(10*time.Millisecond) != time.Second {
				t.Errorf("%s checked %v before its table, want 1s", table.Node, age)
			}
			if own := w.dialled[senders[i].Address] > 0; !own && w.dialled[string(h.Via)+":1"] == 0 {
				t.Errorf("%s came via %q", table.Node, h.Via)
			}
		}
		stop()
		stopMesh()
	})
}

func TestRelaysThatFallSilentAreReplacedBeforeAnybodyCountsAsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		_, senders, stopMesh := mesh(t, &network, 9)
		time.Sleep(time.Second)
		w := &wire{network: &network}
		in := NewInbox(nil)
		r := &Relayed{Self: "dns-1", Region: "eu", Senders: senders, Log: quiet, Subscriber: &Subscriber{Dial: w.dial, Inbox: in, Log: quiet}}
		stop := background(t, r.Run)
		time.Sleep(10 * time.Second)
		watch := func(what string, d time.Duration) {
			t.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				tables := in.Tables()
				if len(tables) != len(senders) {
					t.Fatalf("%s: %d of %d are known", what, len(tables), len(senders))
				}
				for i := range tables {
					if tables[i].Silent(time.Now()) {
						t.Fatalf("%s: %s counts as silent, last heard %v ago", what, tables[i].Node, time.Since(tables[i].Heard))
					}
				}
			}
		}
		watch("calm", 5*time.Second)
		both := Choose("dns-1", "eu", senders, func(regions.NodeID) bool { return false })
		w.freeze(both[0].Address)
		watch("one relay frozen", 20*time.Second)
		w.freeze(both[0].Address, both[1].Address)
		watch("both relays frozen", 20*time.Second)
		w.freeze()
		watch("all well again", 2*time.Minute)
		var all []string
		for _, s := range senders {
			if s.Region == "eu" {
				all = append(all, s.Address)
			}
		}
		w.freeze(all...)
		watch("every relay of the region frozen", 20*time.Second)
		stop()
		stopMesh()
	})
}

func TestASenderThatNoRelayBringsIsAskedItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		members, senders, stopMesh := mesh(t, &network, 9)
		alone := Sender{Peer{"alone", "alone:1"}, "eu"}
		p := &Publisher{Table: func() Table { return Table{Node: "alone", Boot: 1} }, Log: quiet}
		stopAlone := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("alone:1")) })
		in := NewInbox(nil)
		r := &Relayed{Self: "dns-1", Region: "eu", Senders: append(senders, alone), Log: quiet, Subscriber: &Subscriber{Dial: network.dial, Inbox: in, Log: quiet}}
		stop := background(t, r.Run)
		time.Sleep(scatter + 5*time.Second)
		if n := len(in.Nodes()); n != 10 {
			t.Errorf("heard %d nodes, want the nine and the one that %d relays do not hear", n, len(members))
		}
		stop()
		stopAlone()
		stopMesh()
	})
}

func TestWhatCameThroughARelayIsNeverPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		_, senders, stopMesh := mesh(t, &network, 9)
		time.Sleep(time.Second)
		// Two nodes that relay, each of them listening through the other and
		// through a full node: the worst that a wiring mistake could make.
		var stops []func()
		var pubs []*Publisher
		passed := map[regions.NodeID]bool{}
		var mu sync.Mutex
		for i, name := range []regions.NodeID{"x", "y"} {
			other := []regions.NodeID{"y", "x"}[i]
			pub := &Publisher{Relay: true, Table: func() Table { return Table{Node: name, Boot: 1} }, Tick: func() time.Duration { return relayTick }, Log: quiet}
			sub := &Subscriber{Dial: network.dial, Inbox: NewInbox(nil), Log: quiet, Pass: func(n regions.NodeID, frame []byte) {
				mu.Lock()
				passed[n] = true
				mu.Unlock()
				pub.Forward(n, frame)
			}}
			sub.set(nil, []Peer{{other, string(other) + ":1"}, senders[0].Peer})
			ln := network.listen(string(name) + ":1")
			stops = append(stops, background(t, func(ctx context.Context) error { return pub.Run(ctx, ln) }), background(t, sub.Run))
			pubs = append(pubs, pub)
		}
		time.Sleep(10 * time.Second)
		mu.Lock()
		if len(passed) != 0 {
			t.Errorf("passed on %v, all of which came through a relay", passed)
		}
		mu.Unlock()
		for i, p := range pubs {
			p.mu.Lock()
			if len(p.heard) != 1 {
				t.Errorf("relay %d holds %d tables, want its own", i, len(p.heard))
			}
			p.mu.Unlock()
		}
		for _, s := range stops {
			s()
		}
		stopMesh()
	})
}

// says is the far end of a connection on which a relay says this.
func says(frames ...[]byte) func(context.Context, Peer) (net.Conn, error) {
	return func(context.Context, Peer) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			var ask [4]byte
			far.Read(ask[:])
			for _, f := range frames {
				far.Write(f)
			}
		}()
		return near, nil
	}
}

func packed(frame []byte, heldMs uint32) []byte {
	return append([]byte{'F', 'L', 'r', '1', byte(heldMs >> 24), byte(heldMs >> 16), byte(heldMs >> 8), byte(heldMs)}, frame...)
}

func TestTheTimeInARelayIsAddedToEveryAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := sample()
		frame := encode(t, table)
		in := NewInbox(nil)
		s := &Subscriber{Dial: says(packed(frame, 700)), Inbox: in, Log: quiet}
		s.set(nil, []Peer{{"relay", "relay:1"}})
		stop := background(t, s.Run)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		now := time.Now().Add(-time.Millisecond)
		h := in.Nodes()
		if len(h) != 1 || now.Sub(h[0].At) != 700*time.Millisecond || h[0].Via != "relay" {
			t.Fatalf("heard %+v, want one table 700ms ago", h)
		}
		r := h[0].Table.Reports[regions.TargetID("www@us-east").Hash()]
		if age := now.Sub(r.Last); age != time.Second {
			t.Errorf("checked %v ago, want the 300ms of the sender and the 700ms of the relay", age)
		}
		want, _, _ := Decode(frame, h[0].At)
		if !reflect.DeepEqual(h[0].Table, want) {
			t.Errorf("got  %+v\nwant %+v", h[0].Table, want)
		}
		stop()
	})
}

func TestARelayMayNotInventNorDamage(t *testing.T) {
	good := encode(t, sample())
	bad := bytes.Clone(good)
	bad[300] ^= 1
	for _, tt := range []struct {
		name  string
		say   []byte
		allow error
		heard int
	}{
		{"a sender's table", packed(good, 0), nil, 1},
		{"a table changed on the way", packed(bad, 0), nil, 0},
		{"another's table as its own", good, nil, 0},
		{"a node that is no sender", packed(encode(t, Table{Node: "ghost", Boot: 1, Sequence: 1}), 0), nil, 0},
		{"rubbish", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, 0},
		{"one that may not relay", packed(good, 0), errors.New("its certificate has only the role dns"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := NewInbox(nil)
				s := &Subscriber{Dial: says(tt.say), Inbox: in, Log: quiet, MayRelay: func(net.Conn) error { return tt.allow },
					Senders: func(n regions.NodeID) bool { return n == "n1" }}
				s.set(nil, []Peer{{"relay", "relay:1"}})
				stop := background(t, s.Run)
				time.Sleep(time.Second)
				if got := len(in.Nodes()); got != tt.heard {
					t.Errorf("%d nodes heard, want %d", got, tt.heard)
				}
				stop()
			})
		})
	}
}

func TestANodeThatDoesNotRelaySendsThoseAwayWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		p := &Publisher{Table: func() Table { return Table{Node: "dns-2", Boot: 1} }, Log: quiet}
		stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("dns-2:1")) })
		time.Sleep(time.Millisecond)
		s := &Subscriber{Dial: network.dial, Inbox: NewInbox(nil), Log: quiet}
		s.set(nil, []Peer{{"dns-2", "dns-2:1"}})
		stop := background(t, s.Run)
		time.Sleep(2 * time.Second)
		if s.Trouble("dns-2") == nil {
			t.Error("a node that does not relay was taken for a relay")
		}
		stop()
		stopPublisher()
	})
}

func TestListenersSpreadOverTheRelaysOfTheirRegion(t *testing.T) {
	var senders []Sender
	for i := range 9 {
		n := regions.NodeID(fmt.Sprintf("p%d", i))
		senders = append(senders, Sender{Peer{n, ""}, regions.ID([]string{"us", "eu", "ap"}[i/3])})
	}
	never := func(regions.NodeID) bool { return false }
	load := map[regions.NodeID]int{}
	for i := range 900 {
		self := regions.NodeID(fmt.Sprintf("dns-%d", i))
		got := Choose(self, "eu", senders, never)
		if again := Choose(self, "eu", senders, never); !slices.Equal(got, again) {
			t.Fatalf("%s draws %v and then %v", self, got, again)
		}
		for _, p := range got {
			load[p.Node]++
		}
	}
	for _, n := range []regions.NodeID{"p3", "p4", "p5"} {
		if load[n] < 500 || load[n] > 700 {
			t.Errorf("%s relays for %d of 900, want about 600: %v", n, load[n], load)
		}
	}
	got := Choose("dns-1", "eu", senders, func(n regions.NodeID) bool { return n == "p3" || n == "p4" })
	if got[0].Node != "p5" || slices.Contains([]regions.NodeID{"p3", "p4"}, got[1].Node) {
		t.Errorf("drew %v, want p5 and one of another region", got)
	}
}

func TestAnInboxNeverGoesBackWhateverTheWay(t *testing.T) {
	type arrival struct {
		boot, sequence uint64
		via            regions.NodeID
		at             time.Duration // when the relay, or this node, heard it
		taken          bool
	}
	tests := []struct {
		name     string
		arrivals []arrival
	}{
		{"two relays bring the same", []arrival{{1, 1, "a", 0, true}, {1, 1, "b", 0, false}, {1, 2, "b", 1, true}, {1, 2, "a", 1, false}}},
		{"a slow relay is behind", []arrival{{1, 5, "a", 5, true}, {1, 3, "b", 3, false}, {1, 6, "a", 6, true}}},
		{"a run that the inbox never heard, from before the one it knows", []arrival{{2, 1, "a", 5, true}, {1, 99, "b", 2, false}, {2, 2, "a", 6, true}}},
		{"a new run through a relay", []arrival{{1, 9, "a", 1, true}, {2, 1, "a", 2, true}, {1, 10, "b", 3, false}, {2, 2, "b", 3, true}}},
		{"leftovers that a stopped network dates too late do not win for good",
			[]arrival{{2, 7, "a", 5, true}, {1, 98, "b", 6, true}, {2, 8, "a", 7, false}, {2, 9, "a", 9, false}, {2, 10, "a", 11, true}, {2, 11, "a", 12, true}}},
		{"a run that has ended and a run that goes on", []arrival{{1, 1, "", 0, true}, {2, 1, "", 1, true}, {1, 2, "", 2, false}, {2, 2, "", 3, true}, {1, 3, "", 4, false}, {2, 3, "", 5, true}, {1, 4, "", 6, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := NewInbox(nil)
			for i, a := range tt.arrivals {
				if got := in.TakeVia(a.via, Table{Node: "n", Boot: a.boot, Sequence: a.sequence, Interval: time.Second}, noon.Add(a.at*time.Second)); got != a.taken {
					t.Errorf("arrival %d: %+v taken: %v", i, a, got)
				}
			}
		})
	}
}

func TestRelaysOverMutualTLS(t *testing.T) {
	pool, certs := certificates(t, "n1", "n2", "relay", "dns")
	listen := func(name string) net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certs[name]}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13})
	}
	dialer := func(name string) func(context.Context, Peer) (net.Conn, error) {
		return func(ctx context.Context, p Peer) (net.Conn, error) {
			return (&tls.Dialer{Config: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certs[name]}, ServerName: string(p.Node)}}).DialContext(ctx, "tcp", p.Address)
		}
	}
	who := func(c net.Conn) (regions.NodeID, error) {
		return regions.NodeID(c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName), nil
	}
	tick := func() time.Duration { return 50 * time.Millisecond }
	origin, relay := listen("n1"), listen("relay")
	p1 := &Publisher{Table: sample, Tick: tick, Log: quiet}
	defer background(t, func(ctx context.Context) error { return p1.Run(ctx, origin) })()
	pr := &Publisher{Table: func() Table { return Table{Node: "relay", Boot: 3} }, Tick: tick, Relay: true, Log: quiet}
	defer background(t, func(ctx context.Context) error { return pr.Run(ctx, relay) })()
	rs := &Subscriber{Dial: dialer("relay"), Name: who, Inbox: NewInbox(nil), Pass: pr.Forward, Log: quiet}
	rs.Set([]Peer{{"n1", origin.Addr().String()}})
	defer background(t, rs.Run)()

	changed := make(chan struct{}, 1000)
	in := NewInbox(func() { changed <- struct{}{} })
	ls := &Subscriber{Dial: dialer("dns"), Name: who, Inbox: in, Log: quiet}
	ls.set(nil, []Peer{{"relay", relay.Addr().String()}})
	defer background(t, ls.Run)()
	deadline := time.After(20 * time.Second)
	for {
		var n1 *Heard
		for _, h := range in.Nodes() {
			if h.Table.Node == "n1" {
				n1 = &h
			}
		}
		if n1 != nil && n1.Table.Sequence > 3 {
			if n1.Via != "relay" || n1.Table.Boot != sample().Boot || len(n1.Table.Reports) != len(sample().Reports) {
				t.Errorf("heard %+v", n1)
			}
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("n1 was not heard through the relay: %+v; trouble %v", in.Nodes(), ls.Trouble("relay"))
		}
	}
}
