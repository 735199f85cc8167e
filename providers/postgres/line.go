package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/regions/fault"
)

// connectLimit bounds the opening of one connection. A frozen server accepts
// and never answers.
const connectLimit = 3 * time.Second

// line is how one member is spoken to. It keeps connections open between
// acts, because the seconds in which nobody can write are not for handshakes.
type line struct {
	subject  string // "orders in us-east", for error messages
	dsn      string
	password func() (string, error) // read anew for each connection: it may be rotated
	idle     chan *pgx.Conn
}

func newLine(subject, dsn string, password func() (string, error)) *line {
	return &line{subject: subject, dsn: dsn, password: password, idle: make(chan *pgx.Conn, 2)}
}

// with lends a connection to f. One that f broke, or left in a transaction, is
// not kept.
func (l *line) with(ctx context.Context, f func(*pgx.Conn) error) error {
	conn, err := l.take(ctx)
	if err != nil {
		return err
	}
	if err := f(conn); err != nil {
		discard(conn)
		return l.explain(err)
	}
	l.keep(conn)
	return nil
}

func (l *line) take(ctx context.Context) (*pgx.Conn, error) {
	for {
		select {
		case conn := <-l.idle:
			//lint:ignore SA1019 a round trip is what is saved here; this notices a server that hung up
			if !conn.IsClosed() && conn.PgConn().CheckConn() == nil {
				return conn, nil
			}
			discard(conn)
			continue
		default:
		}
		return l.dial(ctx)
	}
}

func (l *line) keep(conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() != 'I' {
		discard(conn)
		return
	}
	select {
	case l.idle <- conn:
	default:
		discard(conn)
	}
}

// close drops the connections that are kept.
func (l *line) close() {
	for {
		select {
		case conn := <-l.idle:
			discard(conn)
		default:
			return
		}
	}
}

// discard closes a connection without waiting for a server that may be gone.
func discard(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = conn.Close(ctx) // the connection is of no use whatever this says
}

func (l *line) dial(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(l.dsn)
	if err != nil {
		return nil, fault.Invalidf(l.subject, "its DSN cannot be read").Because(err)
	}
	if c.Password, err = l.password(); err != nil {
		return nil, fault.New(fault.Denied, l.subject, "its password file cannot be read").Because(err).
			Do("make it readable for the user that Fairlead runs as")
	}
	c.RuntimeParams["application_name"] = "fairlead"
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, l.explain(err)
	}
	return conn, nil
}

// explain turns what PostgreSQL or the network says into a fault that says who
// can mend it.
func (l *line) explain(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return fault.Unavailablef(l.subject, "does not answer").Because(plain(err)).Do("see that it runs, and that the network between us is whole")
	}
	because := said{pg}
	switch {
	case pg.Code == "28P01" || pg.Code == "28000":
		return fault.Deniedf(l.subject, "refuses the login").Because(because).Do("check the user in the DSN, the password file and pg_hba.conf")
	case pg.Code == "3D000":
		return fault.Invalidf(l.subject, "has no such database").Because(because).Do("correct dbname in the DSN")
	case pg.Code == "42501" || pg.Code == "42P01":
		return fault.Deniedf(l.subject, "lacks rights or tables of Fairlead's").Because(because).Do("%s", giveRights)
	case strings.HasPrefix(pg.Code, "57P"): // shutting down, starting up
		return fault.Unavailablef(l.subject, "takes no connections").Because(because)
	case pg.Code == "25006":
		return fault.Conflictf(l.subject, "is read-only").Because(because)
	}
	return fault.Conflictf(l.subject, "PostgreSQL says no (%s)", pg.Code).Because(because)
}

// said is what PostgreSQL answered, in its own words and nothing more. That
// there was an answer stays visible in the chain: see [answered].
type said struct{ *pgconn.PgError }

func (s said) Error() string { return s.Message }
func (s said) Unwrap() error { return s.PgError }

// plain shortens what the driver says of a failed connection: the address and
// the reason, once each, and not the whole DSN.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		inner := c.Unwrap()
		if j, ok := inner.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) > 0 {
			inner = j.Unwrap()[0]
		}
		return fmt.Errorf("%s port %d: %w", c.Config.Host, c.Config.Port, inner)
	}
	return err
}

// brief is a fault without its subject and its remedy, for a sentence that has
// its own.
func brief(err error) string {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok:
		return err.Error()
	case f.Err != nil:
		return f.Problem + ": " + f.Err.Error()
	}
	return f.Problem
}

// bare is a fault without its remedy: evidence does not tell people what to do.
func bare(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Subject + ": " + brief(f)
	}
	return err.Error()
}
