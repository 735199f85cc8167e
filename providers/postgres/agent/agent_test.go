package agent_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/providers/postgres"
	"fairlead/providers/postgres/agent"
	"fairlead/providers/postgres/pair"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func epoch(number uint64) regions.Epoch {
	return regions.Epoch{Incarnation: 1, Number: number, Writer: pgtest.East}
}

func order(key string, number uint64) agent.Order {
	return agent.Order{Key: key, Database: pgtest.Orders, Region: pgtest.East, Epoch: epoch(number)}
}

func do(t *testing.T, c *agent.Client, verb string, o agent.Order) agent.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	st, err := c.Do(ctx, verb, o)
	if err != nil {
		t.Fatalf("%s %+v: %v", verb, o, err)
	}
	return st
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// insert writes as the superuser, who may override anything.
func insert(s *pair.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.Exec(ctx, "SET default_transaction_read_only = off; CREATE TABLE IF NOT EXISTS proof (at timestamptz); INSERT INTO proof VALUES (now())")
}

func TestFenceOutlivesEverything(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	if err := insert(b.Primary); err != nil {
		t.Fatalf("before the fence: %v", err)
	}
	o := order("run/fence", 5)
	o.Planned = true
	st := do(t, c, agent.VerbFence, o)
	if !st.Fenced || st.Running || st.Control.State != "shut down" {
		t.Fatalf("after fence: %+v, want fenced, not running, shut down", st)
	}
	if st := do(t, c, agent.VerbFence, o); !st.Fenced {
		t.Fatalf("fence again under the same key: %+v, want fenced", st)
	}

	// The agent dies and comes back, as after a reboot: it starts nothing.
	b.StopAgent(t, pgtest.East)
	b.StartAgent(t, pgtest.East)
	if st := do(t, c, agent.VerbStatus, agent.Order{Database: pgtest.Orders, Region: pgtest.East}); st.Running || !st.Fenced {
		t.Fatalf("after the agent's restart: %s, want it off and fenced", st.Detail)
	}

	// Somebody starts it by hand: not even the superuser can write.
	if err := b.Primary.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := insert(b.Primary); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Fatalf("superuser's INSERT on the fenced server, started by hand: %v, want it refused as read-only", err)
	}
	if st := do(t, c, agent.VerbFence, o); st.Running {
		t.Errorf("fence repeated under its key after a start by hand left it running: %s", st.Detail)
	}

	// Unfence: the same run takes it back, and it writes again.
	o = order("run/unfence", 5)
	o.As = agent.AsPrimary
	do(t, c, agent.VerbStart, o)
	if err := insert(b.Primary); err != nil {
		t.Errorf("INSERT after unfence: %v, want it accepted", err)
	}
}

func TestAFenceThatItsRunHasTakenBackComesTooLate(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	undo := order("run-1/fence/undo/1", 5)
	undo.As = agent.AsPrimary
	do(t, c, agent.VerbStart, undo) // the fence itself still lies on its way

	for restarted := range 2 {
		_, err := c.Do(t.Context(), agent.VerbFence, order("run-1/fence/1", 5))
		if !fault.Is(err, fault.Conflict) || !agent.IsUntouched(err) {
			t.Errorf("a fence that arrives after it was taken back (restarts of the agent: %d) = %v, want a conflict that touches nothing", restarted, err)
		}
		if err := insert(b.Primary); err != nil {
			t.Fatalf("INSERT after that: %v, want the writer to go on", err)
		}
		b.StopAgent(t, pgtest.East)
		b.StartAgent(t, pgtest.East)
	}
	if st := do(t, c, agent.VerbFence, order("run-2/fence/1", 5)); !st.Fenced {
		t.Errorf("the fence of another run: %s, want it fenced", st.Detail)
	}
}

func TestACompensationLiftsTheFenceOfItsOwnStepAndNoOther(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	undo := func(key string) agent.Order {
		o := order(key, 5)
		o.As = agent.AsPrimary
		return o
	}
	do(t, c, agent.VerbFence, order("run-1/fence/1", 5))
	do(t, c, agent.VerbStart, undo("run-1/fence/undo/2")) // the first attempt still lies on its way
	do(t, c, agent.VerbFence, order("run-2/fence/1", 5))

	_, err := c.Do(t.Context(), agent.VerbStart, undo("run-1/fence/undo/1"))
	if !fault.Is(err, fault.Conflict) || !agent.IsUntouched(err) {
		t.Errorf("a start that run 1 ordered, under the fence of run 2 = %v, want a conflict that touches nothing", err)
	}
	if st := do(t, c, agent.VerbStatus, agent.Order{Database: pgtest.Orders, Region: pgtest.East}); !st.Fenced || b.Primary.PID() != 0 {
		t.Fatalf("after that: %s, want it fenced", st.Detail)
	}

	// Who finds it fenced and fences it makes the fence their own.
	do(t, c, agent.VerbFence, order("run-3/fence/1", 5))
	if _, err := c.Do(t.Context(), agent.VerbStart, undo("run-2/fence/undo/1")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a start that run 2 ordered, under the fence of run 3 = %v, want a conflict", err)
	}
	do(t, c, agent.VerbStart, undo("run-3/fence/undo/1"))
	if err := insert(b.Primary); err != nil {
		t.Errorf("INSERT after run 3 has taken back its own fence = %v, want it accepted", err)
	}
}

func TestFenceEndsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(*pair.Server) error
	}{
		{"a frozen server is killed", (*pair.Server).Freeze},
		{"a killed server is confirmed off", (*pair.Server).Kill},
		{"an orphaned backend is ended too", func(s *pair.Server) error {
			if err := s.Freeze(); err != nil { // so that the children cannot notice
				return err
			}
			return syscall.Kill(s.PID(), syscall.SIGKILL)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := pgtest.WithAgents(t)
			if err := tt.prepare(b.Primary); err != nil {
				t.Fatal(err)
			}
			st := do(t, b.Client(t, pgtest.East), agent.VerbFence, order("run/fence", 5))
			if pids, err := agent.Processes(b.Primary.DataDir); !st.Fenced || err != nil || len(pids) > 0 {
				t.Errorf("fence = %s; processes %v (%v); want fenced and none", st.Detail, pids, err)
			}
			if err := b.Primary.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := insert(b.Primary); err == nil || !strings.Contains(err.Error(), "read-only") {
				t.Errorf("superuser's INSERT after a start by hand: %v, want it refused as read-only", err)
			}
		})
	}
}

func TestAgentRefuses(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	do(t, c, agent.VerbStatus, order("", 7)) // it has seen epoch 7
	tests := []struct {
		name, verb string
		order      agent.Order
		kind       fault.Kind
	}{
		{"an older epoch", agent.VerbFence, order("late", 6), fault.Conflict},
		{"an older incarnation", agent.VerbFence, agent.Order{Key: "late", Database: pgtest.Orders, Region: pgtest.East, Epoch: regions.Epoch{Number: 99}}, fault.Conflict},
		{"an older epoch even for a look", agent.VerbStatus, order("", 6), fault.Conflict},
		{"another database", agent.VerbFence, agent.Order{Key: "k", Database: "carts", Region: pgtest.East, Epoch: epoch(8)}, fault.Invalid},
		{"another region", agent.VerbFence, agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.Central, Epoch: epoch(8)}, fault.Invalid},
		{"another cluster's data", agent.VerbFence, agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.East, Epoch: epoch(7), SystemIdentifier: "1"}, fault.Conflict},
		{"no key", agent.VerbFence, order("", 7), fault.Invalid},
		{"no epoch", agent.VerbFence, agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.East}, fault.Invalid},
		{"a rewind of a living primary", agent.VerbRewind, agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.East, Epoch: epoch(7), Upstream: pgtest.Central}, fault.Conflict},
		{"a reseed of a living primary", agent.VerbReseed, agent.Order{Key: "k2", Database: pgtest.Orders, Region: pgtest.East, Epoch: epoch(7), Upstream: pgtest.Central}, fault.Conflict},
		{"an upstream it is not told of", agent.VerbStandby, agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.East, Epoch: epoch(7), Upstream: "ap-south"}, fault.Invalid},
		{"a verb it does not know", "explode", order("k", 7), fault.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Do(t.Context(), tt.verb, tt.order); !fault.Is(err, tt.kind) || !agent.IsUntouched(err) {
				t.Errorf("%s %+v = %v (untouched: %v), want %v, certain that nothing was begun", tt.verb, tt.order, err, agent.IsUntouched(err), tt.kind)
			}
			if err := insert(b.Primary); err != nil {
				t.Errorf("the primary no longer writes: %v", err)
			}
		})
	}
	t.Run("a standby as a primary", func(t *testing.T) {
		o := agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.Central, Epoch: epoch(7), As: agent.AsPrimary}
		if _, err := b.Client(t, pgtest.Central).Do(t.Context(), agent.VerbStart, o); !fault.Is(err, fault.Conflict) {
			t.Errorf("start a standby as a primary = %v, want a conflict", err)
		}
	})
	t.Run("a fence of a standby", func(t *testing.T) {
		o := agent.Order{Key: "k", Database: pgtest.Orders, Region: pgtest.Central, Epoch: epoch(7)}
		if _, err := b.Client(t, pgtest.Central).Do(t.Context(), agent.VerbFence, o); !fault.Is(err, fault.Conflict) {
			t.Errorf("fence a standby = %v, want a conflict", err)
		}
	})
	t.Run("a certificate without the role", func(t *testing.T) {
		m, _ := b.Model.Member(pgtest.East)
		probe, err := agent.NewClient(m.Agent, b.Authority.Config(t, "probe-1", "probe"))
		if err != nil {
			t.Fatal(err)
		}
		defer probe.Close()
		if _, err := probe.Do(t.Context(), agent.VerbFence, order("k", 8)); !fault.Is(err, fault.Denied) {
			t.Errorf("fence with a probe's certificate = %v, want denied", err)
		}
	})
	t.Run("a stranger's certificate", func(t *testing.T) {
		m, _ := b.Model.Member(pgtest.East)
		conf := pgtest.NewAuthority(t).Config(t, "control-1", "control")
		conf.RootCAs = b.TLS.RootCAs
		stranger, err := agent.NewClient(m.Agent, conf)
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		if _, err := stranger.Do(t.Context(), agent.VerbFence, order("k", 8)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("fence with a stranger's certificate = %v, want the connection refused", err)
		}
	})
}

