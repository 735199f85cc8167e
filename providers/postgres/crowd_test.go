package postgres_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers/postgres/pair"
)

// crowd inserts rows, each with a number of its own, on whichever server
// takes them, and remembers which were acknowledged.
type crowd struct {
	mu    sync.Mutex
	acked map[int64]time.Time
	stop  context.CancelFunc
	all   sync.WaitGroup
	next  atomic.Int64
}

func newCrowd(t *testing.T, p *pair.Pair, writers int, each time.Duration) *crowd {
	t.Helper()
	for _, s := range p.Servers() {
		if err := s.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS taken (n bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp()); GRANT ALL ON taken TO app"); err == nil {
			break
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{acked: map[int64]time.Time{}, stop: stop}
	var dsns []string
	for _, s := range p.Servers() {
		dsn, err := s.AppDSN()
		if err != nil {
			t.Fatal(err)
		}
		dsns = append(dsns, dsn)
	}
	for w := range writers {
		c.all.Go(func() { c.write(ctx, dsns, each, time.Duration(w)*each/time.Duration(writers)) })
	}
	t.Cleanup(c.end)
	return c
}

// write is one writer: it keeps its connection, and tries the other server
// when one does not take its row.
func (c *crowd) write(ctx context.Context, dsns []string, each, offset time.Duration) {
	var conn *pgx.Conn
	at := 0
	drop := func() {
		if conn != nil {
			conn.Close(context.Background())
			conn = nil
		}
	}
	defer drop()
	time.Sleep(offset)
	tick := time.NewTicker(each)
	defer tick.Stop()
	for ctx.Err() == nil {
		n := c.next.Add(1)
		for ctx.Err() == nil {
			try, cancel := context.WithTimeout(ctx, time.Second)
			var err error
			if conn == nil {
				conn, err = pgx.Connect(try, dsns[at])
			}
			if err == nil {
				_, err = conn.Exec(try, "INSERT INTO taken (n) VALUES ($1)", n)
			}
			cancel()
			if err == nil {
				c.mu.Lock()
				c.acked[n] = time.Now()
				c.mu.Unlock()
				break
			}
			drop()
			at = (at + 1) % len(dsns)
			n = c.next.Add(1) // whether the last one was taken is not known: it counts as neither
			time.Sleep(5 * time.Millisecond)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (c *crowd) end() {
	c.stop()
	c.all.Wait()
}

// lost returns the acknowledged rows that a server does not have.
func (c *crowd) lost(t *testing.T, s *pair.Server) []int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.SuperDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT n FROM taken")
	if err != nil {
		t.Fatal(err)
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	found := map[int64]bool{}
	for _, n := range have {
		found[n] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var lost []int64
	for n := range c.acked {
		if !found[n] {
			lost = append(lost, n)
		}
	}
	return lost
}

// gap is the longest time between two acknowledged rows.
func (c *crowd) gap() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var times []time.Time
	for _, at := range c.acked {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}
