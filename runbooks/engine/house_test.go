package engine_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
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

// house is a real PostgreSQL pair with agents, steered by the engine; only
// store and DNS are played.
type house struct {
	*world // for the epoch and the nodes
	*pgtest.Beside
	registry *providers.Registry
	provider *postgres.Fleet
	journal  *memory
}

func newPair(t *testing.T) *house {
	t.Helper()
	p := &house{world: newWorld(), Beside: pgtest.WithAgents(t), journal: newMemory()}
	p.Model.MaxLagBytes, p.Model.MaxLagTime = 16<<20, time.Minute
	p.fresh(t)
	return p
}

// fresh makes a provider that remembers nothing, as a process does that was
// just started.
func (p *house) fresh(t *testing.T) {
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

func (p *house) Fleet() *regions.Fleet {
	f := p.world.Fleet()
	f.Databases = []regions.Database{p.Model}
	return f
}

func (p *house) set() *steps.Set {
	return steps.New(steps.Outside{Providers: p.registry, Steering: p.world, World: p})
}

func (p *house) begin(t *testing.T, id runbooks.ExecutionID, name string, params map[string]string) {
	t.Helper()
	start, refusals, err := p.set().Plan(t.Context(), book(t, name), steps.Ask{Params: params})
	if err != nil || len(refusals) > 0 {
		t.Fatalf("plan of %s = %v, refusals %+v", name, err, refusals)
	}
	if _, err := p.journal.append(id, 0, runbooks.Event{Kind: runbooks.Started, At: time.Now(), Principal: "anna", Reason: "test", Start: &start}); err != nil {
		t.Fatal(err)
	}
}

// engine runs one until the returned function is called, or the test ends.
func (p *house) engine(t *testing.T, node regions.NodeID) (stop func()) {
	t.Helper()
	e, err := engine.New(node, p.journal.lead(), p.set(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// until waits for a run to satisfy a condition.
func (p *house) until(t *testing.T, id runbooks.ExecutionID, what string, f func(*runbooks.Execution) bool) *runbooks.Execution {
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

func (p *house) ends(t *testing.T, id runbooks.ExecutionID, want runbooks.Outcome) *runbooks.Execution {
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

func (p *house) writes(t *testing.T, region regions.ID) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := p.Server(region).Value(ctx, "SELECT pg_is_in_recovery()::text")
	return err == nil && v == "false"
}

// promotions is how often PostgreSQL itself says that a server was promoted.
func (p *house) promotions(t *testing.T, region regions.ID) int {
	t.Helper()
	text, err := os.ReadFile(p.Server(region).LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "received promote request")
}

// measured waits until the standby has a heartbeat, which was written after the
// monitor had looked at the writer: from then on the lag is known.
func (p *house) measured(t *testing.T) {
	t.Helper()
	p.eventually(t, "the standby has a heartbeat", func() bool {
		v, err := p.Standby.Value(t.Context(), "SELECT count(*) FROM fairlead_heartbeat")
		return err == nil && v != "0"
	})
}

func (p *house) eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// once has f called when a step of a run has succeeded, before the engine does
// anything else.
func (p *house) once(t *testing.T, id runbooks.ExecutionID, step runbooks.StepID, f func()) {
	t.Helper()
	var called sync.Once
	p.journal.written = func(runbooks.Position) {
		events, _ := p.journal.Read(context.Background(), id)
		if last := events[len(events)-1]; last.Kind == runbooks.Finished && last.Step == step && last.Outcome == runbooks.Succeeded {
			called.Do(f)
		}
	}
}

// onlyEast demands that the old writer writes and that nothing was promoted.
func (p *house) onlyEast(t *testing.T) {
	t.Helper()
	if !p.writes(t, pgtest.East) || p.promotions(t, pgtest.Central) != 0 {
		t.Errorf("us-east writes: %v, eu-central was promoted %d times; want the old writer to write, and no promotion",
			p.writes(t, pgtest.East), p.promotions(t, pgtest.Central))
	}
}

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s has not come within a minute", what)
	}
}
