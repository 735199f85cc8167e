package daemon_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// withDatabase adds a database whose members are at these addresses.
func withDatabase(us, eu string) []string {
	return []string{"zones:", fmt.Sprintf(`databases:
  orders:
    writer: us-east
    check: {interval: 500ms, timeout: 400ms, fall: 2}
    members:
      us-east: {dsn: "host=%s port=5432 user=canary dbname=shop sslmode=disable connect_timeout=2", password_file: orders.pass, agent: "%s:8472"}
      eu-central: {dsn: "host=%s port=5432 user=canary dbname=shop sslmode=disable connect_timeout=2", password_file: orders.pass, agent: "%s:8472"}
zones:`, us, us, eu, eu)}
}

// TestADatabaseThatDoesNotAnswerStopsNothingElse: the node runs and says so;
// what would move that database is refused in a sentence.
func TestADatabaseThatDoesNotAnswerStopsNothingElse(t *testing.T) {
	t.Parallel()
	closed, silent := newHost(), newHost()
	l, err := net.Listen("tcp", silent+":5432") // the kernel accepts, and nobody ever says anything
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := newPlace(t, withDatabase(closed, silent)...)
	p.edit(t, "databases:", "runbooks: [elsewhere.yaml]\ndatabases:")
	p.write(t, "elsewhere.yaml", strings.Replace(ownRunbook, "steps:", "params:\n  database: {type: database, default: elsewhere, about: what it is about}\nsteps:", 1))
	p.write(t, "orders.pass", "a password\n")
	p.run(t)
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")

	t.Run("the picture says which member and why", func(t *testing.T) {
		for region, words := range map[string][]string{"us-east": {"refused"}, "eu-central": {"answer"}} {
			p.eventually(t, region+" is known to be out of reach", func() (bool, string) {
				for _, db := range p.status(t).Databases {
					for _, m := range db.Members {
						if m.Region == region {
							return m.State == openapi.StateDown && m.MeasuredAgeMs != nil && lacks(m.Because, words...) == "" && !traces.MatchString(m.Because), fmt.Sprintf("%s: %s", m.State, m.Because)
						}
					}
				}
				return false, "it is not there"
			})
		}
		p.alarm(t, "orders", "us-east")
	})
	t.Run("a preview names what refuses the run", func(t *testing.T) {
		for _, tt := range []struct {
			runbook    string
			ungraceful bool
		}{{"switchover", false}, {"failover", true}} {
			plan, err := client.Get[openapi.Plan](p.call(t).PreviewExecution(t.Context(), openapi.PreviewRequest{Runbook: tt.runbook, Database: "orders", To: "eu-central", Ungraceful: tt.ungraceful}))
			if err != nil || len(plan.Refusals) == 0 {
				t.Errorf("preview of %s: %+v, %v; want refusals", tt.runbook, plan.Refusals, err)
			}
			for _, r := range plan.Refusals {
				t.Logf("%s: %s: %s (%s)", tt.runbook, r.Subject, r.Problem, r.Remedy)
				if lacks(r.Subject, "orders") != "" || r.Problem == "" || traces.MatchString(r.Problem) {
					t.Errorf("preview of %s is refused by %+v, want a sentence about orders", tt.runbook, r)
				}
			}
		}
	})
	t.Run("a run is refused and nothing changes", func(t *testing.T) {
		generation := p.status(t).Generation
		o := fairlead(t, "runbook", "run", "switchover", "--database", "orders", "--to", "eu-central", "--reason", "test", "--yes", "--wait", "--server", "http://"+p.api)
		if o.code != 10 || lacks(o.stdout, "would be refused", "nothing was changed", "orders") != "" || traces.MatchString(o.stdout+o.stderr) {
			t.Errorf("exit code %d, want 10:\n%s%s", o.code, o.stdout, o.stderr)
		}
		if now := p.status(t).Generation; now != generation {
			t.Errorf("a refused run made generation %d of %d", now, generation)
		}
	})
	t.Run("what is not there is named", func(t *testing.T) {
		for _, tt := range []struct {
			name    string
			request openapi.PreviewRequest
			words   []string
		}{
			{"a database", openapi.PreviewRequest{Runbook: "switchover", Database: "nope", To: "eu-central"}, []string{"nope", "orders"}},
			{"a region", openapi.PreviewRequest{Runbook: "switchover", Database: "orders", To: "mars"}, []string{"mars"}},
			{"a region without a member", openapi.PreviewRequest{Runbook: "switchover", Database: "orders", To: "ap-south"}, []string{"ap-south"}},
			{"the region that writes already", openapi.PreviewRequest{Runbook: "switchover", Database: "orders", To: "us-east"}, []string{"us-east"}},
			{"a database that a runbook names", openapi.PreviewRequest{Runbook: "own"}, []string{"elsewhere", "orders"}},
			{"a runbook", openapi.PreviewRequest{Runbook: "nope", Database: "orders", To: "eu-central"}, []string{"nope", "runbook list"}},
			{"a parameter", openapi.PreviewRequest{Runbook: "switchover", Database: "orders", To: "eu-central", Params: openapi.Params{"speed": "fast"}}, []string{"speed"}},
			{"no database at all", openapi.PreviewRequest{Runbook: "switchover", To: "eu-central"}, []string{"database"}},
		} {
			plan, err := client.Get[openapi.Plan](p.call(t).PreviewExecution(t.Context(), tt.request))
			said := fmt.Sprint(plan.Refusals)
			if err != nil {
				said = err.Error()
				if kind := fault.Of(err); kind != fault.Invalid && kind != fault.NotFound && kind != fault.Conflict {
					t.Errorf("%s: kind %v", tt.name, kind)
				}
			} else if len(plan.Refusals) == 0 {
				t.Errorf("%s: nothing refuses it", tt.name)
			}
			t.Log(said)
			if missing := lacks(said, tt.words...); missing != "" || traces.MatchString(said) {
				t.Errorf("%s: %q does not say %q", tt.name, said, missing)
			}
		}
		fairlead(t, "runbook", "run", "switchover", "--database", "nope", "--to", "eu-central", "--reason", "test", "--yes", "--server", "http://"+p.api).
			sentence(t, 1, "nope")
	})
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
}

// suspicious is a PostgreSQL server that asks for passwords and likes none.
type suspicious struct {
	mu    sync.Mutex
	heard []string
}

func openSuspicious(t *testing.T, address string) *suspicious {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &suspicious{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// serve speaks just enough of the protocol to be told a password.
func (s *suspicious) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var size uint32
	if binary.Read(c, binary.BigEndian, &size) != nil || size < 8 || size > 4096 {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(size)-4); err != nil {
		return
	}
	c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}) // in clear, please
	var kind byte
	if binary.Read(c, binary.BigEndian, &kind) != nil || kind != 'p' || binary.Read(c, binary.BigEndian, &size) != nil || size > 4096 {
		return
	}
	password := make([]byte, size-4)
	if _, err := io.ReadFull(c, password); err != nil {
		return
	}
	s.mu.Lock()
	s.heard = append(s.heard, strings.TrimRight(string(password), "\x00"))
	s.mu.Unlock()
	text := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed for user \"canary\"\x00\x00"
	c.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(text)+4)), text...))
}

func (s *suspicious) was(password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heard {
		if h == password {
			return true
		}
	}
	return false
}
