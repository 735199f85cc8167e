package spread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/cmd/internal/replica"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Peer is a control node and where it listens.
type Peer struct {
	Node    regions.NodeID
	Address string // host:port
}

// Client follows the control nodes. It decides nothing.
type Client struct {
	// Dial connects to a control node that has proved to be that one.
	Dial func(context.Context, Peer) (net.Conn, error)
	// Have returns the newest state that this node goes by, or nil.
	Have func() *regions.Decided
	// Take makes a state what this node goes by, or says why not. Whether it is
	// newer is for Take to look at, in one step with the taking.
	Take func(*regions.Decided) error
	// Report says what this node serves.
	Report func() Report
	Log    *slog.Logger

	turn sync.Mutex // of the one that fetches

	mu      sync.Mutex
	peers   []Peer
	moved   chan struct{} // closed when peers change
	base    state         // what differences are made to
	seen    map[regions.NodeID]Seen
	refused refusal
	yields  map[regions.NodeID]time.Time // until when others are asked first
}

// Seen is what a control node last said.
type Seen struct {
	Connected bool
	Has       Mark
	Standing  Standing
	At        time.Time // of that
	// Older says that it answers something older than this node has, since
	// when. It may just be late; for long it is not.
	Older time.Time
	// Problem is why it is not heard, or what was wrong with what it sent.
	Problem string
}

// refusal is a state that was sent soundly and that this node does not serve.
type refusal struct {
	mark   Mark
	reason string
	since  time.Time // when it first was
	until  time.Time // when it is tried again
}

// retryRefused is how long until a state that was refused is looked at again.
const retryRefused = time.Minute

// Set replaces the control nodes. Conversations with those that stay go on.
func (c *Client) Set(peers []Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = slices.Clone(peers)
	if c.moved != nil {
		close(c.moved)
	}
	c.moved = make(chan struct{})
}

func (c *Client) current() ([]Peer, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moved == nil {
		c.moved = make(chan struct{})
	}
	return c.peers, c.moved
}

// Seen returns what each control node last said.
func (c *Client) Seen() map[regions.NodeID]Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[regions.NodeID]Seen{}
	for _, p := range c.peers {
		out[p.Node] = c.seen[p.Node]
	}
	return out
}

// Refused returns why the newest state that was sent is not served, and since
// when; empty if it is.
func (c *Client) Refused() (why string, since time.Time) {
	have := versionOf(c.Have())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused.reason == "" || c.refused.mark.Version().Compare(have) <= 0 {
		return "", time.Time{}
	}
	return c.refused.reason, c.refused.since
}

func versionOf(d *regions.Decided) replica.Version {
	if d == nil {
		return replica.Version{}
	}
	return replica.Version{Incarnation: d.Incarnation, Generation: d.Generation}
}

