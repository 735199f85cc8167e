package pair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers/postgres"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
)

// Place is where one server of a pair is to be. Port 0 lets the kernel choose.
type Place struct {
	Region regions.ID
	Host   string // a loopback address
	Port   int
}

// Pair is a primary and its streaming standby.
type Pair struct {
	Primary, Standby *Server // as they were made; roles change, names here do not
	template         *Template
}

// Create copies the template into dir twice, starts both servers and returns
// once the standby streams. dir must exist and have a short name.
func (t *Template) Create(ctx context.Context, dir string, primary, standby Place) (*Pair, error) {
	if len(dir) > maxDir {
		return nil, fmt.Errorf("directory %s is too long a name for unix sockets below it: use one of at most %d bytes", dir, maxDir)
	}
	p := &Pair{template: t}
	var err error
	for _, s := range []struct {
		place Place
		into  **Server
	}{{primary, &p.Primary}, {standby, &p.Standby}} {
		if *s.into, err = t.copy(dir, s.place); err != nil {
			return nil, err
		}
	}
	p.Primary.peer, p.Standby.peer = p.Standby, p.Primary
	if err := p.connect(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// connect starts both and makes the second follow the first.
func (p *Pair) connect(ctx context.Context) error {
	if err := p.Primary.Start(ctx); err != nil {
		return err
	}
	slot := postgres.SlotName(p.Standby.Region)
	if err := p.Primary.Exec(ctx, "SELECT pg_create_physical_replication_slot('"+slot+"', true)"); err != nil {
		return fmt.Errorf("create the slot of %s: %w", p.Standby.Region, err)
	}
	follow := fmt.Sprintf("primary_conninfo = '%s application_name=%s'\nprimary_slot_name = '%s'\n", p.Primary.stream(), p.Standby.Region, slot)
	if err := appendTo(filepath.Join(p.Standby.DataDir, "postgresql.auto.conf"), follow); err != nil {
		return err
	}
	signal := filepath.Join(p.Standby.DataDir, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return fmt.Errorf("mark the standby: %w", err)
	}
	if err := p.Standby.give(signal); err != nil {
		return err
	}
	if err := p.Standby.Start(ctx); err != nil {
		return err
	}
	return p.Primary.await(ctx, "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'", "the standby streams")
}

// copy makes one server's directory.
func (t *Template) copy(dir string, place Place) (*Server, error) {
	s := &Server{Installation: t.Installation, template: t, Region: place.Region, Host: place.Host, Port: place.Port,
		dir: filepath.Join(dir, string(place.Region))}
	s.DataDir = filepath.Join(s.dir, "data")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a server's directory: %w", err)
	}
	if s.Port == 0 {
		l, err := net.Listen("tcp", net.JoinHostPort(s.Host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", s.Host, err)
		}
		s.Port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	if err := os.CopyFS(s.DataDir, os.DirFS(t.data())); err != nil {
		return nil, fmt.Errorf("copy the template: %w", err)
	}
	if err := appendTo(filepath.Join(s.DataDir, "postgresql.conf"), fmt.Sprintf(
		"listen_addresses = '%s'\nport = %d\nunix_socket_directories = '%s'\ncluster_name = '%s'\n", s.Host, s.Port, s.dir, s.Region)); err != nil {
		return nil, err
	}
	return s, s.own()
}

// own gives the whole directory to the servers' user, closed to others as
// PostgreSQL demands.
func (s *Server) own() error {
	if err := s.give(s.dir); err != nil {
		return err
	}
	return filepath.WalkDir(s.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if err := os.Chmod(path, 0o700); err != nil {
				return err
			}
		}
		return s.give(path)
	})
}

// Servers returns both servers.
func (p *Pair) Servers() []*Server { return []*Server{p.Primary, p.Standby} }

// Server returns the server in a region, or nil.
func (p *Pair) Server(region regions.ID) *Server {
	if i := slices.IndexFunc(p.Servers(), func(s *Server) bool { return s.Region == region }); i >= 0 {
		return p.Servers()[i]
	}
	return nil
}

// Model describes the pair as a configuration would; agents maps regions to
// the addresses of the agents beside the servers, and may lack some.
func (p *Pair) Model(id regions.DatabaseID, agents map[regions.ID]string) regions.Database {
	d := regions.Database{ID: id, Engine: "postgres", Writer: p.Primary.Region, MaxLagBytes: 64 << 20, MaxLagTime: time.Minute}
	for _, s := range p.Servers() {
		d.Members = append(d.Members, regions.Member{Region: s.Region, DSN: s.DSN(), PasswordFile: s.template.secret(Orchestrator), Agent: agents[s.Region]})
	}
	return d
}

// Close ends both servers by force and returns once no process is left, and
// nothing else but the files.
func (p *Pair) Close() error {
	var errs []error
	for _, s := range p.Servers() {
		errs = append(errs, s.Kill(), s.forget())
	}
	return errors.Join(errs...)
}

// AgentConfig is the configuration of an agent beside a server of the pair.
// The listen address is the kernel's choice unless it is set afterwards.
func (p *Pair) AgentConfig(id regions.DatabaseID, region regions.ID) agent.Config {
	s := p.Server(region)
	return agent.Config{
		Database: id, Region: region, Listen: net.JoinHostPort(s.Host, "0"),
		DataDir: s.DataDir, BinDir: s.BinDir, User: s.User,
		StateDir: filepath.Join(s.dir, "agent"), LogFile: s.LogFile(),
		Upstreams: map[regions.ID]agent.Upstream{s.peer.Region: {Stream: s.peer.stream(), Rewind: s.peer.rewind()}},
	}
}

// stream and rewind are how the other server reaches this one.
func (s *Server) stream() string {
	return fmt.Sprintf("host=%s port=%d user=%s passfile=%s", s.Host, s.Port, replicator, s.template.passfile())
}

func (s *Server) rewind() string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s passfile=%s", s.Host, s.Port, rewinder, Database, s.template.passfile())
}

