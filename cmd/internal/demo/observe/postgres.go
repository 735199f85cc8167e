package observe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// newTimeline is what a server writes into its log when it was promoted, and
// only then.
var newTimeline = regexp.MustCompile(`selected new timeline ID: (\d+)`)

// Promotions reads servers' logs and returns the timelines that promotions
// began, in the order of the files. A log that does not exist holds none.
func Promotions(logs ...string) ([]int, error) {
	var found []int
	for _, path := range logs {
		f, err := os.Open(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read PostgreSQL's log: %w", err)
		}
		more, err := promotions(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read PostgreSQL's log %s: %w", path, err)
		}
		found = append(found, more...)
	}
	return found, nil
}

func promotions(r io.Reader) ([]int, error) {
	var found []int
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := newTimeline.FindStringSubmatch(lines.Text()); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, err
			}
			found = append(found, n)
		}
	}
	return found, lines.Err()
}

// Branch is where a timeline left its parent.
type Branch struct {
	Timeline int
	Parent   int
	At       LSN
}

// Branches reads the timeline history files of a data directory, newest
// timeline last. They are PostgreSQL's own record of its promotions.
func Branches(dataDir string) ([]Branch, error) {
	files, err := filepath.Glob(filepath.Join(dataDir, "pg_wal", "*.history"))
	if err != nil {
		return nil, err
	}
	var all []Branch
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a timeline's history: %w", err)
		}
		id, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".history"), 16, 32)
		if err != nil {
			return nil, fmt.Errorf("%s is no timeline's history: %w", path, err)
		}
		// The last line tells of the parent: timeline, tab, LSN, tab, reason.
		b := Branch{Timeline: int(id)}
		for line := range strings.Lines(string(text)) {
			fields := strings.Split(line, "\t")
			if len(fields) < 2 {
				continue
			}
			parent, errParent := strconv.Atoi(strings.TrimSpace(fields[0]))
			at, errAt := ParseLSN(fields[1])
			if err := errors.Join(errParent, errAt); err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			b.Parent, b.At = parent, at
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b Branch) int { return a.Timeline - b.Timeline })
	return all, nil
}

// LSN is a place in the write-ahead log, in bytes.
type LSN uint64

// ParseLSN reads "0/3000148".
func ParseLSN(s string) (LSN, error) {
	hi, lo, ok := strings.Cut(strings.TrimSpace(s), "/")
	h, errH := strconv.ParseUint(hi, 16, 32)
	l, errL := strconv.ParseUint(lo, 16, 32)
	if !ok || errH != nil || errL != nil {
		return 0, fmt.Errorf("%q is no place in the write-ahead log", s)
	}
	return LSN(h<<32 | l), nil
}

// Server is what an outsider asks of one database server, each question over
// a connection of its own.
type Server struct{ DSN string }

func (s Server) ask(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(s.DSN)
	if err != nil {
		return err
	}
	cfg.ConnectTimeout = 2 * time.Second
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return do(ctx, conn)
}

// Timeline is the one the server writes to or follows.
func (s Server) Timeline(ctx context.Context) (int, error) {
	var n int
	err := s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		// A fresh primary's control file still tells of the old timeline until
		// its first checkpoint; the name of the file it writes does not.
		const sql = `SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
			ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END`
		return c.QueryRow(ctx, sql).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the timeline: %w", err)
	}
	return n, nil
}

// OrderIDs is every order that the server holds.
func (s Server) OrderIDs(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	err := s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, "SELECT id::text FROM orders")
		if err != nil {
			return err
		}
		var id string
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error { ids[id] = true; return nil })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	return ids, nil
}

// InRecovery reports whether the server is a standby.
func (s Server) InRecovery(ctx context.Context) (bool, error) {
	var standby bool
	err := s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby)
	})
	return standby, err
}

// Started is when the server's postmaster started, by its own clock.
func (s Server) Started(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT pg_postmaster_start_time()").Scan(&at)
	})
	return at, err
}

// Exec runs one statement.
func (s Server) Exec(ctx context.Context, sql string) error {
	return s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sql)
		return err
	})
}

// TryWrite inserts an order and says how the server refused it. wrote is true
// unless the refusal proves otherwise.
func (s Server) TryWrite(ctx context.Context, id string) (wrote bool, refusal string) {
	err := s.ask(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "INSERT INTO orders (id, shopper, region) VALUES ($1::uuid, 'superuser', 'by hand')", id)
		return err
	})
	if err == nil {
		return true, ""
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return false, fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false, err.Error()
	}
	return true, err.Error()
}
