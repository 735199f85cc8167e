package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/providers/postgres"
	"fairlead/providers/postgres/pair"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestRealSwitchoverThereAndBack(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

func TestRealPromotionThatIsRefusedGivesTheOldWriterBack(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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

func TestRealCrashBetweenFenceAndPromotion(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
