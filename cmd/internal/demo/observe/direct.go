package observe

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/shop"
)

// Direct is a client that knows both database servers and tries them in turn,
// as a driver with two hosts in its connection string does. It shows the gap
// that the databases themselves have, without DNS.
type Direct struct {
	Name     string
	Servers  []string // libpq connection strings
	Interval time.Duration
	Book     *ledger.Book
}

// Limits of one attempt. A frozen server must not hide a living one.
const (
	directConnect = 300 * time.Millisecond
	directInsert  = 500 * time.Millisecond
)

// Run writes until ctx ends.
func (d Direct) Run(ctx context.Context) error {
	var conn *pgx.Conn
	defer func() { hangUp(conn) }()
	at := 0
	tick := time.NewTicker(d.Interval)
	defer tick.Stop()
	for {
		o := ledger.Order{ID: shop.NewID(), Client: d.Name, Habit: ledger.Direct, Sent: time.Now()}
		if conn == nil {
			conn = d.dial(ctx, d.Servers[at])
		}
		if conn == nil {
			o.Fate, o.Problem = ledger.Refused, "no connection"
		} else {
			o.Fate, o.Problem = d.insert(ctx, conn, o.ID)
		}
		o.Settled = time.Now()
		if o.Fate != ledger.Acknowledged {
			hangUp(conn)
			conn, at = nil, (at+1)%len(d.Servers)
		}
		if ctx.Err() == nil || o.Fate != ledger.Refused {
			d.Book.AddOrder(o)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d Direct) dial(ctx context.Context, dsn string) *pgx.Conn {
	ctx, cancel := context.WithTimeout(ctx, directConnect)
	defer cancel()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil // the next attempt tries the other one, and the book says so
	}
	return conn
}

func (d Direct) insert(ctx context.Context, conn *pgx.Conn, id string) (ledger.Fate, string) {
	ctx, cancel := context.WithTimeout(ctx, directInsert)
	defer cancel()
	_, err := conn.Exec(ctx, "INSERT INTO orders (id, shopper, region) VALUES ($1::uuid, $2, 'direct')", id, d.Name)
	switch {
	case err == nil:
		return ledger.Acknowledged, ""
	case shop.WrittenAfter(err) == shop.No:
		return ledger.Refused, err.Error()
	}
	return ledger.Indeterminate, err.Error()
}

func hangUp(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	conn.Close(ctx) // a server that is gone need not be told goodbye
}
