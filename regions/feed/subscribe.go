package feed

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Peer is another node and where its feed listens.
type Peer struct {
	Node    regions.NodeID
	Address string // host:port
}

// Subscriber reads the feeds of this node's peers into an inbox. It decides
// nothing.
type Subscriber struct {
	// Dial connects to a peer, and has done any TLS handshake when it returns.
	Dial func(ctx context.Context, p Peer) (net.Conn, error)
	// Name returns whom a connection leads to, such as the common name of the
	// peer's certificate. It must be the peer that was meant. Nil trusts the
	// table's own word.
	Name  func(net.Conn) (regions.NodeID, error)
	Inbox *Inbox
	Log   *slog.Logger

	mu    sync.Mutex
	peers []Peer
	moved chan struct{}            // closed when peers change
	why   map[regions.NodeID]error // not heard now
}

// Trouble returns why a peer is not heard, or nil.
func (s *Subscriber) Trouble(peer regions.NodeID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why[peer]
}

// trouble notes why a peer is not heard; nil says that it is.
func (s *Subscriber) trouble(peer regions.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.why = map[regions.NodeID]error{}
	}
	s.why[peer] = err
}

// Set replaces the peers. Feeds of those that stay are not interrupted.
func (s *Subscriber) Set(peers []Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append([]Peer(nil), peers...)
	if s.moved != nil {
		close(s.moved)
	}
	s.moved = make(chan struct{})
}

func (s *Subscriber) current() ([]Peer, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return s.peers, s.moved
}

// Run reads until ctx ends.
func (s *Subscriber) Run(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	var all sync.WaitGroup
	defer all.Wait()
	running := map[Peer]context.CancelFunc{}
	for {
		peers, moved := s.current()
		wanted := map[Peer]bool{}
		for _, p := range peers {
			wanted[p] = true
			if running[p] != nil {
				continue
			}
			in, cancel := context.WithCancel(ctx)
			running[p] = cancel
			all.Go(func() { defer cancel(); s.follow(in, p) })
		}
		for p, cancel := range running {
			if !wanted[p] {
				cancel()
				delete(running, p)
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range running {
				cancel()
			}
			return nil
		case <-moved:
		}
	}
}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// follow reads one peer's feed, again and again. The pause before the next
// attempt doubles with each that hears nothing, and is drawn between half and
// all of that, so that nodes do not come back in step.
func (s *Subscriber) follow(ctx context.Context, p Peer) {
	pause, told, last := firstRetry, false, fault.Internal
	for ctx.Err() == nil {
		heard, err := s.listen(ctx, p)
		if ctx.Err() != nil {
			return
		}
		s.trouble(p.Node, err)
		if heard {
			pause, told = firstRetry, false
		}
		if kind := fault.Of(err); !told || kind != last { // once for each interruption, and when somebody else is to mend it
			s.Log.Warn("feed interrupted", "peer", p.Node, "address", p.Address, "err", err)
			told, last = true, kind
		}
		sleep(ctx, pause/2+rand.N(pause/2))
		pause = min(2*pause, lastRetry)
	}
}

// listen reads tables from one connection until it ends.
func (s *Subscriber) listen(ctx context.Context, p Peer) (heard bool, err error) {
	in, cancel := context.WithTimeout(ctx, handshakeTimeout)
	conn, err := s.Dial(in, p)
	cancel()
	if err != nil {
		return false, fmt.Errorf("dial the feed of %s at %s: %w", p.Node, p.Address, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if s.Name != nil {
		name, err := s.Name(conn)
		if err != nil {
			return false, fmt.Errorf("feed of %s: who answers at %s: %w", p.Node, p.Address, err)
		}
		if name != p.Node {
			return false, fmt.Errorf("feed of %s: %s answers at %s", p.Node, name, p.Address)
		}
	}
	var buf []byte
	var t Table
	for {
		conn.SetReadDeadline(time.Now().Add(max(handshakeTimeout, 5*t.Interval)))
		t, buf, err = read(conn, buf, time.Now)
		if err != nil {
			return heard, fmt.Errorf("read the feed of %s: %w", p.Node, err)
		}
		if t.Node != p.Node {
			return heard, fmt.Errorf("feed of %s: the table is of %q", p.Node, t.Node)
		}
		if !heard {
			s.Log.Info("feed connected", "peer", p.Node, "address", p.Address)
			s.trouble(p.Node, nil)
		}
		heard = true
		s.Inbox.Take(t, time.Now())
	}
}
