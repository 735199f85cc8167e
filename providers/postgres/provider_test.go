package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/postgres"
	"fairlead/providers/postgres/pair"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSwitchoverUnderLoadAndBackLosesNothing(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	watch(t, p)
	c := newCrowd(t, b.Pair, 10, 20*time.Millisecond) // 500 rows a second
	time.Sleep(time.Second)

	for i, way := range []struct{ from, to *pair.Server }{{b.Primary, b.Standby}, {b.Standby, b.Primary}} {
		n := uint64(5 + 2*i)
		r := switchover(t, p, n, way.from.Region, way.to.Region)
		r.do("preflight")
		if l := r.do("lag"); l.Values["source"] != "the old writer itself" {
			t.Errorf("lag while the primary answers comes from %q", l.Values["source"])
		}
		r.do("quiesce")
		began := time.Now()
		f := r.do("fence")
		r.extra = map[string]string{"lsn": f.Values["lsn"]}
		r.do("wait_replay")
		pr := r.do("promote")
		r.do("verify_writable")
		t.Logf("switchover %s to %s: %v without a writer by the engine's own clock", way.from.Region, way.to.Region, time.Since(began))
		if before, after := pr.Values["timeline_before"], pr.Values["timeline_after"]; after != fmt.Sprint(i+2) || before != fmt.Sprint(i+1) {
			t.Errorf("timelines before and after = %s, %s; want %d, %d", before, after, i+1, i+2)
		}
		after := switchover(t, p, n+1, way.from.Region, way.to.Region)
		after.do("slot")
		after.do("reprotect")
		for _, m := range p.Status(t.Context()) { // said at once, not after the standby's next checkpoint
			if m.Err != nil || m.Facts.Timeline != uint32(i+2) {
				t.Errorf("after switchover %d: %s; want both on timeline %d", i+1, m, i+2)
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	c.end()
	lost := c.lost(t, b.Primary)
	t.Logf("%d rows acknowledged, longest gap between two %v", len(c.acked), c.gap())
	if len(lost) > 0 || len(c.acked) < 500 {
		t.Errorf("%d of %d acknowledged rows are lost: %v", len(lost), len(c.acked), lost)
	}
	if c.gap() > 10*time.Second {
		t.Errorf("nobody could write for %v, want far less than 10 s", c.gap())
	}
	if v, err := b.Primary.Value(t.Context(), "SELECT count(*) FROM pg_replication_slots"); err != nil || v != "1" {
		t.Errorf("the writer has %s slots (%v), want one", v, err)
	}
	if v, err := b.Standby.Value(t.Context(), "SELECT count(*) FROM pg_replication_slots"); err != nil || v != "0" {
		t.Errorf("the standby has %s slots (%v), want none that retains WAL", v, err)
	}
}

func TestFailoverOfAKilledPrimary(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	watch(t, p)
	c := newCrowd(t, b.Pair, 5, 10*time.Millisecond)
	time.Sleep(2500 * time.Millisecond) // some samples
	if err := b.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	r := failover(t, p, 5)
	r.do("preflight")
	l := r.do("lag")
	r.do("fence")
	r.do("promote")
	r.do("verify_writable")
	r.do("slot")
	time.Sleep(300 * time.Millisecond)
	c.end()
	lost := c.lost(t, b.Standby)
	if !strings.Contains(l.Values["source"], "its disk") || l.Values["bytes_min"] != l.Values["bytes_max"] || len(lost) > 0 && l.Values["bytes_max"] == "0" {
		t.Errorf("%d rows are lost; receipt %v; want an exact number of bytes, read from the old primary's disk", len(lost), l.Values)
	}
	worst, err := strconv.ParseFloat(l.Values["seconds_max"], 64)
	if err != nil {
		t.Fatalf("seconds_max is %q", l.Values["seconds_max"])
	}
	for _, n := range lost {
		if before := killed.Sub(c.acked[n]).Seconds(); before > worst+0.1 {
			t.Errorf("row %d was acknowledged %.3f s before the kill and lost; the receipt said at most %.3f s", n, before, worst)
		}
	}
	t.Logf("%d of %d rows lost, receipt %v, gap %v", len(lost), len(c.acked), l.Values, c.gap())

	// Somebody starts the old primary by hand.
	if err := b.Primary.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := superInsert(b.Primary); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("superuser's INSERT on the old primary, started by hand: %v; want it refused as read-only", err)
	}
	after := switchover(t, p, 6, pgtest.East, pgtest.Central)
	after.do("reprotect")
	if v, err := b.Primary.Value(t.Context(), "SELECT pg_is_in_recovery()"); err != nil || v != "true" {
		t.Errorf("after re-protection the old primary is in recovery: %s (%v), want true", v, err)
	}
}

func TestFrozenPrimaryWithoutAgentIsNotPromotedOver(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t)
	p := provider(t, pr.Model(pgtest.Orders, nil), nil)
	if err := pr.Primary.Freeze(); err != nil {
		t.Fatal(err)
	}
	defer pr.Primary.Thaw()
	r := failover(t, p, 5)
	r.refused("preflight", fault.Conflict, "declared_lost_by=YOUR-NAME")
	r.refused("fence", fault.Unavailable, "unfenced")
	r.refused("promote", fault.Unavailable, "not known to be fenced")
	if v, err := pr.Standby.Value(t.Context(), "SELECT pg_is_in_recovery()"); err != nil || v != "true" {
		t.Fatalf("the standby is in recovery: %s (%v), want true", v, err)
	}
	// A person takes it on themselves, by name, and the evidence says so.
	r = r.with("declared_lost_by", "ada")
	res := r.do("fence")
	if res.Values["fence"] != postgres.Declared || !strings.Contains(res.Detail, "unfenced: ada declared us-east lost") {
		t.Errorf("fence by declaration says %+v, want it to say unfenced, and who", res)
	}
	r.do("promote")
	r.do("verify_writable")
}

func TestADeclaredLossOutlivesTheNodeThatHeardIt(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t)
	if err := pr.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	r := failover(t, provider(t, pr.Model(pgtest.Orders, nil), nil), 5).with("declared_lost_by", "ada")
	r.do("preflight")
	r.do("fence")
	// Whoever takes over finds the word in the request, and how the fence came
	// about in what the run says.
	r.p = provider(t, pr.Model(pgtest.Orders, nil), nil)
	seen := r.observe("fence")
	if seen.State != providers.Done || seen.Values["fence"] != postgres.Declared {
		t.Fatalf("observe fence after a crash = %+v, want done by the word that was given", seen)
	}
	r.p = provider(t, pr.Model(pgtest.Orders, nil), nil)
	r.refused("promote", fault.Unavailable, "not known to be fenced")
	r.with("fence", seen.Values["fence"]).do("promote")
}

