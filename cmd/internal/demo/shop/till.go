package shop

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"fairlead/regions/fault"
)

// Schema creates the table of orders; whoever builds the world runs it once
// on the primary.
const Schema = `CREATE TABLE IF NOT EXISTS orders (
	id uuid PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	shopper text NOT NULL,
	region text NOT NULL)`

// till speaks to the one database server beside this shop.
type till struct {
	pool *pgxpool.Pool // nil where the region has no database
	seen atomic.Pointer[count]
}

// count is what the shop last read from its own database server.
type count struct {
	orders  int64
	last    time.Time // the newest order's; zero if there is none
	standby bool
	problem string // why nothing could be read
}

// counting is how often a shop reads its database for the page: it is shown
// to many and need not be fresher than an eye can see.
const counting = 500 * time.Millisecond

func newTill(dsn string) (*till, error) {
	t := &till{}
	if dsn == "" {
		t.seen.Store(&count{problem: "this region has no database"})
		return t, nil
	}
	t.seen.Store(&count{problem: "not read yet"})
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fault.Invalidf("shop", "its database's connection string is wrong").Because(err)
	}
	cfg.MaxConns, cfg.MinConns = 8, 0
	cfg.MaxConnIdleTime = 10 * time.Second
	cfg.ConnConfig.ConnectTimeout = 500 * time.Millisecond
	// A failover changes the server under a connection's feet: plain
	// statements leave nothing prepared that a new one would not know.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	t.pool, err = pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, fmt.Errorf("open the shop's database: %w", err)
	}
	return t, nil
}

func (t *till) close() {
	if t.pool != nil {
		t.pool.Close()
	}
}

// take commits an order or says why not. One statement is one transaction,
// so its answer is the acknowledgement of the commit.
func (t *till) take(ctx context.Context, o Order, region string) (time.Time, *unplaced) {
	if t.pool == nil {
		return time.Time{}, &unplaced{problem: "this region has no database", written: No}
	}
	conn, err := t.pool.Acquire(ctx)
	if err != nil {
		return time.Time{}, &unplaced{problem: "the database beside this shop is out of reach", written: No, err: err}
	}
	defer conn.Release()
	var at time.Time
	err = conn.QueryRow(ctx, "INSERT INTO orders (id, shopper, region) VALUES ($1::uuid, $2, $3) RETURNING at",
		o.ID, o.Shopper, region).Scan(&at)
	if err == nil {
		return at, nil
	}
	return time.Time{}, fate(err)
}

// fate says what an error means for the row. Only an error that the server
// itself reported while it went on living, or one from before anything was
// sent, proves that nothing was written.
func fate(err error) *unplaced {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pgErr.Code == "25006": // read_only_sql_transaction
			return &unplaced{problem: "the database beside this shop is a standby: orders are taken elsewhere", written: No, err: err}
		case pgErr.Severity == "FATAL" || pgErr.Severity == "PANIC":
			return &unplaced{problem: "the database went away", written: Unknown, err: err}
		}
		return &unplaced{problem: "the database refused the order", written: No, err: err}
	}
	if pgconn.SafeToRetry(err) {
		return &unplaced{problem: "the connection was gone before the order was sent", written: No, err: err}
	}
	return &unplaced{problem: "the order was sent and its answer never came", written: Unknown, err: err}
}

// WrittenAfter says what an error of an INSERT proves about its row. Other
// clients of the same table judge by the same rule.
func WrittenAfter(err error) Written { return fate(err).written }

// count keeps what the page shows up to date until ctx ends.
func (t *till) count(ctx context.Context) {
	if t.pool == nil {
		return
	}
	tick := time.NewTicker(counting)
	defer tick.Stop()
	for {
		t.seen.Store(t.read(ctx))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *till) read(ctx context.Context) *count {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	var c count
	var last *time.Time
	err := t.pool.QueryRow(ctx, "SELECT count(*), max(at), pg_is_in_recovery() FROM orders").Scan(&c.orders, &last, &c.standby)
	if err != nil {
		return &count{problem: "the database beside this shop does not answer"}
	}
	if last != nil {
		c.last = *last
	}
	return &c
}
