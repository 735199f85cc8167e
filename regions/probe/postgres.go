package probe

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres checks one server with a connection of its own each time, as a new
// client would. The password file is read at each connection, so that a
// rotated password needs no restart.
type Postgres struct {
	config       *pgx.ConnConfig
	passwordFile string
}

// PostgresStatus is what a server says of itself.
type PostgresStatus struct {
	Standby bool
	// ReplayBytes is what the standby has received and not yet replayed.
	ReplayBytes int64
	// ReplayAge is the age of the last transaction that was replayed. On an
	// idle primary's standby it grows though nothing is missing.
	ReplayAge time.Duration
	Latency   time.Duration
}

// Role is "primary" or "standby".
func (s PostgresStatus) Role() string {
	if s.Standby {
		return "standby"
	}
	return "primary"
}

// NewPostgres makes a prober of the server behind a libpq connection string,
// which carries no password. An empty passwordFile means that none is needed.
// A nil dial means the network.
func NewPostgres(dsn, passwordFile string, dial DialFunc) (*Postgres, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// pgx's error quotes the string without its password.
		return nil, fmt.Errorf("read the connection string: %w", err)
	}
	if dial != nil && !strings.HasPrefix(config.Host, "/") {
		config.DialFunc = pgconn.DialFunc(dial)
	}
	config.RuntimeParams["application_name"] = "fairlead-probe"
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return &Postgres{config: config, passwordFile: passwordFile}, nil
}

// Probe implements [Prober]: the server accepts a connection and answers.
func (p *Postgres) Probe(ctx context.Context) error {
	_, err := p.Status(ctx)
	return err
}

// ProbeNote says which role the server plays.
func (p *Postgres) ProbeNote(ctx context.Context) (string, error) {
	s, err := p.Status(ctx)
	return s.Role(), err
}

const statusQuery = `select pg_is_in_recovery(),
	coalesce(case when pg_is_in_recovery() then pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) end, 0)::bigint,
	coalesce(extract(epoch from case when pg_is_in_recovery() then clock_timestamp() - pg_last_xact_replay_timestamp() end), 0)::float8`

// Status asks the server for its role and lag.
func (p *Postgres) Status(ctx context.Context) (PostgresStatus, error) {
	began := time.Now()
	config := p.config.Copy()
	if p.passwordFile != "" {
		secret, err := os.ReadFile(p.passwordFile)
		if err != nil {
			return PostgresStatus{}, fmt.Errorf("read the password file: %w", err)
		}
		config.Password = strings.TrimRight(string(secret), "\r\n")
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return PostgresStatus{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var s PostgresStatus
	var age float64
	if err := conn.QueryRow(ctx, statusQuery).Scan(&s.Standby, &s.ReplayBytes, &age); err != nil {
		return PostgresStatus{}, err
	}
	s.ReplayAge = time.Duration(age * float64(time.Second))
	s.Latency = time.Since(began)
	return s, nil
}