func TestAgentRemembersItsEpochThroughARestart(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	do(t, c, agent.VerbStatus, order("", 7))
	b.StopAgent(t, pgtest.East)
	b.StartAgent(t, pgtest.East)
	if _, err := c.Do(t.Context(), agent.VerbFence, order("late", 6)); !fault.Is(err, fault.Conflict) {
		t.Errorf("an older epoch after a restart = %v, want a conflict", err)
	}
}

func TestServerOutlivesItsAgentAndIsFoundAgain(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	do(t, c, agent.VerbStop, order("run/stop", 5))
	b.StopAgent(t, pgtest.East)
	b.StartAgent(t, pgtest.East) // not fenced, so the agent starts it
	status := agent.Order{Database: pgtest.Orders, Region: pgtest.East}
	var before agent.Status
	eventually(t, "the agent has started its server", func() bool {
		before = do(t, c, agent.VerbStatus, status)
		return before.Ready
	})
	b.StopAgent(t, pgtest.East)
	if err := insert(b.Primary); err != nil {
		t.Fatalf("INSERT while the agent is away: %v", err)
	}
	b.StartAgent(t, pgtest.East)
	if after := do(t, c, agent.VerbStatus, status); after.PID != before.PID {
		t.Errorf("after the agent's restart the server is process %d, want the same %d", after.PID, before.PID)
	}
}

// TestAServerThatIsBeingStartedIsNeverTakenForOneThatIsOff: a fence that came in
// between would confirm what is not so.
func TestAServerThatIsBeingStartedIsNeverTakenForOneThatIsOff(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	for range 5 {
		b.StopAgent(t, pgtest.East)
		if err := b.Primary.Kill(); err != nil {
			t.Fatal(err)
		}
		b.StartAgent(t, pgtest.East) // it starts the server again
		if st := do(t, c, agent.VerbStatus, agent.Order{Database: pgtest.Orders, Region: pgtest.East, Brief: true}); !st.Running {
			t.Fatalf("the first answer of an agent that starts its server: %s; want it running", st.Detail)
		}
	}
	if st := do(t, c, agent.VerbFence, order("run/fence", 5)); !st.Fenced || b.Primary.PID() != 0 {
		t.Errorf("fence while it starts = %s, process %d; want it off", st.Detail, b.Primary.PID())
	}
}

