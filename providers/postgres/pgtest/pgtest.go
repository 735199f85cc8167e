// Package pgtest gives tests a real PostgreSQL pair, with agents beside the
// servers if they want them, and ends every process by its id when the test
// ends.
//
// A test binary that uses it says so once:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// so that the template, from which pairs are copied in about a second, is made
// once and removed at the end. Pairs lie in memory where there is room: no test
// cuts the power, and making a thousand files a pair is what costs most on disk.
package pgtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/providers/postgres/agent"
	"fairlead/providers/postgres/pair"
	"fairlead/regions"
)

// The regions of every pair.
const (
	East    regions.ID         = "us-east"    // begins as the primary, on 127.10.0.1
	Central regions.ID         = "eu-central" // begins as the standby, on 127.20.0.1
	Orders  regions.DatabaseID = "orders"
)

// shared is what all pairs of one test binary have in common.
type shared struct {
	dir      string
	inMemory bool
	template func() (*pair.Template, error)
}

// memory is where a file system in memory is found, and how much must be free
// in it: the pairs that live at once, several times over.
const (
	memory = "/dev/shm"
	enough = 2 << 30
)

// room returns a new directory for pairs.
func room() (dir string, inMemory bool, err error) {
	var fs unix.Statfs_t
	if unix.Statfs(memory, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= enough {
		if dir, err = os.MkdirTemp(memory, "flpg"); err == nil {
			return dir, true, nil
		}
	}
	dir, err = os.MkdirTemp("", "flpg")
	return dir, false, err
}

var common *shared // set by Main before any test runs, never changed after

// Main runs the tests of a binary that uses pairs.
func Main(m *testing.M) int {
	dir, inMemory, err := room()
	if err == nil {
		err = os.Chmod(dir, 0o755) // the servers' user must get through
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for PostgreSQL pairs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	common = &shared{dir: dir, inMemory: inMemory, template: sync.OnceValues(func() (*pair.Template, error) {
		in, err := pair.Find()
		if err != nil {
			return nil, err
		}
		t := filepath.Join(dir, "t")
		if err := os.Mkdir(t, 0o755); err != nil {
			return nil, err
		}
		return pair.NewTemplate(context.Background(), in, t)
	})}
	return m.Run()
}

// New returns a running pair without agents.
func New(t testing.TB) *pair.Pair {
	t.Helper()
	if common == nil {
		t.Fatal("this test binary has no TestMain that calls pgtest.Main")
	}
	if _, err := pair.Find(); err != nil {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip("needs a real PostgreSQL:", err)
	}
	template, err := common.template()
	if err != nil {
		t.Fatalf("make the template: %v", err)
	}
	dir, err := os.MkdirTemp(common.dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := template.Create(context.Background(), dir,
		pair.Place{Region: East, Host: "127.10.0.1"}, pair.Place{Region: Central, Host: "127.20.0.1"})
	if err != nil {
		t.Fatalf("make a pair: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, s := range p.Servers() {
				if text, err := os.ReadFile(s.LogFile()); err == nil {
					t.Logf("last log of %s:\n%s", s.Region, text[max(0, len(text)-3000):])
				}
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		// On disk the files stay until Main ends: some file systems become
		// very slow at making files where many have just been deleted.
		if common.inMemory {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}
	})
	return p
}

// Beside is a pair with an agent beside each server.
type Beside struct {
	*pair.Pair
	Model     regions.Database
	TLS       *tls.Config // of a control node
	Authority *Authority
	agents    map[regions.ID]*running
}

type running struct {
	config agent.Config
	stop   context.CancelFunc
	ended  chan error
}

// WithAgents returns a running pair with agents in this process.
func WithAgents(t testing.TB) *Beside {
	t.Helper()
	b := &Beside{Pair: New(t), Authority: NewAuthority(t), agents: map[regions.ID]*running{}}
	b.TLS = b.Authority.Config(t, "control-1", "control")
	addresses := map[regions.ID]string{}
	for _, s := range b.Servers() {
		addresses[s.Region] = b.StartAgent(t, s.Region)
	}
	b.Model = b.Pair.Model(Orders, addresses)
	t.Cleanup(func() {
		for _, s := range b.Servers() {
			b.StopAgent(t, s.Region)
		}
	})
	return b
}

// StartAgent starts the agent of a region, on the address it had before if it
// had one, and returns that address once the agent answers: until then it may
// still start its server.
func (b *Beside) StartAgent(t testing.TB, region regions.ID) string {
	t.Helper()
	c := b.AgentConfig(Orders, region)
	if before := b.agents[region]; before != nil {
		c = before.config
	}
	a, err := agent.New(c, agent.Options{
		TLS: b.Authority.Config(t, "agent-"+string(region), "agent"), Authorize: agent.RequireRole("control"),
		Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)).With("agent", string(region)),
	})
	if err != nil {
		t.Fatalf("make the agent of %s: %v", region, err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		t.Fatalf("listen for the agent of %s: %v", region, err)
	}
	c.Listen = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{config: c, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- a.Run(ctx, l) }()
	b.agents[region] = r
	client, err := agent.NewClient(c.Listen, b.TLS)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	patience, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := client.Do(patience, agent.VerbStatus, agent.Order{Database: Orders, Region: region, Brief: true}); err != nil {
		t.Fatalf("the agent of %s does not answer: %v", region, err)
	}
	return c.Listen
}

// StopAgent ends the agent of a region; its server goes on.
func (b *Beside) StopAgent(t testing.TB, region regions.ID) {
	t.Helper()
	r := b.agents[region]
	if r == nil || r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("agent of %s: %v", region, err)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("agent of %s did not end", region)
	}
}

// Client returns a client for the agent of a region.
func (b *Beside) Client(t testing.TB, region regions.ID) *agent.Client {
	t.Helper()
	m, _ := b.Model.Member(region)
	c, err := agent.NewClient(m.Agent, b.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// testWriter sends an agent's log to the test's.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p[:len(p)-1])
	return len(p), nil
}
