package probe

import (
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/regions"
)

// server is a real PostgreSQL on a unix socket, owned by user postgres.
type server struct {
	t      *testing.T
	bin    string
	dir    string
	as     *syscall.Credential
	listen string
}

func newServer(t *testing.T) *server {
	miss := func(what string) {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		miss("needs the PostgreSQL server programs: apt-get install postgresql")
	}
	s := &server{t: t, bin: filepath.Dir(found[len(found)-1])}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			miss("needs the user postgres, since PostgreSQL refuses to run as root: adduser --system postgres")
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	dir, err := os.MkdirTemp("/tmp", "flprobe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s.dir = dir
	secret := filepath.Join(dir, "pw")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.run("initdb", "-D", dir+"/data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync", "--no-instructions")
	return s
}

func (s *server) run(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func (s *server) start(listen string) {
	s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-l", s.dir+"/log", "-o", "-F -k "+s.dir+" "+listen, "start")
}

func (s *server) stop() { s.run("pg_ctl", "-D", s.dir+"/data", "-w", "-m", "immediate", "stop") }

func TestAPostgresCheckNamesRoleAndTrouble(t *testing.T) {
	s := newServer(t)
	s.start("-c listen_addresses=''")
	running := true
	t.Cleanup(func() {
		if running {
			s.stop()
		}
	})
	target := regions.Target{ID: "orders#us", DSN: "host=" + s.dir + " dbname=postgres user=postgres", PasswordFile: s.dir + "/pw",
		Check: regions.Check{Kind: regions.Postgres, Timeout: 10 * time.Second}}
	p, err := New(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	pg := p.(*Postgres)
	status, err := pg.Status(t.Context())
	if err != nil || status.Standby || status.Role() != "primary" || status.Latency <= 0 {
		t.Errorf("%+v, %v; want a primary", status, err)
	}
	if o, _ := observe(t.Context(), p, 10*time.Second); o.State != regions.Up || o.Reason != "primary" {
		t.Errorf("%+v, want up: primary", o)
	}

	if err := os.WriteFile(target.PasswordFile, []byte("wrong"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := once(t, p, 10*time.Second); !strings.Contains(got, "password authentication failed") {
		t.Errorf("reason %q: the password file must be read at each connection", got)
	}
	os.Remove(target.PasswordFile)
	if got := once(t, p, 10*time.Second); !strings.HasPrefix(got, "cannot read "+s.dir[:8]) {
		t.Errorf("reason %q", got)
	}
	if err := os.WriteFile(target.PasswordFile, []byte("hush\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	s.stop()
	running = false
	if got := once(t, p, 10*time.Second); got != "no such socket" && got != "connection refused" {
		t.Errorf("reason %q of a server that is gone", got)
	}
	if err := os.WriteFile(s.dir+"/data/standby.signal", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.start("-c listen_addresses=''")
	running = true
	if o, _ := observe(t.Context(), p, 10*time.Second); o.State != regions.Up || o.Reason != "standby" {
		t.Errorf("%+v, want up: standby", o)
	}
}

func TestAPostgresCheckEndsWithItsTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	p, err := NewPostgres("host="+host+" port="+port+" user=x dbname=x sslmode=disable", "", (&net.Dialer{}).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	if got := once(t, p, 50*time.Millisecond); got != "timeout after 50ms" {
		t.Errorf("reason %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ended := observe(ctx, p, time.Second); !ended {
		t.Error("a check that its own schedule ended says something of the target")
	}
}
