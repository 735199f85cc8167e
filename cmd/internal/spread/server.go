package spread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Timing of a conversation.
const (
	beat     = time.Second     // between two announcements
	silence  = 5 * beat        // without one, the other end is taken for dead
	idle     = 5 * time.Second // for the next part of a message
	longest  = 2 * time.Minute // for a message
	reportAt = 2 * time.Second // between two reports of a node without news
)

// What a server remembers, so that a node that is a little behind gets a
// difference.
const (
	rememberedStates = 32
	rememberedBytes  = 64 << 20 // the two newest are kept whatever their size
)

// Server offers what this control node knows to be decided. Give it each state
// by [Server.Offer], and connections by [Server.Run].
type Server struct {
	// Name returns who is at the other end, as its certificate says.
	Name func(net.Conn) (regions.NodeID, error)
	// Standing is asked at each beat.
	Standing func() Standing
	Log      *slog.Logger

	once    sync.Once
	pending chan *regions.Decided

	mu      sync.Mutex
	states  []state                  // the newest last
	packed  map[string]*packing      // what makes the newest, by the hash of what it is made from
	changed chan struct{}            // closed when there is a newer one
	heard   map[regions.NodeID]Heard // from whom, and what
}

// Heard is what a node last reported, and when.
type Heard struct {
	Report
	Has Mark
	At  time.Time
	// Here is whether it is connected.
	Here bool
}

// packing is a message that many wait for and one makes.
type packing struct {
	once    sync.Once
	payload []byte
	err     error
}

func (s *Server) init() {
	s.once.Do(func() {
		s.pending = make(chan *regions.Decided, 1)
		s.packed, s.heard, s.changed = map[string]*packing{}, map[regions.NodeID]Heard{}, make(chan struct{})
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		if s.Standing == nil {
			s.Standing = func() Standing { return Standing{Reachable: true} }
		}
	})
}

// Offer hands a state to [Server.Run] and returns at once. One that was not
// begun yet is replaced, as only the newest matters; callers offer one after
// the other, each newer than the one before.
func (s *Server) Offer(d *regions.Decided) {
	s.init()
	for {
		select {
		case s.pending <- d:
			return
		default:
		}
		select {
		case <-s.pending:
		default:
		}
	}
}

// set makes d what is announced, unless it is not newer.
func (s *Server) set(d *regions.Decided) error {
	next, err := stateOf(d)
	if err != nil {
		return err
	}
	if next.mark.Bytes > maxState {
		return fault.Invalidf("decided state", "is %d MiB and does not fit into a message, at most %d: nodes without the control role keep what they have", next.mark.Bytes>>20, maxState>>20).
			Do("serve large zones from another server")
	}
	s.put(next)
	return nil
}

// put makes next what is announced, unless it is not newer.
func (s *Server) put(next state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.states); n > 0 && next.mark.Version().Compare(s.states[n-1].mark.Version()) <= 0 {
		return
	}
	s.states = append(s.states, next)
	size := 0
	for _, one := range s.states {
		size += len(one.text)
	}
	for len(s.states) > 2 && (size > rememberedBytes || len(s.states) > rememberedStates) {
		size -= len(s.states[0].text)
		s.states = append([]state(nil), s.states[1:]...)
	}
	clear(s.packed)
	close(s.changed)
	s.changed = make(chan struct{})
}

// current returns the newest mark, and what is closed when it is not that any
// more.
func (s *Server) current() (Mark, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.states); n > 0 {
		return s.states[n-1].mark, s.changed
	}
	return Mark{}, s.changed
}

