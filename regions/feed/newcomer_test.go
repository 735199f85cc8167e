package feed

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// TestANewcomerCostsTheOthersNothing: a thousand nodes that start at once each
// know all at once, and who was there hears at each tick, no more.
func TestANewcomerCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network switchboard
		table := Table{Node: "n1", Boot: 1, Reports: map[uint64]health.Report{7: {State: regions.Up}}}
		text, err := table.Append(nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p := &Publisher{Table: func() Table { return table }, Tick: func() time.Duration { return time.Second }, Log: quiet}
		listener := network.listen("n1:1")
		defer background(t, func(ctx context.Context) error { return p.Run(ctx, listener) })()
		heard := func() (bytes func() int, hangUp func() error) {
			conn, err := network.dial(t.Context(), Peer{"n1", "n1:1"})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			go func() {
				buf := make([]byte, 1<<16)
				for {
					read, err := conn.Read(buf)
					n += read
					if err == io.EOF || err == io.ErrClosedPipe {
						return
					}
				}
			}()
			return func() int { synctest.Wait(); return n }, conn.Close
		}
		old, hangUp := heard()
		defer hangUp()
		time.Sleep(500 * time.Millisecond)
		if old() < len(text) {
			t.Fatal("the first one heard nothing within half a tick")
		}
		for range 100 {
			newcomer, leave := heard()
			time.Sleep(100 * time.Millisecond)
			if newcomer() == 0 {
				t.Fatal("a newcomer heard nothing within 100 ms of a tick of 1 s")
			}
			leave()
		}
		// Ten seconds have passed, and so have ten ticks.
		if got := old() / len(text); got < 9 || got > 13 {
			t.Errorf("who was there heard %d tables in ten ticks, while a hundred came", got)
		}
	})
}
