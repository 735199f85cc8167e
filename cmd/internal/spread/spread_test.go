package spread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// wire is a network of pipes.
type wire struct {
	mu    sync.Mutex
	doors map[string]*door
}

type door struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}
func (d *door) Close() error   { d.once.Do(func() { close(d.done) }); return nil }
func (d *door) Addr() net.Addr { return &net.TCPAddr{} }

func (w *wire) listen(address string) net.Listener {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doors == nil {
		w.doors = map[string]*door{}
	}
	w.doors[address] = &door{conns: make(chan net.Conn), done: make(chan struct{})}
	return w.doors[address]
}

func (w *wire) dial(ctx context.Context, p Peer) (net.Conn, error) {
	w.mu.Lock()
	d := w.doors[p.Address]
	w.mu.Unlock()
	if d == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case d.conns <- far:
		return near, nil
	case <-d.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// follower is a node without a store.
type follower struct {
	Client
	mu    sync.Mutex
	has   *regions.Decided
	taken []uint64
	check func(*regions.Decided) error
}

func follow(w *wire, peers ...Peer) *follower {
	f := &follower{}
	f.Client = Client{Dial: w.dial, Have: f.have, Take: f.take, Report: func() Report {
		d := f.have()
		if d == nil {
			return Report{}
		}
		return Report{Incarnation: d.Incarnation, Generation: d.Generation, Hash: "answers"}
	}}
	f.Set(peers)
	return f
}

func (f *follower) have() *regions.Decided {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.has
}

func (f *follower) take(d *regions.Decided) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.check != nil {
		if err := f.check(d); err != nil {
			return err
		}
	}
	if !d.Newer(f.has) {
		return fault.Conflictf("generation", "it is not newer")
	}
	f.has, f.taken = d, append(f.taken, d.Generation)
	return nil
}

func serving(d *regions.Decided) *Server {
	s := &Server{Name: func(net.Conn) (regions.NodeID, error) { return "dns-1", nil }, Standing: func() Standing {
		return Standing{API: "http://192.0.2.1:8470", Reachable: true, Leader: "control-1"}
	}}
	if d != nil {
		s.Offer(d)
	}
	return s
}

