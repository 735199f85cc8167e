package spread

import (
	"context"
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
)

// narrow is a connection from which little comes in a second.
type narrow struct{ net.Conn }

func (n narrow) Read(b []byte) (int, error) {
	got, err := n.Conn.Read(b[:min(len(b), 2<<10)])
	time.Sleep(100 * time.Millisecond)
	return got, err
}

// A state that takes longer to come than a node may otherwise say nothing
// comes all the same, at the first attempt: on a slow way each further one
// would end at the same place.
func TestALargeStateComesOverASlowWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		d := big(10, 5)
		var text strings.Builder
		random := rand.New(rand.NewPCG(1, 2))
		for range 40_000 {
			fmt.Fprintf(&text, "%016x", random.Uint64())
		}
		d.Fleet.Zones[0].Text = text.String()
		s := serving(d)
		f := follow(&w, Peer{"control-1", "one"})
		var dials atomic.Int32
		f.Dial = func(ctx context.Context, p Peer) (net.Conn, error) {
			dials.Add(1)
			c, err := w.dial(ctx, p)
			return narrow{c}, err
		}
		run(t, on(s, w.listen("one")), f.Run)
		time.Sleep(longest)
		if f.have() == nil || dials.Load() != 1 {
			t.Errorf("it has %v after %d connections (%q), want the state after one", f.taken, dials.Load(), f.Seen()["control-1"].Problem)
		}
	})
}

// A control node that lives, and never sends what it was asked for, keeps
// nobody from asking another.
func TestAControlNodeThatNeverSendsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wire
		l := w.listen("one")
		talks := func(ctx context.Context) error {
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
					for writeJSON(c, newest, idle, news{Has: Mark{Incarnation: 1, Generation: 99, SHA256: "never"}}) == nil {
						time.Sleep(beat)
					}
				})
			}
		}
		s := serving(nil)
		f := follow(&w, Peer{"control-1", "one"}, Peer{"control-2", "two"})
		run(t, talks, on(s, w.listen("two")), f.Run)
		time.Sleep(time.Second)
		s.Offer(big(10, 8))
		time.Sleep(time.Minute)
		if d := f.have(); d == nil || d.Generation != 8 {
			t.Errorf("it has %v, want generation 8 of the one that sends", f.taken)
		}
	})
}