// answer returns the message that brings a node from what it has to the
// newest. Many that ask the same are answered with the same bytes.
func (s *Server) answer(has Mark) ([]byte, error) {
	s.mu.Lock()
	if len(s.states) == 0 {
		s.mu.Unlock()
		return nil, errors.New("nothing is known here yet")
	}
	to := s.states[len(s.states)-1]
	var from state
	for _, old := range s.states {
		if old.mark == has {
			from = old
		}
	}
	p := s.packed[from.mark.SHA256]
	if p == nil {
		p = &packing{}
		s.packed[from.mark.SHA256] = p
	}
	s.mu.Unlock()
	p.once.Do(func() { p.payload, p.err = pack(from, to) })
	return p.payload, p.err
}

// Reports returns what each node last said that it serves.
func (s *Server) Reports() map[regions.NodeID]Heard {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.heard)
}

func (s *Server) hear(node regions.NodeID, n note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[node] = Heard{Report: n.Report, Has: n.Has, At: time.Now(), Here: true}
}

func (s *Server) left(node regions.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, known := s.heard[node]; known {
		h.Here = false
		s.heard[node] = h
	}
}

// Run serves connections from the listener, which it closes, until ctx ends.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	s.init()
	var all sync.WaitGroup
	defer all.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	all.Go(func() { s.take(ctx) })
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("spread: the listener was closed: %w", err)
		case err != nil:
			s.Log.Warn("a node could not be accepted", "problem", err.Error())
			sleep(ctx, 100*time.Millisecond)
			continue
		}
		all.Go(func() {
			defer conn.Close()
			if err := s.serve(ctx, conn); err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
				s.Log.Info("a node that follows left", "node", conn.RemoteAddr().String(), "problem", err.Error())
			}
		})
	}
}

// take makes what is offered known, until ctx ends.
func (s *Server) take(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.pending:
			if err := s.set(d); err != nil {
				s.Log.Error("a decided state is not passed on", "problem", err.Error())
			}
		}
	}
}

// serve talks to one node until it leaves.
func (s *Server) serve(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	node, err := s.Name(conn)
	if err != nil {
		return err
	}
	wanted := make(chan Mark, 1)
	var receives atomic.Int64 // until when, in Unix nanoseconds, the node may be busy with a state and say nothing
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel(nil)
	reading.Go(func() { cancel(s.listen(ctx, conn, node, wanted, &receives)) })
	defer s.left(node)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		has, changed := s.current()
		if err := writeJSON(conn, newest, idle, news{has, s.Standing()}); err != nil {
			return first(context.Cause(ctx), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		case <-changed:
		case from := <-wanted:
			payload, err := s.answer(from)
			if err == nil {
				receives.Store(time.Now().Add(longest).UnixNano())
				err = write(conn, changes, idle, payload)
			}
			if err != nil {
				return first(context.Cause(ctx), fmt.Errorf("send it to %s: %w", node, err))
			}
		}
	}
}

// first returns why a conversation ended, rather than that it did.
func first(cause, err error) error {
	if cause != nil {
		return cause
	}
	return err
}

// listen reads what a node says.
func (s *Server) listen(ctx context.Context, conn net.Conn, node regions.NodeID, wanted chan<- Mark, receives *atomic.Int64) error {
	for {
		k, payload, err := read(conn, silence, idle, idle, map[kind]int{hello: maxNote, fetch: maxNote, refused: maxNote})
		if n, ok := err.(net.Error); ok && n.Timeout() && time.Now().UnixNano() < receives.Load() {
			continue // between two messages: on a slow way a large state takes longer than that
		}
		if err != nil {
			if fault.Is(err, fault.Invalid) {
				_ = write(conn, refused, beat, []byte(err.Error())) // it may be gone
			}
			return fmt.Errorf("hear node %s: %w", node, err)
		}
		switch k {
		case hello:
			var n note
			if err := json.Unmarshal(payload, &n); err != nil {
				return fmt.Errorf("read the report of node %s: %w", node, err)
			}
			s.hear(node, n)
		case fetch:
			var from Mark
			if err := json.Unmarshal(payload, &from); err != nil {
				return fmt.Errorf("read what node %s asks for: %w", node, err)
			}
			select {
			case wanted <- from:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