// run runs loops until the test's end, in its bubble.
func run(t *testing.T, loops ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, loop := range loops {
		all.Go(func() {
			if err := loop(ctx); err != nil {
				t.Errorf("a loop ended: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
}

func on(s *Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error { return s.Run(ctx, l) }
}

// A control node that answers an older generation is named, what the node has
// stays, and the other is followed.
func TestAnOlderGenerationIsRefusedAndTheOtherAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		old, now := serving(big(10, 5)), serving(big(10, 9))
		f := follow(&w, Peer{"control-1", "one"}, Peer{"control-2", "two"})
		f.has = big(10, 7) // from its disk
		run(t, on(old, w.listen("one")), on(now, w.listen("two")), f.Run)
		time.Sleep(10 * time.Second)
		if f.have().Generation != 9 || fmt.Sprint(f.taken) != "[9]" {
			t.Errorf("it took %v and has %d, want 9 alone", f.taken, f.have().Generation)
		}
		seen := f.Seen()
		if one, two := seen["control-1"], seen["control-2"]; one.Older.IsZero() || one.Has.Generation != 5 || !two.Older.IsZero() {
			t.Errorf("it says of the one behind %+v, of the other %+v", one, two)
		}
		now.Offer(drained(t, big(10, 9), "o-1"))
		time.Sleep(2 * time.Second)
		if d := f.have(); d.Generation != 10 || len(d.Overrides) != 1 {
			t.Errorf("the next generation did not come: it has %d", d.Generation)
		}
		if r := now.Reports()["dns-1"]; r.Generation != 10 || !r.Here || r.Hash != "answers" {
			t.Errorf("control-2 has heard %+v, want generation 10", r)
		}
	})
}

// A control node that announces something newer and then sends what is older,
// or garbage, moves nothing.
func TestALyingControlNodeMovesNothing(t *testing.T) {
	for name, lie := range map[string]func(t *testing.T) []byte{
		"an older state": func(t *testing.T) []byte {
			payload, err := pack(state{}, mustState(t, big(10, 3)))
			if err != nil {
				t.Fatal(err)
			}
			return payload
		},
		"garbage": func(t *testing.T) []byte { return []byte("HTTP/1.1 200 OK\r\n\r\n") },
		"a state that is another than it says": func(t *testing.T) []byte {
			s := mustState(t, big(10, 3))
			s.mark.Generation = 99
			payload, err := pack(state{}, s)
			if err != nil {
				t.Fatal(err)
			}
			return payload
		},
	} {
		t.Run(name, func(t *testing.T) {
			payload := lie(t)
			synctest.Test(t, func(t *testing.T) {
				var w wire
				l := w.listen("one")
				var asked atomic.Int32
				liar := func(ctx context.Context) error {
					var all sync.WaitGroup
					defer all.Wait()
					context.AfterFunc(ctx, func() { l.Close() })
					for {
						c, err := l.Accept()
						if err != nil {
							return nil
						}
						all.Go(func() {
							defer c.Close()
							all.Go(func() { io.Copy(io.Discard, c) })
							asked.Add(1)
							writeJSON(c, newest, idle, news{Has: Mark{Incarnation: 1, Generation: 99, SHA256: "lie"}})
							time.Sleep(100 * time.Millisecond)
							write(c, changes, idle, payload)
							time.Sleep(time.Second)
						})
					}
				}
				f := follow(&w, Peer{"control-1", "one"})
				f.has = big(10, 7)
				run(t, liar, f.Run)
				time.Sleep(time.Minute)
				if f.have().Generation != 7 || len(f.taken) > 0 {
					t.Errorf("it took %v", f.taken)
				}
				if why := f.Seen()["control-1"].Problem; why == "" {
					t.Error("nothing is said of the liar")
				}
				if n := asked.Load(); n > 40 {
					t.Errorf("it was asked %d times in a minute, want ever longer pauses", n)
				}
			})
		})
	}
}

// A state that this node does not serve is asked for again only now and then,
// its reason is reported, and the next one is looked at at once.
func TestARefusedStateIsReportedWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		s := serving(big(10, 9))
		f := follow(&w, Peer{"control-1", "one"})
		f.has = big(10, 7)
		looked := 0
		f.check = func(d *regions.Decided) error {
			if looked++; d.Generation == 9 {
				return fault.Invalidf("generation 9", "has no zones")
			}
			return nil
		}
		run(t, on(s, w.listen("one")), f.Run)
		time.Sleep(20 * time.Second)
		if f.have().Generation != 7 || looked != 1 {
			t.Errorf("it has generation %d after looking %d times", f.have().Generation, looked)
		}
		if r := s.Reports()["dns-1"]; r.Refused == "" || r.Generation != 7 {
			t.Errorf("it reports %+v, want 7 and why", r)
		}
		s.Offer(drained(t, big(10, 9), "o-1"))
		time.Sleep(5 * time.Second)
		if r := s.Reports()["dns-1"]; f.have().Generation != 10 || r.Refused != "" {
			t.Errorf("then it has %d and reports %+v, want 10 and no refusal", f.have().Generation, r)
		}
	})
}

// A control node that is frozen in the middle of sending holds nobody up for
// long: the other is asked.
func TestAFrozenControlNodeHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		l := w.listen("one")
		frozen := func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { l.Close() })
			var all sync.WaitGroup
			defer all.Wait()
			for {
				c, err := l.Accept()
				if err != nil {
					return nil
				}
				context.AfterFunc(ctx, func() { c.Close() })
				all.Go(func() {
					all.Go(func() { io.Copy(io.Discard, c) })
					text, _ := json.Marshal(news{Has: Mark{Incarnation: 1, Generation: 99, SHA256: "never"}})
					write(c, newest, idle, text)
					c.Write([]byte{byte(changes), 0, 1, 0, 0, 'h', 'a', 'l', 'f'})
				})
			}
		}
		s := serving(nil)
		f := follow(&w, Peer{"control-1", "one"}, Peer{"control-2", "two"})
		run(t, frozen, on(s, w.listen("two")), f.Run)
		time.Sleep(time.Second)
		s.Offer(big(10, 8))
		time.Sleep(12 * time.Second)
		if d := f.have(); d == nil || d.Generation != 8 {
			t.Errorf("it has %v, want generation 8 of the one that lives", f.taken)
		}
	})
}

