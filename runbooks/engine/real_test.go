package engine_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/postgres"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions"
	"fairlead/runbooks"
	"fairlead/runbooks/engine"
	"fairlead/runbooks/steps"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// pair is a real PostgreSQL pair with agents, steered by the engine; only
// store and DNS are played.
type pair struct {
	*world // for the epoch and the nodes
	*pgtest.Beside
	registry *providers.Registry
	provider *postgres.Fleet
	journal  *memory
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{world: newWorld(), Beside: pgtest.WithAgents(t), journal: newMemory()}
	p.Model.MaxLagBytes, p.Model.MaxLagTime = 16<<20, time.Minute
	p.fresh(t)
	return p
}

// fresh makes a provider that remembers nothing, as a process does that was
// just started.
func (p *pair) fresh(t *testing.T) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	p.provider = postgres.NewFleet(postgres.Options{TLS: p.TLS, Node: "control-1"}, log)
	if err := p.provider.Set([]regions.Database{p.Model}); err != nil {
		t.Fatal(err)
	}
	p.registry = providers.NewRegistry(log)
	p.registry.Put(steps.PostgresProvider, p.provider)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.provider.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (p *pair) Fleet() *regions.Fleet {
	f := p.world.Fleet()
	f.Databases = []regions.Database{p.Model}
	return f
}

func (p *pair) set() *steps.Set {
	return steps.New(steps.Outside{Providers: p.registry, Steering: p.world, World: p})
}

func (p *pair) begin(t *testing.T, id runbooks.ExecutionID, name string, params map[string]string) {
	t.Helper()
	start, refusals, err := p.set().Plan(t.Context(), book(t, name), steps.Ask{Params: params})
	if err != nil || len(refusals) > 0 {
		t.Fatalf("plan of %s = %v, refusals %+v", name, err, refusals)
	}
	if _, err := p.journal.append(id, 0, runbooks.Event{Kind: runbooks.Started, At: time.Now(), Principal: "anna", Reason: "test", Start: &start}); err != nil {
		t.Fatal(err)
	}
}

