package feed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

var quiet = slog.New(slog.DiscardHandler)

// switchboard is a network in memory.
type switchboard struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
	dials     []time.Time
}

type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (s *switchboard) listen(address string) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	if s.listeners == nil {
		s.listeners = map[string]*pipeListener{}
	}
	s.listeners[address] = ln
	return ln
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

func (s *switchboard) dial(ctx context.Context, p Peer) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	ln := s.listeners[p.Address]
	s.mu.Unlock()
	if ln == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case ln.conns <- far:
		return near, nil
	case <-ln.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// background runs f until the returned function is called.
func background(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil {
			t.Errorf("ended with %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

func TestATableReachesEveryPeerAtEveryTickAndAtOnceWhenKicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		var generation atomic.Uint64
		p := &Publisher{Table: func() Table {
			return Table{Node: "n1", Boot: 1, Generation: generation.Load(), Reports: map[uint64]health.Report{7: {State: regions.Up}}}
		}, Tick: func() time.Duration { return 200 * time.Millisecond }, Log: quiet}
		stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("n1:1")) })

		var stops []func()
		var inboxes []*Inbox
		for range 3 {
			in := NewInbox(nil)
			s := &Subscriber{Dial: network.dial, Inbox: in, Log: quiet}
			s.Set([]Peer{{"n1", "n1:1"}})
			inboxes, stops = append(inboxes, in), append(stops, background(t, s.Run))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := p.Subscribers(); n != 3 {
			t.Errorf("%d subscribers", n)
		}
		for i, in := range inboxes {
			h := in.Nodes()
			if len(h) != 1 || h[0].Table.Reports[7].State != regions.Up || h[0].Table.Interval != 200*time.Millisecond {
				t.Fatalf("subscriber %d heard %+v", i, h)
			}
			if n := h[0].Table.Sequence; n < 49 || n > 56 {
				t.Errorf("subscriber %d is at table %d after 10 s of 5 a second", i, n)
			}
		}
		generation.Store(5)
		time.Sleep(time.Millisecond)
		p.Kick()
		time.Sleep(kickPause + time.Millisecond)
		synctest.Wait()
		if g := inboxes[0].Nodes()[0].Table.Generation; g != 5 {
			t.Errorf("generation %d, want 5 right after the kick", g)
		}
		for _, stop := range stops {
			stop()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if n := p.Subscribers(); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
		stopPublisher()
	})
}

func TestASubscriberComesBackWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		in := NewInbox(nil)
		s := &Subscriber{Dial: network.dial, Inbox: in, Log: quiet}
		s.Set([]Peer{{"n1", "n1:1"}})
		stop := background(t, s.Run)
		time.Sleep(time.Minute)
		network.mu.Lock()
		dials := slices.Clone(network.dials)
		network.mu.Unlock()
		if n := len(dials); n < 12 || n > 40 {
			t.Errorf("%d attempts in a minute", n)
		}
		if pause := dials[len(dials)-1].Sub(dials[len(dials)-2]); pause < lastRetry/2 || pause > lastRetry {
			t.Errorf("the last pause was %v, want %v to %v", pause, lastRetry/2, lastRetry)
		}
		p := &Publisher{Table: func() Table { return Table{Node: "n1", Boot: 1} }, Log: quiet}
		stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("n1:1")) })
		time.Sleep(lastRetry + time.Second)
		if len(in.Nodes()) != 1 {
			t.Error("the peer is there again and was not heard")
		}
		stopPublisher()
		stop()
	})
}

func TestAStrangerAtAPeersAddressIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			table regions.NodeID
			cert  regions.NodeID
			heard int
		}{{"the peer itself", "n1", "n1", 1}, {"another certificate", "n1", "n2", 0}, {"another node's table", "n2", "n1", 0}} {
			var network switchboard
			p := &Publisher{Table: func() Table { return Table{Node: tt.table, Boot: 1} }, Log: quiet}
			stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("n1:1")) })
			in := NewInbox(nil)
			s := &Subscriber{Dial: network.dial, Name: func(net.Conn) (regions.NodeID, error) { return tt.cert, nil }, Inbox: in, Log: quiet}
			s.Set([]Peer{{"n1", "n1:1"}})
			stop := background(t, s.Run)
			time.Sleep(3 * time.Second)
			if got := len(in.Nodes()); got != tt.heard {
				t.Errorf("%s: heard %d nodes, want %d", tt.name, got, tt.heard)
			}
			if why := s.Trouble("n1"); (why == nil) != (tt.heard == 1) {
				t.Errorf("%s: not heard because of %v", tt.name, why)
			}
			stop()
			stopPublisher()
		}
	})
}

func TestASubscriberThatReadsNothingIsDroppedAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		p := &Publisher{Table: func() Table { return Table{Node: "n1", Boot: 1} }, Tick: func() time.Duration { return 200 * time.Millisecond }, Log: quiet}
		stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen("n1:1")) })
		time.Sleep(time.Millisecond)
		lazy, err := network.dial(t.Context(), Peer{"n1", "n1:1"})
		if err != nil {
			t.Fatal(err)
		}
		defer lazy.Close()
		in := NewInbox(nil)
		s := &Subscriber{Dial: network.dial, Inbox: in, Log: quiet}
		s.Set([]Peer{{"n1", "n1:1"}})
		stop := background(t, s.Run)
		time.Sleep(time.Second)
		if n := p.Subscribers(); n != 2 {
			t.Errorf("%d subscribers", n)
		}
		time.Sleep(slowest + 500*time.Millisecond)
		if n := p.Subscribers(); n != 1 {
			t.Errorf("%d subscribers, want the one that reads", n)
		}
		if age := time.Since(in.Nodes()[0].At); age > 200*time.Millisecond {
			t.Errorf("the other one last heard a table %v ago", age)
		}
		stop()
		stopPublisher()
	})
}

func TestPeersCanComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		var stops []func()
		for _, n := range []regions.NodeID{"n1", "n2"} {
			p := &Publisher{Table: func() Table { return Table{Node: n, Boot: 1} }, Log: quiet}
			stops = append(stops, background(t, func(ctx context.Context) error { return p.Run(ctx, network.listen(string(n)+":1")) }))
		}
		in := NewInbox(nil)
		s := &Subscriber{Dial: network.dial, Inbox: in, Log: quiet}
		s.Set([]Peer{{"n1", "n1:1"}})
		stops = append(stops, background(t, s.Run))
		time.Sleep(3 * time.Second)
		s.Set([]Peer{{"n2", "n2:1"}})
		time.Sleep(10 * time.Second)
		h := in.Nodes()
		if len(h) != 2 || time.Since(h[0].At) < 9*time.Second || time.Since(h[1].At) > time.Second {
			t.Errorf("heard %+v", h)
		}
		for _, stop := range stops {
			stop()
		}
	})
}

func TestMoreEpochsThanFitTakeTurns(t *testing.T) {
	p := &Publisher{Log: quiet, Epochs: func() []regions.SignedEpoch {
		var all []regions.SignedEpoch
		for i := range 150 {
			all = append(all, regions.SignedEpoch{Database: regions.DatabaseID(fmt.Sprintf("db%d", i))})
		}
		return append(all, regions.SignedEpoch{Database: "huge", Signature: make([]byte, 1000)})
	}}
	p.init()
	seen := map[regions.DatabaseID]bool{}
	for sequence := range uint64(3) {
		turn := p.turn(sequence)
		if len(turn) > MaxEpochs {
			t.Errorf("%d epochs in a table", len(turn))
		}
		for _, e := range turn {
			seen[e.Database] = true
		}
	}
	if len(seen) != 150 {
		t.Errorf("%d of 150 epochs travelled in three tables", len(seen))
	}
}

func TestTheTickFollowsTheShortestInterval(t *testing.T) {
	for shortest, want := range map[time.Duration]time.Duration{
		200 * time.Millisecond: 200 * time.Millisecond, 2 * time.Second: 500 * time.Millisecond, time.Minute: time.Second, 0: 200 * time.Millisecond,
	} {
		if got := Tick(shortest); got != want {
			t.Errorf("Tick(%v) = %v, want %v", shortest, got, want)
		}
	}
}

// certificates mints an authority and one certificate for each name.
func certificates(t *testing.T, names ...string) (*x509.CertPool, map[string]tls.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mint := func(cn string, ca bool, parent *x509.Certificate, signer, own *ecdsa.PrivateKey) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca, err := x509.ParseCertificate(mint("ca", true, nil, key, key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	all := map[string]tls.Certificate{}
	for _, n := range names {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[n] = tls.Certificate{Certificate: [][]byte{mint(n, false, ca, key, own)}, PrivateKey: own}
	}
	return pool, all
}

func TestTheFeedOverMutualTLS(t *testing.T) {
	pool, certs := certificates(t, "n1", "n2")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certs["n1"]}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13})
	p := &Publisher{Table: sample, Epochs: func() []regions.SignedEpoch { return sample().Epochs }, Log: quiet, Tick: func() time.Duration { return 50 * time.Millisecond },
		Allow: func(c net.Conn) error {
			if cn := c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName; cn != "n2" {
				return fmt.Errorf("%s is no subscriber", cn)
			}
			return nil
		}}
	stopPublisher := background(t, func(ctx context.Context) error { return p.Run(ctx, ln) })
	defer stopPublisher()

	listen := func(config *tls.Config) *Inbox {
		changed := make(chan struct{}, 100)
		in := NewInbox(func() { changed <- struct{}{} })
		s := &Subscriber{Inbox: in, Log: quiet,
			Dial: func(ctx context.Context, p Peer) (net.Conn, error) {
				return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", p.Address)
			},
			Name: func(c net.Conn) (regions.NodeID, error) {
				return regions.NodeID(c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName), nil
			}}
		s.Set([]Peer{{"n1", address}})
		stop := background(t, s.Run)
		defer stop()
		select {
		case <-changed:
		case <-time.After(time.Second):
		}
		return in
	}
	if in := listen(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certs["n2"]}, ServerName: "n1"}); len(in.Nodes()) != 1 || len(in.Epochs()) != 2 {
		t.Errorf("heard %+v", in.Nodes())
	}
	if in := listen(&tls.Config{RootCAs: pool, ServerName: "n1"}); len(in.Nodes()) != 0 {
		t.Error("a subscriber without a certificate was served")
	}
	if in := listen(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certs["n1"]}, ServerName: "n1"}); len(in.Nodes()) != 0 {
		t.Error("a subscriber that is not allowed was served")
	}
}
