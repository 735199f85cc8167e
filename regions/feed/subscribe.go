package feed

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
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
	Name func(net.Conn) (regions.NodeID, error)
	// MayRelay refuses those who may speak for themselves but not pass on what
	// others say; nil trusts every peer that is named as a relay.
	MayRelay func(net.Conn) error
	// Senders says whose tables may come through a relay; nil: anybody's.
	Senders func(regions.NodeID) bool
	// Pass is handed each table that came from its own node and was news, for
	// [Publisher.Forward]; the frame is the caller's. Nil if nobody relays.
	Pass  func(n regions.NodeID, frame []byte)
	Inbox *Inbox
	Log   *slog.Logger

	mu      sync.Mutex
	links   []link
	moved   chan struct{}            // closed when links change
	why     map[regions.NodeID]error // not heard now
	relays  map[regions.NodeID]time.Time
	carried map[regions.NodeID]time.Time
}

// link is a peer, and whether it is asked for what it hears.
type link struct {
	Peer
	relay bool
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
func (s *Subscriber) Set(peers []Peer) { s.set(peers, nil) }

// set replaces the peers that are heard for themselves, and those through
// which others are.
func (s *Subscriber) set(peers, relays []Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = nil
	for _, p := range peers {
		s.links = append(s.links, link{p, false})
	}
	for _, p := range relays {
		s.links = append(s.links, link{p, true})
	}
	if s.moved != nil {
		close(s.moved)
	}
	s.moved = make(chan struct{})
}

func (s *Subscriber) current() ([]link, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved == nil {
		s.moved = make(chan struct{})
	}
	return s.links, s.moved
}

// brought notes that a relay has passed something on.
func (s *Subscriber) brought(relay, node regions.NodeID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.relays == nil {
		s.relays, s.carried = map[regions.NodeID]time.Time{}, map[regions.NodeID]time.Time{}
	}
	s.relays[relay] = time.Now()
	if at.After(s.carried[node]) {
		s.carried[node] = at
	}
}

// relayedSince returns when each relay last passed something on, and when each
// node was last heard by one of them.
func (s *Subscriber) relayedSince() (relays, carried map[regions.NodeID]time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.relays), maps.Clone(s.carried)
}

// Run reads until ctx ends.
func (s *Subscriber) Run(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	var all sync.WaitGroup
	defer all.Wait()
	running := map[link]context.CancelFunc{}
	for {
		links, moved := s.current()
		wanted := map[link]bool{}
		for _, l := range links {
			wanted[l] = true
			if running[l] != nil {
				continue
			}
			in, cancel := context.WithCancel(ctx)
			running[l] = cancel
			all.Go(func() { defer cancel(); s.follow(in, l) })
		}
		for l, cancel := range running {
			if !wanted[l] {
				cancel()
				delete(running, l)
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
func (s *Subscriber) follow(ctx context.Context, p link) {
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
func (s *Subscriber) listen(ctx context.Context, p link) (heard bool, err error) {
	in, cancel := context.WithTimeout(ctx, handshakeTimeout)
	conn, err := s.Dial(in, p.Peer)
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
	if p.relay {
		return s.through(p, conn)
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
		if s.Inbox.Take(t, time.Now()) && s.Pass != nil {
			s.Pass(t.Node, buf)
		}
	}
}

// through asks a relay for all that it hears, and reads that until the
// connection ends.
func (s *Subscriber) through(p link, conn net.Conn) (heard bool, err error) {
	if s.MayRelay != nil {
		if err := s.MayRelay(conn); err != nil {
			return false, fmt.Errorf("%s at %s may not relay: %w", p.Node, p.Address, err)
		}
	}
	conn.SetWriteDeadline(time.Now().Add(slowest))
	if _, err := conn.Write([]byte(askMagic)); err != nil {
		return false, fmt.Errorf("ask %s to relay: %w", p.Node, err)
	}
	r := bufio.NewReader(conn)
	var buf []byte
	for {
		conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
		var held time.Duration
		var packed bool
		if buf, held, packed, err = readParcel(r, buf); err != nil {
			return heard, fmt.Errorf("read what %s relays: %w", p.Node, err)
		}
		from, err := s.unpack(p.Node, buf, held, packed)
		if err != nil {
			return heard, fmt.Errorf("read what %s relays: %w", p.Node, err)
		}
		if !heard && packed {
			s.Log.Info("feed connected", "relay", p.Node, "address", p.Address)
			s.trouble(p.Node, nil)
			heard = true
		}
		if packed {
			s.brought(p.Node, from, time.Now().Add(-held))
		}
	}
}

// unpack takes in one frame that a relay sent.
func (s *Subscriber) unpack(relay regions.NodeID, b []byte, held time.Duration, packed bool) (regions.NodeID, error) {
	f, err := readFrame(b)
	if err != nil {
		return "", err
	}
	head := decodeHeader(b[:f.header])
	switch {
	case !packed && head.Node != relay:
		return "", fmt.Errorf("a table of %q comes as if it were the relay's own", head.Node)
	case head.Node != relay && s.Senders != nil && !s.Senders(head.Node):
		return head.Node, nil // of no concern here
	case s.Inbox.Knows(head.Node, head.Boot, head.Sequence):
		return head.Node, nil // the other relay was faster
	}
	at := time.Now().Add(-held)
	t, _, err := Decode(b, at)
	if err != nil {
		return head.Node, err
	}
	via := relay
	if head.Node == relay {
		via = ""
	}
	s.Inbox.TakeVia(via, t, at)
	return t.Node, nil
}