// Run follows until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	var all sync.WaitGroup
	defer all.Wait()
	running := map[Peer]context.CancelFunc{}
	for {
		peers, moved := c.current()
		for _, p := range peers {
			if running[p] != nil {
				continue
			}
			in, cancel := context.WithCancel(ctx)
			running[p] = cancel
			all.Go(func() { defer cancel(); c.follow(in, p) })
		}
		for p, cancel := range running {
			if !slices.Contains(peers, p) {
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

// unanswered is how long a control node that lives may leave what was asked
// for unsent: until then nobody else is asked.
const unanswered = 2 * silence

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
	dialLimit  = 5 * time.Second
)

// follow talks to one control node, again and again. The pause doubles with
// each attempt that brings nothing, and is drawn between half and all of that,
// so that nodes do not come back in step.
func (c *Client) follow(ctx context.Context, p Peer) {
	pause, told := firstRetry, ""
	for ctx.Err() == nil {
		heard, err := c.talk(ctx, p)
		if ctx.Err() != nil {
			return
		}
		c.note(p.Node, func(s *Seen) { s.Connected, s.Problem = false, err.Error() })
		if yields, _ := c.yielding(p.Node, time.Now()); heard && !yields {
			pause, told = firstRetry, ""
		}
		if text := err.Error(); text != told {
			c.Log.Warn("a control node is not heard", "peer", string(p.Node), "address", p.Address, "problem", text)
			told = text
		}
		sleep(ctx, pause/2+rand.N(pause/2))
		pause = min(2*pause, lastRetry)
	}
}

func (c *Client) note(node regions.NodeID, f func(*Seen)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[regions.NodeID]Seen{}
	}
	s := c.seen[node]
	f(&s)
	c.seen[node] = s
}

// talk holds one conversation, until it breaks.
func (c *Client) talk(ctx context.Context, p Peer) (heard bool, err error) {
	in, cancel := context.WithTimeout(ctx, dialLimit)
	conn, err := c.Dial(in, p)
	cancel()
	if err != nil {
		return false, fmt.Errorf("dial control node %s at %s: %w", p.Node, p.Address, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	t := &talk{client: c, peer: p, conn: conn}
	defer t.done()
	for {
		k, payload, err := read(conn, silence, idle, longest, t.may())
		if err != nil {
			if fault.Is(err, fault.Invalid) {
				_ = write(conn, refused, beat, []byte(err.Error()))
			}
			return heard, fmt.Errorf("hear control node %s: %w", p.Node, err)
		}
		switch k {
		case newest:
			err = t.newest(payload)
		case changes:
			if err := t.changes(payload); err != nil {
				return false, err // each time longer until it is asked again
			}
		}
		if err != nil {
			return heard, err
		}
		heard = true
	}
}

// talk is a conversation with one control node.
type talk struct {
	client   *Client
	peer     Peer
	conn     net.Conn
	fetching bool // holds the turn
	asked    time.Time
	took     bool // what was asked for has come
	last     time.Time
	told     Report
}

// may says what can come: a state only when it was asked for.
func (t *talk) may() map[kind]int {
	if t.fetching {
		return map[kind]int{newest: maxNote, changes: maxFrame, refused: maxNote}
	}
	return map[kind]int{newest: maxNote, refused: maxNote}
}

func (t *talk) done() {
	if !t.fetching {
		return
	}
	t.client.yield(t.peer.Node, t.took)
	t.fetching, t.took = false, false
	t.client.turn.Unlock()
}

// yield lets the others go first where a control node did not send what it was
// asked for: it would be heard again before their next beat.
func (c *Client) yield(node regions.NodeID, sent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.yields == nil {
		c.yields = map[regions.NodeID]time.Time{}
	}
	if delete(c.yields, node); !sent {
		c.yields[node] = time.Now().Add(2 * beat)
	}
}

// yielding reports whether others go first, and whether the last that was asked
// for of that node did not come.
func (c *Client) yielding(node regions.NodeID, now time.Time) (yields, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until, failed := c.yields[node]
	return now.Before(until), failed
}

// newest hears what the control node has, and asks for it if this node lacks
// it and nobody else is being asked.
func (t *talk) newest(payload []byte) error {
	c := t.client
	var n news
	if err := json.Unmarshal(payload, &n); err != nil {
		return fmt.Errorf("read what control node %s has: %w", t.peer.Node, err)
	}
	have, theirs := versionOf(c.Have()), n.Has.Version()
	now := time.Now()
	yields, failed := c.yielding(t.peer.Node, now)
	c.note(t.peer.Node, func(s *Seen) {
		if older := theirs.Compare(have) < 0; !older {
			s.Older = time.Time{}
		} else if s.Older.IsZero() {
			s.Older = now
		}
		s.Connected, s.Has, s.Standing, s.At = true, n.Has, n.Standing, now
		if t.last.IsZero() && (!failed || theirs.Compare(have) <= 0) {
			s.Problem = ""
		}
	})
	if err := t.report(now); err != nil {
		return err
	}
	if t.fetching && now.Sub(t.asked) > unanswered {
		return fault.Unavailablef("control node "+string(t.peer.Node), "goes on to say what it has and did not send it within %v", unanswered).Do("another one is asked meanwhile; look at its log")
	}
	if theirs.Compare(have) <= 0 || t.fetching || c.wasRefused(n.Has, now) || yields || !c.turn.TryLock() {
		return nil
	}
	t.fetching, t.asked = true, now
	base, err := c.baseNow()
	if err != nil {
		return err
	}
	if err := writeJSON(t.conn, fetch, idle, base.mark); err != nil {
		return fmt.Errorf("ask control node %s: %w", t.peer.Node, err)
	}
	return nil
}

// report tells what this node serves: at once if it has changed, and now and
// then so that the other end knows that it lives.
func (t *talk) report(now time.Time) error {
	c := t.client
	r := c.Report()
	if why, _ := c.Refused(); why != "" {
		r.Refused = why
	}
	if !t.last.IsZero() && now.Sub(t.last) < reportAt && r.Generation == t.told.Generation && r.Incarnation == t.told.Incarnation && r.Hash == t.told.Hash {
		return nil
	}
	if len(r.Problems) > MaxProblems {
		r.Left += len(r.Problems) - MaxProblems
		r.Problems = r.Problems[:MaxProblems]
	}
	have := versionOf(c.Have())
	err := writeJSON(t.conn, hello, idle, note{Has: Mark{Incarnation: have.Incarnation, Generation: have.Generation}, Report: r})
	if err != nil {
		return fmt.Errorf("report to control node %s: %w", t.peer.Node, err)
	}
	t.last, t.told = now, r
	return nil
}

// changes takes what was asked for.
func (t *talk) changes(payload []byte) error {
	defer t.done()
	c := t.client
	base, err := c.baseNow()
	if err != nil {
		return err
	}
	next, d, err := unpack(payload, base)
	if err == nil {
		err = c.take(next, d)
	}
	if err == nil {
		t.took = true
		c.Log.Debug("decided state received", "from", string(t.peer.Node), "bytes", len(payload), "generation", d.Generation)
		return nil
	}
	err = fmt.Errorf("what control node %s sent: %w", t.peer.Node, err)
	c.note(t.peer.Node, func(s *Seen) { s.Problem = err.Error() })
	if why, whole := errors.AsType[*refusedState](err); whole {
		t.took = true
		c.Log.Error("a decided state was refused; the one before stays", "from", string(t.peer.Node), "problem", why.Error())
		return nil // the same from everybody: no reason to leave this one
	}
	return err
}

// refusedState is a state that came through well and is not to be served.
type refusedState struct{ err error }

func (r *refusedState) Error() string { return r.err.Error() }
func (r *refusedState) Unwrap() error { return r.err }

// take offers a state to this node, and remembers it as what differences are
// made to.
func (c *Client) take(next state, d *regions.Decided) error {
	err := c.Take(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case fault.Is(err, fault.Conflict): // it is not newer by now
		return err
	case err != nil:
		now := time.Now()
		since := now
		if c.refused.mark == next.mark {
			since = c.refused.since
		}
		c.refused = refusal{next.mark, err.Error(), since, now.Add(retryRefused/2 + rand.N(retryRefused/2))}
		return &refusedState{err}
	}
	c.base, c.refused = next, refusal{}
	return nil
}

func (c *Client) wasRefused(m Mark, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused.mark == m && now.Before(c.refused.until)
}

// baseNow returns the text of what this node has. It is what came last, or is
// made anew where the node got it elsewhere, as from its disk.
func (c *Client) baseNow() (state, error) {
	have := c.Have()
	c.mu.Lock()
	base := c.base
	c.mu.Unlock()
	if have == nil {
		return state{}, nil
	}
	if base.mark.Version() == versionOf(have) {
		return base, nil
	}
	base, err := stateOf(have)
	if err != nil {
		return base, err
	}
	c.mu.Lock()
	c.base = base
	c.mu.Unlock()
	return base, nil
}

// Standing returns what the control nodes say of the store: reachable if any
// of them says so, and who leads. If none does, the problem is a sentence.
func (c *Client) Standing() Standing {
	var out Standing
	var why []string
	seen := c.Seen()
	nodes := make([]regions.NodeID, 0, len(seen))
	for node := range seen {
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	for _, node := range nodes {
		s := seen[node]
		switch {
		case s.Connected && s.Standing.Reachable:
			out.Reachable = true
			if s.Standing.Leader != "" {
				out.Leader = s.Standing.Leader
			}
		case s.Connected:
			why = append(why, fmt.Sprintf("%s says: %s", node, s.Standing.Problem))
		case s.Problem != "":
			why = append(why, s.Problem)
		default:
			why = append(why, fmt.Sprintf("%s was not heard yet", node))
		}
	}
	if !out.Reachable {
		out.Problem = "no control node can decide: " + strings.Join(why, "; ")
	}
	return out
}