// DSN is the orchestrator's, without a password.
func (s *Server) DSN() string { return s.dsn(Orchestrator) }

func (s *Server) dsn(role string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", s.Host, s.Port, role, Database)
}

// AppDSN is the application's, with its password.
func (s *Server) AppDSN() (string, error) {
	password, err := s.template.password(App)
	return s.dsn(App) + " password=" + password, err
}

// SuperDSN is the superuser's, over the socket.
func (s *Server) SuperDSN() string {
	return fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", s.dir, s.Port, Database)
}

// PasswordFile is where the orchestrator's password lies.
func (s *Server) PasswordFile() string { return s.template.secret(Orchestrator) }

// LogFile is where the server logs.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "postgres.log") }

// patience bounds one statement: a server that is frozen, or whose commits wait
// for a standby, answers nothing.
const patience = 30 * time.Second

// Exec runs one statement as the superuser.
func (s *Server) Exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.SuperDSN())
	if err != nil {
		return fmt.Errorf("connect to %s as superuser: %w", s.Region, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("on %s: %w", s.Region, err)
	}
	return nil
}

// Value reads one value, as text, as the superuser.
func (s *Server) Value(ctx context.Context, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.SuperDSN())
	if err != nil {
		return "", fmt.Errorf("connect to %s as superuser: %w", s.Region, err)
	}
	defer conn.Close(ctx)
	var v string
	if err := conn.QueryRow(ctx, "SELECT ("+sql+")::text").Scan(&v); err != nil {
		return "", fmt.Errorf("on %s: %w", s.Region, err)
	}
	return v, nil
}

func (s *Server) await(ctx context.Context, sql, what string) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		v, err := s.Value(ctx, sql)
		if yes, _ := strconv.ParseBool(v); yes {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("waited in vain until %s: %q", what, v), err, ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
}
