package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/postgres"
	"fairlead/providers/postgres/pair"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions"
	"fairlead/runbooks"
	"fairlead/runbooks/engine"
	"fairlead/runbooks/steps"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

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

func TestRealSwitchoverThereAndBack(t *testing.T) {
	p := newPair(t)
	p.engine(t, "a")
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
	p.engine(t, "a")
	p.measured(t)
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

func TestRealPromotionThatIsRefusedGivesTheOldWriterBack(t *testing.T) {
	tests := []struct {
		name    string
		happens func(t *testing.T, p *house) error
		because string
	}{
		{"the standby dies between fence and promotion", func(t *testing.T, p *house) error { return p.Standby.Kill() }, "does not answer"},
		{"somebody starts the old writer by hand", func(t *testing.T, p *house) error {
			return errors.Join(os.Remove(filepath.Join(p.Primary.DataDir, "standby.signal")), p.Primary.Start(context.Background()))
		}, "fence it first: two would write"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.begin(t, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
			p.once(t, "run-1", "wait-replay", func() {
				if err := tt.happens(t, p); err != nil {
					t.Error(err)
				}
			})
			p.engine(t, "a")
			x := p.ends(t, "run-1", runbooks.OutcomeUndone)
			if !strings.Contains(x.Sentence(), tt.because) {
				t.Errorf("the run says %q, want it to say %q", x.Sentence(), tt.because)
			}
			p.onlyEast(t)
		})
	}
}

func TestRealFailoverWhoseStandbyDiesSaysWhatStandsAndCanBeTakenBack(t *testing.T) {
	p := newPair(t)
	p.measured(t)
	p.begin(t, "run-1", "failover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
	p.once(t, "run-1", "fence", func() {
		if err := p.Standby.Kill(); err != nil {
			t.Error(err)
		}
	})
	p.engine(t, "a")
	x := p.until(t, "run-1", "to be blocked", func(x *runbooks.Execution) bool { return x.State() == runbooks.RunBlocked })
	if x.Current() != "promote" || !strings.Contains(x.Sentence(), "eu-central is not promoted") || !x.Abort().Possible {
		t.Fatalf("the run stands at %s, says %q, can be aborted: %v; want it to say that nothing was promoted, and an abort", x.Current(), x.Sentence(), x.Abort().Possible)
	}
	p.journal.ask(t, "run-1", runbooks.OpAbort, "bert")
	p.ends(t, "run-1", runbooks.OutcomeUndone)
	p.onlyEast(t)
}

func TestRealLostRegionIsPromotedOverOnAPersonsWordAlone(t *testing.T) {
	p := newPair(t)
	p.measured(t)
	if err := p.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	p.StopAgent(t, pgtest.East)
	p.engine(t, "a")

	move := func(more ...string) map[string]string {
		params := map[string]string{"database": "orders", "to": "eu-central"}
		for i := 0; i < len(more); i += 2 {
			params[more[i]] = more[i+1]
		}
		return params
	}
	_, refusals, err := p.set().Plan(t.Context(), book(t, "failover"), steps.Ask{Params: move()})
	if err != nil || len(refusals) != 1 || !strings.Contains(refusals[0].Remedy, "declared_lost_by=YOUR-NAME") {
		t.Fatalf("plan without anybody's word = %+v, %v; want one refusal, with the remedy", refusals, err)
	}

	p.begin(t, "run-1", "failover", move("approval", "false", "declared_lost_by", "carl"))
	x := p.ends(t, "run-1", runbooks.OutcomeRefused)
	if !strings.Contains(x.Sentence(), "declared_lost_by names carl, who has neither started nor approved this run") {
		t.Errorf("on the word of somebody else the run says %q", x.Sentence())
	}

	p.begin(t, "run-2", "failover", move("declared_lost_by", "bert"))
	x = p.until(t, "run-2", "to await approval", func(x *runbooks.Execution) bool { return x.State() == runbooks.RunAwaiting })
	for _, s := range x.Steps() {
		if s.Step == "fence" && (!s.Destructive || !strings.Contains(s.Description, "bert declares us-east lost")) {
			t.Errorf("the plan says %q, want the danger in words", s.Description)
		}
	}
	p.journal.ask(t, "run-2", runbooks.OpApprove, "bert")
	x = p.ends(t, "run-2", runbooks.OutcomeDone)
	for _, s := range x.Steps() {
		if s.Step == "fence" && (!strings.HasPrefix(s.Values["evidence"], "unfenced: bert declared us-east lost") || s.Values["fence"] != postgres.Declared) {
			t.Errorf("the evidence is %q, want it to claim no fence", s.Values["evidence"])
		}
	}
	if !strings.Contains(x.Sentence(), "not known to the agent in us-east") {
		t.Errorf("the run says %q, want it to name the agent that was not told", x.Sentence())
	}
	if !p.writes(t, pgtest.Central) {
		t.Error("eu-central does not write")
	}
}

// TestRealWhatCanBeKnownBeforeTheFenceIsRefusedBeforeIt breaks one thing at a
// time: the plan must say so, with a remedy, and a run that was planned before,
// and waited for its approval while it broke, must not stop the writer.
func TestRealWhatCanBeKnownBeforeTheFenceIsRefusedBeforeIt(t *testing.T) {
	p := newPair(t)
	p.engine(t, "a")
	sql := func(s *pair.Server, statements ...string) func() error {
		return func() error {
			for _, text := range append(statements, "SELECT pg_reload_conf()") {
				if err := s.Exec(context.Background(), text); err != nil {
					return err
				}
			}
			return nil
		}
	}
	// member has the provider know a server otherwise than it is.
	member := func(change func(*regions.Member)) func() error {
		return func() error {
			broken := p.Model
			broken.Members = slices.Clone(p.Model.Members)
			change(&broken.Members[1])
			return p.provider.Set([]regions.Database{broken})
		}
	}
	asItIs := func() error { return p.provider.Set([]regions.Database{p.Model}) }
	wrong := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	const promote = " EXECUTE ON FUNCTION pg_promote(boolean, integer) "
	tests := []struct {
		name            string
		breaks, mends   func() error
		problem, remedy string
	}{
		{"a DSN that does not answer", member(func(m *regions.Member) { m.DSN = "host=127.20.0.1 port=1 user=fairlead dbname=orders" }), asItIs,
			"orders in eu-central: does not answer: dial tcp 127.20.0.1:1", "see that it runs"},
		{"a wrong password", member(func(m *regions.Member) { m.PasswordFile = wrong }), asItIs,
			"orders in eu-central: refuses the login", "password file"},
		{"a standby that is paused", sql(p.Standby, "SELECT pg_wal_replay_pause()"), sql(p.Standby, "SELECT pg_wal_replay_resume()"),
			"replay on eu-central is paused", "pg_wal_replay_resume()"},
		{"a slot that is missing", sql(p.Standby, "ALTER SYSTEM SET primary_slot_name = 'absent'"), sql(p.Standby, "ALTER SYSTEM SET primary_slot_name = 'fairlead_eu_central'"),
			`slot "absent" is missing on us-east`, "pg_create_physical_replication_slot('absent', true) on us-east"},
		{"no right to promote", sql(p.Primary, "REVOKE"+promote+"FROM fairlead"), sql(p.Primary, "GRANT"+promote+"TO fairlead"),
			"may execute pg_promote: no", "run the setup statements"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan := func() []steps.Refusal {
				_, refusals, err := p.set().Plan(t.Context(), book(t, "switchover"), steps.Ask{Params: map[string]string{"database": "orders", "to": "eu-central"}})
				if err != nil {
					t.Fatal(err)
				}
				return refusals
			}
			id := runbooks.ExecutionID(fmt.Sprintf("run-%d", i))
			p.begin(t, id, "switchover", map[string]string{"database": "orders", "to": "eu-central"})
			p.until(t, id, "to await approval", func(x *runbooks.Execution) bool { return x.State() == runbooks.RunAwaiting })
			writer := p.Primary.PID()
			if err := tt.breaks(); err != nil {
				t.Fatal(err)
			}
			p.eventually(t, "the plan says what is wrong", func() bool {
				return slices.ContainsFunc(plan(), func(r steps.Refusal) bool {
					return strings.Contains(r.Problem, tt.problem) && strings.Contains(r.Remedy, tt.remedy)
				})
			})
			for _, r := range plan() {
				if t.Logf("%s: %s (%s)", r.Subject, r.Problem, r.Remedy); r.Remedy == "" {
					t.Errorf("%q has no remedy", r.Problem)
				}
			}
			p.journal.ask(t, id, runbooks.OpApprove, "bert")
			p.ends(t, id, runbooks.OutcomeRefused)
			if now := p.Primary.PID(); now != writer {
				t.Errorf("the writer was process %d and is %d: it was stopped", writer, now)
			}
			if err := tt.mends(); err != nil {
				t.Fatal(err)
			}
			p.eventually(t, "the plan finds nothing wrong", func() bool { return len(plan()) == 0 })
		})
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
	p.engine(t, "b")
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
	p.engine(t, "b")
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
	p.engine(t, "a")
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