// engine runs one until the returned function is called.
func (p *pair) engine(t *testing.T, node regions.NodeID) (stop func()) {
	t.Helper()
	e, err := engine.New(node, p.journal.lead(), p.set(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// until waits for a run to satisfy a condition.
func (p *pair) until(t *testing.T, id runbooks.ExecutionID, what string, f func(*runbooks.Execution) bool) *runbooks.Execution {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		x := p.journal.fold(t, id)
		if f(x) {
			return x
		}
		if _, _, over := x.Ended(); over || time.Now().After(deadline) {
			events, _ := p.journal.Read(t.Context(), id)
			t.Fatalf("run %s is %s (%s), want %s%s", id, x.State(), x.Sentence(), what, story(events))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *pair) ends(t *testing.T, id runbooks.ExecutionID, want runbooks.Outcome) *runbooks.Execution {
	t.Helper()
	return p.until(t, id, string(want), func(x *runbooks.Execution) bool {
		o, _, over := x.Ended()
		if over {
			for _, s := range x.Steps() {
				t.Logf("%-16s %-12s %5d ms  %s", s.Step, s.State, s.Duration.Milliseconds(), s.Detail)
			}
		}
		return over && o == want
	})
}

func (p *pair) writes(t *testing.T, region regions.ID) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := p.Server(region).Value(ctx, "SELECT pg_is_in_recovery()::text")
	return err == nil && v == "false"
}

// promotions is how often PostgreSQL itself says that a server was promoted.
func (p *pair) promotions(t *testing.T, region regions.ID) int {
	t.Helper()
	text, err := os.ReadFile(p.Server(region).LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "received promote request")
}

func TestRealSwitchoverThereAndBack(t *testing.T) {
	p := newPair(t)
	defer p.engine(t, "a")()
	p.begin(t, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central"})
	p.until(t, "run-1", "to await approval", func(x *runbooks.Execution) bool { return x.State() == runbooks.RunAwaiting })
	p.journal.ask(t, "run-1", runbooks.OpApprove, "bert")
	p.ends(t, "run-1", runbooks.OutcomeDone)
	if p.writes(t, pgtest.East) || !p.writes(t, pgtest.Central) {
		t.Fatalf("us-east writes: %v, eu-central writes: %v; want only eu-central", p.writes(t, pgtest.East), p.writes(t, pgtest.Central))
	}
	p.begin(t, "run-2", "switchover", map[string]string{"database": "orders", "to": "us-east", "approval": "false"})
	p.ends(t, "run-2", runbooks.OutcomeDone)
	if !p.writes(t, pgtest.East) || p.writes(t, pgtest.Central) {
		t.Fatalf("us-east writes: %v, eu-central writes: %v; want only us-east", p.writes(t, pgtest.East), p.writes(t, pgtest.Central))
	}
}

func TestRealFailoverOfAKilledWriterAndReprotection(t *testing.T) {
	p := newPair(t)
	defer p.engine(t, "a")()
	time.Sleep(2500 * time.Millisecond) // the monitor has looked
	if err := p.Server(pgtest.East).Kill(); err != nil {
		t.Fatal(err)
	}
	p.begin(t, "run-1", "failover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
	x := p.ends(t, "run-1", runbooks.OutcomeDone)
	if r, ok := x.Receipt(); !ok || r.BytesMax == nil {
		t.Errorf("receipt = %+v, want what could be lost", r)
	}
	if !p.writes(t, pgtest.Central) {
		t.Error("eu-central does not write")
	}
	p.begin(t, "run-2", "reprotect", map[string]string{"database": "orders", "region": "us-east"})
	p.ends(t, "run-2", runbooks.OutcomeDone)
}

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s has not come within a minute", what)
	}
}

func TestRealCrashBetweenFenceAndPromotion(t *testing.T) {
	p := newPair(t)
	p.begin(t, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
	fenced := make(chan struct{})
	p.journal.written = func(at runbooks.Position) {
		x := p.journal.fold(t, "run-1")
		if x.Current() == "wait-replay" && len(x.InFlight()) == 0 {
			p.journal.depose()
			close(fenced)
		}
	}
	stop := p.engine(t, "a")
	within(t, fenced, "the fence")
	stop()
	p.journal.written = nil
	p.fresh(t) // another process: it remembers no fence
	defer p.engine(t, "b")()
	p.ends(t, "run-1", runbooks.OutcomeDone)
	if n := p.promotions(t, pgtest.Central); n != 1 {
		t.Errorf("PostgreSQL was promoted %d times, want once", n)
	}
}

func TestRealCrashInTheMiddleOfThePromotion(t *testing.T) {
	p := newPair(t)
	p.begin(t, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
	promoting := make(chan struct{})
	p.journal.written = func(at runbooks.Position) {
		for _, f := range p.journal.fold(t, "run-1").InFlight() {
			if f.Step == "promote" {
				p.journal.depose() // the act goes on; what comes of it reaches no journal
				close(promoting)
			}
		}
	}
	stop := p.engine(t, "a")
	within(t, promoting, "the promotion")
	time.Sleep(20 * time.Millisecond)
	stop()
	p.journal.written = nil
	p.fresh(t)
	defer p.engine(t, "b")()
	x := p.ends(t, "run-1", runbooks.OutcomeDone)
	if n := p.promotions(t, pgtest.Central); n != 1 {
		t.Errorf("PostgreSQL was promoted %d times, want once", n)
	}
	for _, s := range x.Steps() {
		if s.Step == "promote" && s.Interruptions != 1 {
			t.Errorf("the trail shows %d interruptions of the promotion, want 1", s.Interruptions)
		}
	}
}

func TestRealAbortAfterTheFenceStartsTheOldWriterAgain(t *testing.T) {
	p := newPair(t)
	defer p.engine(t, "a")()
	p.begin(t, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false", "hold": "1h"})
	p.until(t, "run-1", "to hold", func(x *runbooks.Execution) bool { return x.Current() == "hold" })
	if p.writes(t, pgtest.East) {
		t.Error("us-east writes after the fence")
	}
	p.journal.ask(t, "run-1", runbooks.OpAbort, "bert")
	p.ends(t, "run-1", runbooks.OutcomeUndone)
	if !p.writes(t, pgtest.East) || p.writes(t, pgtest.Central) {
		t.Errorf("us-east writes: %v, eu-central writes: %v; want only us-east", p.writes(t, pgtest.East), p.writes(t, pgtest.Central))
	}
}
