package agent

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Config describes one server and the agent beside it.
type Config struct {
	Database regions.DatabaseID `yaml:"database"`
	Region   regions.ID         `yaml:"region"`
	Listen   string             `yaml:"listen"` // host:port; default 127.0.0.1:8472

	DataDir    string `yaml:"data_dir"`    // PostgreSQL's data directory
	BinDir     string `yaml:"bin_dir"`     // where postgres, pg_controldata, pg_rewind and pg_basebackup are
	ConfigFile string `yaml:"config_file"` // postgresql.conf where it is not in the data directory
	User       string `yaml:"user"`        // who the server runs as; default: who the agent runs as
	StateDir   string `yaml:"state_dir"`   // what the agent must remember, and diverged WAL
	LogFile    string `yaml:"log_file"`    // the server's log until it opens its own; default in the state directory

	Host      string `yaml:"host"`       // listen_addresses on the command line; default: as postgresql.conf says
	Port      int    `yaml:"port"`       // likewise
	SocketDir string `yaml:"socket_dir"` // likewise, unix_socket_directories

	// Upstreams says how to follow the server of another region.
	Upstreams map[regions.ID]Upstream `yaml:"upstreams"`

	StopLimit   time.Duration `yaml:"stop_limit"`   // default 30s
	StartLimit  time.Duration `yaml:"start_limit"`  // default 2m
	RewindLimit time.Duration `yaml:"rewind_limit"` // default 30m
	ReseedLimit time.Duration `yaml:"reseed_limit"` // default 12h
}

// Upstream holds libpq connection strings to another region's server, without
// passwords: name a passfile that only the server's user can read.
type Upstream struct {
	Stream string `yaml:"stream"` // for streaming and base backups, a role with REPLICATION
	Rewind string `yaml:"rewind"` // for pg_rewind, with dbname; empty: never rewind, reseed instead
}

// DefaultListen is where an agent listens unless told otherwise.
const DefaultListen = "127.0.0.1:8472"

// WithDefaults returns c with every absent setting filled in.
func (c Config) WithDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.LogFile == "" && c.StateDir != "" {
		c.LogFile = filepath.Join(c.StateDir, "postgres.log")
	}
	set(&c.StopLimit, 30*time.Second)
	set(&c.StartLimit, 2*time.Minute)
	set(&c.RewindLimit, 30*time.Minute)
	set(&c.ReseedLimit, 12*time.Hour)
	return c
}

// Validate returns all problems of the configuration at once, joined, each a
// sentence with its remedy, or nil. It looks at the disk.
func (c Config) Validate() error {
	var problems []error
	bad := func(field, remedy, format string, args ...any) {
		problems = append(problems, fault.Invalidf("agent, "+field, format, args...).Do("%s", remedy))
	}
	if err := regions.CheckID("database", string(c.Database)); err != nil {
		problems = append(problems, err)
	}
	if err := regions.CheckID("region", string(c.Region)); err != nil {
		problems = append(problems, err)
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "PG_VERSION")); c.DataDir == "" || err != nil {
		bad("data_dir", "name the data directory of the server, an existing one", "%q is no PostgreSQL data directory", c.DataDir)
	}
	for _, program := range []string{"postgres", "pg_controldata", "pg_rewind", "pg_basebackup"} {
		if info, err := os.Stat(filepath.Join(c.BinDir, program)); err != nil || info.Mode()&0o111 == 0 {
			bad("bin_dir", "name the directory of the server's programs, such as /usr/lib/postgresql/15/bin", "%q holds no program %s", c.BinDir, program)
			break
		}
	}
	if c.StateDir == "" {
		bad("state_dir", "name a directory that survives restarts", "is not set")
	} else if within(c.StateDir, c.DataDir) {
		bad("state_dir", "put it elsewhere: a rewind would overwrite it", "%q lies inside the data directory", c.StateDir)
	}
	if _, err := c.credential(); err != nil {
		problems = append(problems, err)
	}
	if c.Port < 0 || c.Port > 65535 {
		bad("port", "use 1 to 65535, or leave it to postgresql.conf", "%d is no port", c.Port)
	}
	for region, up := range c.Upstreams {
		field := "upstreams." + string(region)
		if region == c.Region {
			bad(field, "name other regions only", "a server cannot follow itself")
		}
		if up.Stream == "" {
			bad(field+".stream", "give a connection string such as \"host=db.eu port=5432 user=replicator passfile=/etc/fairlead/pgpass\"", "is not set")
		}
		for _, conninfo := range []string{up.Stream, up.Rewind} {
			if strings.Contains(conninfo, "password=") {
				bad(field, "use passfile=, a file that only the server's user can read", "holds a password")
			}
		}
	}
	return errors.Join(problems...)
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return dir != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// credential says as whom the server's programs run: PostgreSQL refuses root.
// Nil means as ourselves.
func (c Config) credential() (*syscall.Credential, error) {
	remedy := "set user: to the one that owns the data directory, usually postgres"
	if c.User == "" {
		if os.Geteuid() == 0 {
			return nil, fault.Invalidf("agent, user", "the agent runs as root, and PostgreSQL refuses to").Do("%s", remedy)
		}
		return nil, nil
	}
	u, err := user.Lookup(c.User)
	if err != nil {
		return nil, fault.Invalidf("agent, user", "%q is not known here", c.User).Because(err).Do("%s", remedy)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return nil, fmt.Errorf("read the numbers of user %s: %w", c.User, err)
	}
	switch {
	case uid == 0:
		return nil, fault.Invalidf("agent, user", "%q is root, and PostgreSQL refuses to run as root", c.User).Do("%s", remedy)
	case os.Geteuid() == int(uid):
		return nil, nil
	case os.Geteuid() != 0:
		return nil, fault.Invalidf("agent, user", "only root can run the server as %s", c.User).Do("run the agent as %s, or as root", c.User)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
