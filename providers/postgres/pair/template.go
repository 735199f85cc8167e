package pair

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"fairlead/providers/postgres"
)

// Roles of every pair. The superuser is postgres, over the socket only.
const (
	Database     = "orders"     // the SQL database
	Orchestrator = "fairlead"   // what members' DSNs use
	App          = "app"        // the shop; may create tables
	replicator   = "replicator" // streaming
	rewinder     = "rewinder"   // pg_rewind
)

// Template is a furnished cluster that is shut down, to be copied.
type Template struct {
	Installation
	dir string
}

// maxDir keeps the names of sockets below the system's 107 bytes.
const maxDir = 60

// settings every server has; what differs between servers follows in Create.
// Dynamic shared memory lies in the data directory, so that a server that is
// killed, as happens here, leaves nothing to the machine.
const settings = `
wal_level = replica
wal_log_hints = on
hot_standby = on
max_connections = 200
max_wal_senders = 10
max_replication_slots = 10
wal_keep_size = 128MB
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
wal_retrieve_retry_interval = 500ms
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] '
`

const hba = `
local   all          postgres                  trust
local   replication  postgres                  trust
host    replication  replicator  127.0.0.0/8   scram-sha-256
host    all          postgres    127.0.0.0/8   reject
host    all          all         127.0.0.0/8   scram-sha-256
`

// NewTemplate initialises a cluster in dir, which must exist, be reachable for
// the servers' user and have a short name. Passwords are made afresh and lie
// in dir/secrets.
func NewTemplate(ctx context.Context, in Installation, dir string) (*Template, error) {
	if len(dir) > maxDir {
		return nil, fmt.Errorf("directory %s is too long a name for unix sockets below it: use one of at most %d bytes", dir, maxDir)
	}
	t := &Template{Installation: in, dir: dir}
	if err := in.give(dir); err != nil {
		return nil, err
	}
	if err := t.makeSecrets(); err != nil {
		return nil, err
	}
	data := t.data()
	if err := in.run(ctx, "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		return nil, fmt.Errorf("initialise a cluster: %w", err)
	}
	if err := appendTo(filepath.Join(data, "postgresql.conf"), settings); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		return nil, fmt.Errorf("write pg_hba.conf: %w", err)
	}
	if err := in.run(ctx, "pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "template.log"),
		"-o", "-c listen_addresses='' -c fsync=off -k "+dir, "start"); err != nil {
		return nil, fmt.Errorf("start the template: %w", err)
	}
	err := t.furnish(ctx)
	return t, errors.Join(err, in.run(ctx, "pg_ctl", "-D", data, "-w", "-m", "fast", "stop"))
}

func (t *Template) data() string              { return filepath.Join(t.dir, "template") }
func (t *Template) secret(name string) string { return filepath.Join(t.dir, "secrets", name) }

// passfile is for the servers' own connections to each other.
func (t *Template) passfile() string { return t.secret("pgpass") }

func (t *Template) makeSecrets() error {
	dir := filepath.Join(t.dir, "secrets")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of passwords: %w", err)
	}
	var pgpass strings.Builder
	for _, role := range []string{Orchestrator, App, replicator, rewinder} {
		password := rand.Text()
		if err := os.WriteFile(t.secret(role), []byte(password+"\n"), 0o600); err != nil {
			return fmt.Errorf("write the password of %s: %w", role, err)
		}
		fmt.Fprintf(&pgpass, "*:*:*:%s:%s\n", role, password)
	}
	if err := os.WriteFile(t.passfile(), []byte(pgpass.String()), 0o600); err != nil {
		return fmt.Errorf("write the password file: %w", err)
	}
	return t.give(t.passfile())
}

func (t *Template) password(role string) (string, error) {
	text, err := os.ReadFile(t.secret(role))
	if err != nil {
		return "", fmt.Errorf("read the password of %s: %w", role, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// furnish creates the database and the roles, with what Fairlead's own
// instructions give them and nothing more.
func (t *Template) furnish(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, "host="+t.dir+" user=postgres dbname=template1")
	if err != nil {
		return fmt.Errorf("connect to the template: %w", err)
	}
	defer conn.Close(ctx)
	for _, role := range []string{Orchestrator, App, replicator, rewinder} {
		password, err := t.password(role)
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, password)); err != nil {
			return fmt.Errorf("create role %s: %w", role, err)
		}
	}
	if _, err := conn.Exec(ctx, "ALTER ROLE "+replicator+" REPLICATION; "); err != nil {
		return fmt.Errorf("let %s replicate: %w", replicator, err)
	}
	// Each database is some three hundred files to copy, so there is no more
	// than one of them beside template1.
	for _, sql := range []string{
		"ALTER DATABASE postgres RENAME TO " + Database,
		"ALTER DATABASE template0 IS_TEMPLATE false", "DROP DATABASE template0",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make database %s: %w", Database, err)
		}
	}
	in, err := pgx.Connect(ctx, "host="+t.dir+" user=postgres dbname="+Database)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", Database, err)
	}
	defer in.Close(ctx)
	for _, sql := range []string{"GRANT CREATE ON SCHEMA public TO " + App, postgres.SetupSQL(Orchestrator), postgres.RewindSQL(rewinder)} {
		if _, err := in.Exec(ctx, sql); err != nil {
			return fmt.Errorf("furnish database %s: %w", Database, err)
		}
	}
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