// What is no message of ours gets a sentence, and the end.
func TestGarbageIsRefusedWithASentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		s := serving(big(10, 1))
		run(t, on(s, w.listen("one")))
		c, err := w.dial(t.Context(), Peer{"", "one"})
		if err != nil {
			t.Fatal(err)
		}
		go c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		text, _ := io.ReadAll(c)
		if !strings.Contains(string(text), "no message of this protocol") {
			t.Errorf("it was told %q", text)
		}
	})
}

// TestTwoPublishersRacingAreNeverOlderAndNeverEmpty: two control nodes learn
// of each decision in their own time, and messages of both arrive in any
// order, late, twice or never; some are lost in the middle. Whatever happens,
// what a node has only ever gets newer, is never empty again, and is the
// newest in the end.
func TestTwoPublishersRacingAreNeverOlderAndNeverEmpty(t *testing.T) {
	var all []*regions.Decided
	d := big(2, 1)
	for i := range 6 {
		all = append(all, d)
		d = drained(t, d, fmt.Sprint("o-", i))
		if i == 3 { // a cluster that was recovered counts anew
			d.Incarnation, d.Generation = 2, 1
		}
	}
	states := make([]state, len(all))
	for i := range all {
		states[i] = mustState(t, all[i])
	}
	rounds := interleavings
	older, late := 0, 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 11))
		var servers [2]Server
		at := [2]int{-1, -1}
		for i := range servers {
			servers[i].init()
		}
		f := &follower{}
		f.Client = Client{Have: f.have, Take: f.take}
		type message struct{ payload []byte }
		var flight []message
		before := -1
		for step := 0; step < 20 || before < len(all)-1; step++ {
			if step > 4000 {
				t.Fatalf("seed %d: it never became the newest: it has %d of %d", seed, before, len(all)-1)
			}
			i := r.IntN(2)
			switch r.IntN(4) {
			case 0: // a control node hears of a decision, or is set back to an older one
				next := min(at[i]+1+r.IntN(2), len(all)-1)
				if r.IntN(20) == 0 && at[i] > 0 && step < 20 {
					next = r.IntN(at[i])
					servers[i] = Server{}
					servers[i].init()
				}
				at[i] = next
				servers[i].put(states[next])
			case 1, 2: // the node asks for whatever is there
				base, err := f.baseNow()
				if err != nil {
					t.Fatal(err)
				}
				if payload, err := servers[i].answer(base.mark); err == nil {
					flight = append(flight, message{payload})
				}
			case 3: // something arrives, perhaps again, perhaps damaged
				if len(flight) == 0 {
					continue
				}
				n := r.IntN(len(flight))
				payload := flight[n].payload
				if r.IntN(3) > 0 {
					flight = append(flight[:n:n], flight[n+1:]...)
				}
				if r.IntN(10) == 0 {
					payload = payload[:r.IntN(len(payload))]
				}
				base, err := f.baseNow()
				if err != nil {
					t.Fatal(err)
				}
				next, d, err := unpack(payload, base)
				if err == nil {
					err = f.Client.take(next, d)
					if fault.Is(err, fault.Conflict) {
						older++
					}
				} else {
					late++
				}
			}
			has := f.have()
			now := -1
			for i := range all {
				if has != nil && versionOf(has) == states[i].mark.Version() {
					now = i
				}
			}
			switch {
			case has == nil && before >= 0 || has != nil && (has.Fleet == nil || len(has.Fleet.Services) == 0):
				t.Fatalf("seed %d step %d: it had %d and is empty", seed, step, before)
			case now < before:
				t.Fatalf("seed %d step %d: it had %d and has %d", seed, step, before, now)
			case now != before && string(f.base.text) != string(states[now].text):
				t.Fatalf("seed %d step %d: what it has as %d is not that", seed, step, now)
			}
			before = now
		}
	}
	t.Logf("%d interleavings: %d older states refused when they were to be taken, %d messages that did not fit any more", rounds, older, late)
	if older == 0 || late == 0 {
		t.Error("nothing was ever refused: the race was none")
	}
}