// TestCrashedPrimaryComesBackAsAStandby diverges the two histories and brings
// the old primary back both ways.
func TestCrashedPrimaryComesBackAsAStandby(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{agent.VerbRewind, agent.VerbReseed} {
		t.Run(verb, func(t *testing.T) {
			b := pgtest.WithAgents(t)
			c := b.Client(t, pgtest.East)
			if err := insert(b.Primary); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the standby has the table", func() bool {
				v, err := b.Standby.Value(t.Context(), "SELECT to_regclass('proof') IS NOT NULL")
				return err == nil && v == "true"
			})
			// The primary writes what the standby never gets, then dies.
			if err := b.Standby.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := b.Primary.Exec(t.Context(), "INSERT INTO proof SELECT now() FROM generate_series(1, 5000)"); err != nil {
				t.Fatal(err)
			}
			if err := b.Primary.Kill(); err != nil {
				t.Fatal(err)
			}
			do(t, c, agent.VerbFence, order("run/fence", 5))
			if err := b.Standby.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			slot := postgres.SlotName(pgtest.East)
			for _, sql := range []string{"SELECT pg_promote(true, 30)", "CHECKPOINT", "SELECT pg_create_physical_replication_slot('" + slot + "', true)",
				"INSERT INTO proof VALUES (now())"} {
				if err := b.Standby.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			o := order("run/rejoin", 6)
			o.Upstream, o.Slot, o.As = pgtest.Central, slot, agent.AsStandby
			st := do(t, c, verb, o)
			if !strings.Contains(st.Detail, "kept in") {
				t.Errorf("%s says %q, want it to say where the diverged WAL is kept", verb, st.Detail)
			}
			kept, err := filepath.Glob(filepath.Join(filepath.Dir(b.Primary.DataDir), "agent", "diverged", "*", "0*"))
			if err != nil || len(kept) == 0 {
				t.Errorf("no diverged WAL is kept (%v)", err)
			}
			do(t, c, agent.VerbStandby, o)
			do(t, c, agent.VerbStart, o)
			eventually(t, "both have the same rows", func() bool {
				v, err := b.Primary.Value(t.Context(), "SELECT count(*) FROM proof")
				w, errW := b.Standby.Value(t.Context(), "SELECT count(*) FROM proof")
				return err == nil && errW == nil && v == w
			})
			if port, err := b.Primary.Value(t.Context(), "SELECT current_setting('port')"); err != nil || port != fmt.Sprint(b.Primary.Port) {
				t.Errorf("the old primary listens on port %s (%v), want its own, %d", port, err, b.Primary.Port)
			}
		})
	}
}

func TestStandbyIsAlwaysMarkedAfterAFailedRewind(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.East)
	if err := b.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	do(t, c, agent.VerbFence, order("run/fence", 5))
	if err := b.Standby.Kill(); err != nil { // nobody to rewind from
		t.Fatal(err)
	}
	o := order("run/rewind", 5)
	o.Upstream = pgtest.Central
	if _, err := c.Do(t.Context(), agent.VerbRewind, o); err == nil {
		t.Fatal("rewind from a dead server succeeded")
	}
	if err := b.Primary.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := insert(b.Primary); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("superuser's INSERT after a failed rewind: %v, want it refused as read-only", err)
	}
}

func TestTornDataAreNotStartedUntilTheyAreReplaced(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	c := b.Client(t, pgtest.Central)
	b.StopAgent(t, pgtest.Central)
	if err := b.Standby.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As if the agent had died in the middle of a rewind.
	state := filepath.Join(filepath.Dir(b.Standby.DataDir), "agent", "agent.json")
	text, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, []byte(strings.Replace(string(text), "{", `{"torn": true,`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	b.StartAgent(t, pgtest.Central)
	o := agent.Order{Key: "run", Database: pgtest.Orders, Region: pgtest.Central, Epoch: epoch(5), Upstream: pgtest.East,
		Slot: postgres.SlotName(pgtest.Central), As: agent.AsStandby}
	if _, err := c.Do(t.Context(), agent.VerbStart, o); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "did not end") {
		t.Fatalf("start of torn data = %v, want a conflict", err)
	}
	if b.Standby.PID() != 0 {
		t.Fatal("the agent started torn data")
	}
	for _, verb := range []string{agent.VerbReseed, agent.VerbStandby, agent.VerbStart} {
		do(t, c, verb, o)
	}
	eventually(t, "the reseeded standby streams", func() bool {
		v, err := b.Primary.Value(t.Context(), "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
		return err == nil && v == "1"
	})
}

func TestUnreadableMemoryIsSaidAndNothingIsStarted(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	b.StopAgent(t, pgtest.Central)
	state := filepath.Join(filepath.Dir(b.Standby.DataDir), "agent", "agent.json")
	if err := os.WriteFile(state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := agent.New(b.AgentConfig(pgtest.Orders, pgtest.Central), agent.Options{TLS: b.TLS, Authorize: agent.RequireRole("control")})
	if err == nil || !strings.Contains(err.Error(), state) {
		t.Errorf("New with a damaged memory = %v, want it refused, naming %s", err, state)
	}
}

func TestConfigTellsAllProblemsAtOnce(t *testing.T) {
	err := agent.Config{Database: "Orders", Region: "us-east", DataDir: "/nonexistent", BinDir: "/nonexistent", User: "nobody-of-that-name",
		Upstreams: map[regions.ID]agent.Upstream{"us-east": {Stream: "host=x password=y"}}}.Validate()
	for _, want := range []string{"Orders", "data_dir", "bin_dir", "state_dir", "user", "follow itself", "holds a password"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want it to mention %q", err, want)
		}
	}
}
