package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"fairlead/regions"
)

// Tick returns how often a node with checks of this shortest interval sends
// its table: a quarter of it, so that the feed adds little to detection, but
// between 200 ms and 1 s.
func Tick(shortest time.Duration) time.Duration {
	return min(max(shortest/4, 200*time.Millisecond), time.Second)
}

// Publisher offers this node's table to whoever connects.
type Publisher struct {
	// Table returns the node's table now; Sequence, Interval and Epochs are
	// filled in by the publisher.
	Table func() Table
	// Epochs returns the newest epochs known. Where there are more than
	// MaxEpochs, they take turns.
	Epochs func() []regions.SignedEpoch
	Tick   func() time.Duration // asked before each tick; nil: a second
	// Allow refuses subscribers, such as those with the wrong role; nil lets
	// in everybody that the listener does.
	Allow func(net.Conn) error
	// Relay says that this node passes on what it is handed by Forward to
	// subscribers that ask for it. If false, those are sent away.
	Relay bool
	Log   *slog.Logger

	kick    chan struct{}
	welcome chan struct{}
	once    sync.Once

	mu          sync.Mutex
	subscribers map[*subscriber]struct{}
	heard       map[regions.NodeID]parcel // newest of each node, to be passed on
}

// subscriber is one connection. Its channel holds at most one table that waits
// to be sent.
type subscriber struct {
	conn   net.Conn
	tables chan []byte
	fresh  bool // until it was offered its first table; under the publisher's mutex
	relayed
}

func (p *Publisher) init() {
	p.once.Do(func() {
		p.kick, p.welcome = make(chan struct{}, 1), make(chan struct{}, 1)
		p.subscribers = map[*subscriber]struct{}{}
		p.heard = map[regions.NodeID]parcel{}
		if p.Log == nil {
			p.Log = slog.Default()
		}
		if p.Tick == nil {
			p.Tick = func() time.Duration { return time.Second }
		}
		if p.Epochs == nil {
			p.Epochs = func() []regions.SignedEpoch { return nil }
		}
	})
}

// Kick sends a table before the next tick, because something changed.
func (p *Publisher) Kick() {
	p.init()
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// greet sends a table to newcomers alone, before the next tick: where a thousand
// of them come at once, the others must not hear a thousand tables.
func (p *Publisher) greet() {
	select {
	case p.welcome <- struct{}{}:
	default:
	}
}

// Subscribers returns how many there are.
func (p *Publisher) Subscribers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.subscribers)
}

// kickPause is the shortest time between two tables.
const kickPause = 20 * time.Millisecond

// Run serves subscribers from the listener, which it closes, until ctx ends.
// It returns early only if the listener fails.
func (p *Publisher) Run(ctx context.Context, ln net.Listener) error {
	p.init()
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { <-ctx.Done(); ln.Close() })
	all.Go(func() { p.publish(ctx) })
	for pause := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("feed: the listener was closed: %w", err)
		case err != nil: // such as too many open files
			pause = min(max(2*pause, 10*time.Millisecond), time.Second)
			p.Log.Warn("feed cannot accept", "err", err, "retry_in", pause)
			sleep(ctx, pause)
			continue
		}
		pause = 0
		all.Go(func() { p.serve(ctx, conn) })
	}
}

// publish encodes a table at each tick, once for all.
func (p *Publisher) publish(ctx context.Context) {
	var sequence uint64
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		newcomers := false
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.kick:
			sleep(ctx, kickPause)
		case <-p.welcome:
			sleep(ctx, kickPause)
			newcomers = true
		}
		tick := p.Tick()
		if !newcomers {
			timer.Reset(tick)
		}
		sequence++
		t := p.Table()
		t.Sequence, t.Interval = sequence, tick
		t.Epochs = p.turn(sequence)
		encoded, err := t.Append(nil, time.Now())
		if err != nil {
			p.Log.Error("feed table cannot be sent", "err", err)
			continue
		}
		p.offer(t.Node, encoded, newcomers)
	}
}

// turn picks the epochs that go with a table.
func (p *Publisher) turn(sequence uint64) []regions.SignedEpoch {
	all := p.Epochs()
	var good []regions.SignedEpoch
	for _, e := range all {
		if err := fits(e); err != nil {
			p.Log.Error("epoch does not fit the feed", "err", err)
			continue
		}
		good = append(good, e)
	}
	if len(good) <= MaxEpochs {
		return good
	}
	from := int(sequence % uint64((len(good)+MaxEpochs-1)/MaxEpochs) * MaxEpochs)
	return good[from:min(from+MaxEpochs, len(good))]
}

// offer hands a table to every subscriber, or only to those who have had none.
// One that has not taken the one before gets this one instead of it.
func (p *Publisher) offer(self regions.NodeID, encoded []byte, newcomers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := parcel{encoded, time.Now()}
	if p.Relay {
		p.heard[self] = own
	}
	for s := range p.subscribers {
		if newcomers && !s.fresh {
			continue
		}
		s.fresh = false
		if s.asked {
			s.put(self, own)
			continue
		}
		select {
		case <-s.tables:
		default:
		}
		s.tables <- encoded // has room: nobody else sends
	}
}

// serve sends tables to one subscriber.
func (p *Publisher) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if h, ok := conn.(interface {
		HandshakeContext(context.Context) error
	}); ok {
		in, cancel := context.WithTimeout(ctx, handshakeTimeout)
		err := h.HandshakeContext(in)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				p.Log.Warn("feed subscriber refused", "subscriber", conn.RemoteAddr(), "err", err)
			}
			return
		}
	}
	if p.Allow != nil {
		if err := p.Allow(conn); err != nil {
			p.Log.Warn("feed subscriber refused", "subscriber", conn.RemoteAddr(), "err", err)
			return
		}
	}
	s := &subscriber{conn: conn, tables: make(chan []byte, 1), fresh: true, relayed: relayed{wake: make(chan struct{}, 1)}}
	p.mu.Lock()
	p.subscribers[s] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.subscribers, s)
		p.mu.Unlock()
	}()
	var asking sync.WaitGroup
	defer asking.Wait()
	defer conn.Close()
	asking.Go(func() { p.hear(s) })
	p.greet()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			sleep(ctx, kickPause) // what comes together goes together
			if err := p.pass(s); err != nil {
				p.Log.Info("feed subscriber left", "subscriber", conn.RemoteAddr(), "err", err)
				return
			}
		case encoded := <-s.tables:
			conn.SetWriteDeadline(time.Now().Add(slowest))
			if _, err := conn.Write(encoded); err != nil {
				// Gone, or too slow to be of use. It will be back.
				p.Log.Info("feed subscriber left", "subscriber", conn.RemoteAddr(), "err", err)
				return
			}
		}
	}
}

const (
	handshakeTimeout = 5 * time.Second
	slowest          = 2 * time.Second // for one table
)

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