func TestNoWordCountsAgainstWhatIsSeen(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t) // no agent, and the old writer lives
	p := provider(t, pr.Model(pgtest.Orders, nil), nil)
	r := failover(t, p, 5).with("declared_lost_by", "ada")
	r.refused("preflight", fault.Conflict, "was declared lost by ada, but is there")
	r.refused("fence", fault.Conflict, "was declared lost by ada, but is there")
	r.with("fence", postgres.Declared).refused("promote", fault.Conflict, "is there (it answers as a primary)")
	// A server that refuses our login is a server that runs.
	db := pr.Model(pgtest.Orders, nil)
	db.Members[0].PasswordFile = wrongPassword(t)
	failover(t, provider(t, db, nil), 5).with("declared_lost_by", "ada").refused("fence", fault.Conflict, "is there: refuses the login")
}

const secret = "not-the-password"

func wrongPassword(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFrozenPrimaryWithAgentIsFenced(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	if err := b.Primary.Freeze(); err != nil {
		t.Fatal(err)
	}
	r := failover(t, p, 5)
	r.do("fence")
	r.do("promote")
	r.do("verify_writable")
}

func TestPreflightNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	r := switchover(t, p, 5, pgtest.East, pgtest.Central)
	r.do("preflight")
	tests := []struct {
		name          string
		at            *pair.Server
		breaks, mends string
		want          string
	}{
		{"replay paused", b.Standby, "SELECT pg_wal_replay_pause()", "SELECT pg_wal_replay_resume()", "replay_not_paused"},
		{"apply delay", b.Standby, "ALTER SYSTEM SET recovery_min_apply_delay = '1min'", "ALTER SYSTEM RESET recovery_min_apply_delay", "no_apply_delay"},
		{"read-only by default", b.Standby, "ALTER SYSTEM SET default_transaction_read_only = on", "ALTER SYSTEM RESET default_transaction_read_only", "to_writable_by_default"},
		{"no right to promote", b.Primary, "REVOKE EXECUTE ON FUNCTION pg_promote(boolean, integer) FROM fairlead", "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO fairlead", "may_promote"},
		{"standby not connected, slot missing", b.Standby, "ALTER SYSTEM SET primary_slot_name = 'absent'", "ALTER SYSTEM SET primary_slot_name = 'fairlead_eu_central'", "slot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := r
			r.t = t
			for _, sql := range []string{tt.breaks, "SELECT pg_reload_conf()"} {
				if err := tt.at.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			deadline := time.Now().Add(10 * time.Second)
			for { // a reload takes its time
				_, err := p.Act(t.Context(), r.request("preflight"))
				if err != nil && strings.Contains(err.Error(), tt.want+":") {
					if !fault.Is(err, fault.Conflict) {
						t.Errorf("preflight = %v, want a conflict", fault.Of(err))
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("preflight = %v, want it to name %s", err, tt.want)
				}
				time.Sleep(20 * time.Millisecond)
			}
			for _, sql := range []string{tt.mends, "SELECT pg_reload_conf()"} {
				if err := tt.at.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			for {
				if res, err := p.Observe(t.Context(), r.request("preflight")); err == nil && res.State == providers.Done {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("preflight still fails after %q", tt.mends)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

func TestWrongPasswordIsSaidAndNotTold(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t)
	db := pr.Model(pgtest.Orders, nil)
	for i := range db.Members {
		db.Members[i].PasswordFile = wrongPassword(t)
	}
	r := switchover(t, provider(t, db, nil), 5, pgtest.East, pgtest.Central)
	_, err := r.p.Act(t.Context(), r.request("preflight"))
	if err == nil || !strings.Contains(err.Error(), "refuses the login") || !strings.Contains(err.Error(), "password file") || strings.Contains(err.Error(), secret) {
		t.Errorf("preflight with a wrong password = %v; want it to say so, without the password", err)
	}
	r.refused("verify_writable", fault.Denied, "password file")
}

func TestCrashBetweenFenceAndPromoteGoesOnByLooking(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	first := provider(t, b.Model, b)
	r := switchover(t, first, 5, pgtest.East, pgtest.Central)
	r.do("preflight")
	r.do("quiesce")
	r.do("fence")
	first.Close() // the node dies

	r.p = provider(t, b.Model, b) // another one takes over, knowing only keys
	for _, action := range []string{"fence", "wait_replay"} {
		if res := r.observe(action); res.State != providers.Done {
			t.Errorf("observe %s after the crash = %+v, want done", action, res)
		}
	}
	if res := r.observe("promote"); res.State != providers.NotDone {
		t.Fatalf("observe promote after the crash = %+v, want not done", res)
	}
	r.do("promote")
	r.do("promote") // whoever is not sure asks again
	if res := r.do("verify_writable"); res.Values["timeline"] != "2" {
		t.Errorf("timeline after asking twice for promotion = %s, want 2: promoted once", res.Values["timeline"])
	}
	if text, err := os.ReadFile(b.Standby.LogFile()); err != nil || strings.Count(string(text), "received promote request") != 1 {
		t.Errorf("PostgreSQL's log shows %d promotions (%v), want 1", strings.Count(string(text), "received promote request"), err)
	}
}

func TestUnfenceBringsTheOldWriterBackUnlessPromoted(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	r := switchover(t, p, 5, pgtest.East, pgtest.Central)
	r.do("preflight")
	r.do("fence")
	if res := r.observe("unfence"); res.State != providers.NotDone {
		t.Errorf("observe unfence while fenced = %+v, want not done", res)
	}
	r.do("unfence")
	r.do("unfence")
	if err := superInsert(b.Primary); err == nil || strings.Contains(err.Error(), "read-only") {
		t.Errorf("INSERT after unfence = %v, want it to fail for want of a table only", err)
	}

	again := switchover(t, p, 6, pgtest.East, pgtest.Central)
	again.eventually("preflight") // the standby has to find its primary again
	again.do("fence")
	again.do("wait_replay")
	again.do("promote")
	again.refused("unfence", fault.Conflict, "two would write")
	if b.Primary.PID() != 0 {
		t.Error("the old writer runs although the new one was promoted")
	}
}

func TestAWriterThatItsAgentMayStillFenceIsNotTakenForUnfenced(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	p := provider(t, b.Model, b)
	r := switchover(t, p, 5, pgtest.East, pgtest.Central)
	b.StopAgent(t, pgtest.East) // with an order to fence in its buffers, for all that is known here
	if res := r.observe("unfence"); res.State == providers.Done {
		t.Errorf("observe unfence while the agent is silent and the server writes = %+v, want anything but done", res)
	}
	b.StartAgent(t, pgtest.East)
	r.do("unfence")
	if res := r.observe("unfence"); res.State != providers.Done {
		t.Errorf("observe unfence once the agent has confirmed it = %+v, want done", res)
	}
	again := provider(t, b.Model, b) // as after a crash: what nobody remembers is asked for again
	switchover(t, again, 5, pgtest.East, pgtest.Central).do("unfence")
}

func TestSwitchoverStopsNoWriterWhoseStandbyIsAway(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	r := switchover(t, provider(t, b.Model, b), 5, pgtest.East, pgtest.Central)
	slot := "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
	for _, sql := range []string{"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'", "SELECT pg_reload_conf()"} {
		if err := b.Standby.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if v, err := b.Primary.Value(t.Context(), "SELECT count(*) FROM pg_stat_replication"); err == nil && v == "0" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby stays connected")
		}
		if err := b.Primary.Exec(t.Context(), slot); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.refused("fence", fault.Conflict, "does not stream")
	r.refused("promote", fault.Conflict, "fence it first: two would write")
	if err := b.Standby.Kill(); err != nil {
		t.Fatal(err)
	}
	r.refused("fence", fault.Unavailable, "could not take over")
	failover(t, r.p, 5).refused("fence", fault.Unavailable, "could not take over")
	if b.Primary.PID() == 0 {
		t.Error("the primary was stopped")
	}
}

func TestOlderEpochReachesNobody(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	r := switchover(t, provider(t, b.Model, b), 7, pgtest.East, pgtest.Central)
	r.do("announce")
	b.StopAgent(t, pgtest.Central)
	if res, err := r.p.Act(t.Context(), r.request("announce")); err != nil || res.State != providers.NotDone || !strings.Contains(res.Detail, "eu-central (does not answer") {
		t.Errorf("announce with an agent out of reach = %+v, %v; want it named, and no error", res, err)
	}
	b.StartAgent(t, pgtest.Central)
	// Another node, which has seen nothing, acts for a run of the past.
	late := switchover(t, provider(t, b.Model, b), 6, pgtest.East, pgtest.Central)
	late.refused("fence", fault.Conflict, "older than")
	late.refused("promote", fault.Conflict, "")
	if b.Primary.PID() == 0 {
		t.Error("an older epoch stopped the primary")
	}
	if v, err := b.Standby.Value(t.Context(), "SELECT pg_is_in_recovery()"); err != nil || v != "true" {
		t.Errorf("the standby is in recovery: %s (%v), want true", v, err)
	}
}

func TestDataCarryTheEpochWhereNoAgentDoes(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t)
	db := pr.Model(pgtest.Orders, nil)
	back := switchover(t, provider(t, db, nil), 9, pgtest.Central, pgtest.East)
	back.do("verify_writable") // a row on the primary carries epoch 9
	eventually(t, "the row has reached the standby", func() bool {
		v, err := pr.Standby.Value(t.Context(), "SELECT count(*) FROM fairlead_canary")
		return err == nil && v == "1"
	})
	if err := pr.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	late := failover(t, provider(t, db, nil), 8).with("declared_lost_by", "ada")
	late.refused("preflight", fault.Conflict, "the newest that the data carries is 1.9")
	late.refused("fence", fault.Conflict, "the newest that the data carries is 1.9")
	late.with("fence", postgres.Declared).refused("promote", fault.Conflict, "older than")
}

func TestSynchronousNamesAreClearedSoThatCommitsReturn(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	if err := b.Standby.Exec(t.Context(), `ALTER SYSTEM SET synchronous_standby_names = '"us-east"'`); err != nil {
		t.Fatal(err)
	}
	if err := b.Standby.Exec(t.Context(), "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	r := switchover(t, provider(t, b.Model, b), 5, pgtest.East, pgtest.Central)
	r.do("fence")
	r.do("wait_replay")
	if res := r.do("promote"); res.Values["synchronous_standby_names"] != `"us-east"` {
		t.Errorf("promote says the names were %q, want us-east", res.Values["synchronous_standby_names"])
	}
	r.do("verify_writable")
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	db := regions.Database{ID: "orders", Members: []regions.Member{{Region: "a", DSN: "host=127.0.0.1 port=1"}, {Region: "b", DSN: "host=127.0.0.1 port=1"}, {Region: "c", DSN: "host=127.0.0.1 port=1"}}}
	p := provider(t, db, nil)
	tests := []struct {
		name string
		req  providers.Request
		kind fault.Kind
	}{
		{"an unknown action", providers.Request{Key: "k", Action: "explode", Region: "a"}, fault.Invalid},
		{"an unknown region", providers.Request{Key: "k", Action: "fence", Params: map[string]string{"from": "a", "to": "z"}}, fault.NotFound},
		{"one region of three", providers.Request{Key: "k", Action: "fence", Region: "a"}, fault.NotFound},
		{"from itself to itself", providers.Request{Key: "k", Action: "fence", Params: map[string]string{"from": "a", "to": "a"}}, fault.Invalid},
		{"a limit that is none", providers.Request{Key: "k", Action: "lag", Params: map[string]string{"from": "a", "to": "b", "within": "soon"}}, fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := p.Act(t.Context(), tt.req); !fault.Is(err, tt.kind) {
				t.Errorf("Act(%+v) = %v, want %v", tt.req, err, tt.kind)
			}
		})
	}
}
