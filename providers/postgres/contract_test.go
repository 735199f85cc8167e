package postgres_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/postgres"
	"fairlead/providers/postgres/pgtest"
	"fairlead/providers/providertest"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func count(t *testing.T, path, what string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return strings.Count(string(text), what)
}

var there = map[string]string{"from": string(pgtest.East), "to": string(pgtest.Central)}

func TestContractOfFence(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	ways := 0
	providertest.Run(t, func(t *testing.T) providertest.Subject {
		ways++ // each promise is held to in a decision of its own
		r := switchover(t, provider(t, b.Model, b), uint64(10*ways), pgtest.East, pgtest.Central)
		r.do("unfence")
		r.eventually("preflight")
		const stopped = "received fast shutdown request"
		before := count(t, b.Primary.LogFile(), stopped)
		return providertest.Subject{Provider: r.p, OwnEpochs: true, Request: providers.Request{Action: "fence", Epoch: r.epoch, Params: there},
			Key: r.name, Effects: func() int { return count(t, b.Primary.LogFile(), stopped) - before }}
	})
}

func TestContractOfPromote(t *testing.T) {
	t.Parallel()
	providertest.Run(t, func(t *testing.T) providertest.Subject {
		b := pgtest.WithAgents(t) // a promotion is not taken back
		p := provider(t, b.Model, b)
		failover(t, p, 1).do("fence")
		return providertest.Subject{Provider: p, OwnEpochs: true, Request: providers.Request{Action: "promote", Params: there},
			Effects: func() int { return count(t, b.Standby.LogFile(), "received promote request") }}
	})
}

func TestContractOfVerifyWritable(t *testing.T) {
	t.Parallel()
	b := pgtest.WithAgents(t)
	providertest.Run(t, func(t *testing.T) providertest.Subject {
		if err := b.Primary.Exec(t.Context(), "DELETE FROM fairlead_canary"); err != nil {
			t.Fatal(err)
		}
		return providertest.Subject{Provider: provider(t, b.Model, b), OwnEpochs: true,
			Request: providers.Request{Action: "verify_writable", Params: map[string]string{"from": string(pgtest.Central), "to": string(pgtest.East)}},
			Effects: func() int {
				v, err := b.Primary.Value(t.Context(), "SELECT count(*) FROM fairlead_canary")
				if err != nil {
					t.Fatal(err)
				}
				n, _ := strconv.Atoi(v)
				return n
			}}
	})
}

// controlProgram stands for a company's own way to control its hosts.
const controlProgram = `#!/bin/sh
data=$1; bin=$2; verb=$3
run() { if [ "$(id -u)" = 0 ]; then runuser -u "$USER_OF_DATA" -- "$@"; else "$@"; fi; }
USER_OF_DATA=$(stat -c %U "$data")
pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
case $verb in
status) if [ -n "$pid" ] && [ "$(cat /proc/$pid/comm 2>/dev/null)" = postgres ]; then echo alive; else echo dead; fi ;;
fence) touch "$data/standby.signal"; [ -z "$pid" ] || run "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null ;;
start) [ "$FAIRLEAD_AS" = standby ] || rm -f "$data/standby.signal"; run "$bin/pg_ctl" -D "$data" -w -l "$data/../by-control.log" start >/dev/null ;;
control) run "$bin/pg_controldata" -D "$data" ;;
*) echo "no verb $verb" >&2; exit 1 ;;
esac
`

func TestControlCommandStandsForAnAgent(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t)
	program := filepath.Join(t.TempDir(), "control")
	if err := os.WriteFile(program, []byte(controlProgram), 0o755); err != nil {
		t.Fatal(err)
	}
	db := pr.Model(pgtest.Orders, nil)
	for i, s := range pr.Servers() {
		db.Members[i].Control = []string{program, s.DataDir, s.BinDir}
	}
	p := provider(t, db, nil)
	r := switchover(t, p, 5, pgtest.East, pgtest.Central)
	r.do("preflight")
	f, err := p.Act(t.Context(), r.request("fence"))
	if err != nil || f.State != providers.Done || !strings.Contains(f.Detail, "told so and did not see it") {
		t.Fatalf("fence by a control command = %+v, %v; want done, claiming only what was said", f, err)
	}
	r.do("unfence")
	again := switchover(t, p, 6, pgtest.East, pgtest.Central)
	again.eventually("preflight")
	f, err = p.Act(t.Context(), again.request("fence"))
	if err != nil {
		t.Fatal(err)
	}
	again.extra = map[string]string{"lsn": f.Values["lsn"]}
	again.do("wait_replay")
	again.do("promote")
	again.do("verify_writable")
}

func TestFleetFollowsTheConfiguration(t *testing.T) {
	f := postgres.NewFleet(postgres.Options{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	member := func(port string) []regions.Member {
		return []regions.Member{{Region: "a", DSN: "host=127.0.0.1 port=" + port}, {Region: "b", DSN: "host=127.0.0.1 port=" + port}}
	}
	set := func(want bool, dbs ...regions.Database) {
		t.Helper()
		if err := f.Set(dbs); (err == nil) != want {
			t.Fatalf("Set(%v) = %v, want success = %v", dbs, err, want)
		}
	}
	get := func(id regions.DatabaseID) *postgres.Provider {
		t.Helper()
		p, err := f.Database(id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		return p
	}
	orders := regions.Database{ID: "orders", Engine: "postgres", Members: member("1")}
	carts := regions.Database{ID: "carts", Engine: "postgres", Members: member("2")}
	set(true, orders, carts, regions.Database{ID: "cache", Engine: "redis"})
	first, other := get("orders"), get("carts")
	if first == nil || other == nil || get("cache") != nil {
		t.Fatal("the fleet should have orders and carts, and not the cache")
	}
	set(true, orders)
	if get("orders") != first || get("carts") != nil {
		t.Error("what did not change should be kept, with its connections, and what is gone be gone")
	}
	broken := orders
	broken.Members = []regions.Member{{Region: "a", DSN: "port=not-a-port"}}
	set(false, broken)
	if get("orders") != first {
		t.Error("a database that cannot be made should stay as it was")
	}
	orders.Members = member("3")
	set(true, orders)
	if get("orders") == first {
		t.Error("a database that changed should be made anew")
	}
	if _, err := f.Act(t.Context(), providers.Request{Key: "k", Action: "fence", Params: map[string]string{"database": "none"}}); !fault.Is(err, fault.NotFound) {
		t.Errorf("Act on an unknown database = %v, want not found", err)
	}
}

func TestMonitorKnowsTheLagOfAPrimaryThatIsGone(t *testing.T) {
	t.Parallel()
	pr := pgtest.New(t) // no agent: nobody can read the dead primary's disk
	p := provider(t, pr.Model(pgtest.Orders, nil), nil)
	watch(t, p)
	time.Sleep(1500 * time.Millisecond)
	if err := pr.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	res := failover(t, p, 5).do("lag")
	most, err := strconv.ParseFloat(res.Values["seconds_max"], 64)
	if err != nil || most <= 0 || most > 60 || res.Values["source"] != "the last sample of the old writer" {
		t.Errorf("lag of a dead primary = %+v, want a known time by the last sample", res.Values)
	}
	fresh, err := provider(t, pr.Model(pgtest.Orders, nil), nil).Act(t.Context(), failover(t, p, 5).request("lag"))
	if err != nil || fresh.State != providers.Unknown || fresh.Values["bytes_max"] != "unknown" || !strings.Contains(fresh.Detail, "newest heartbeat") {
		t.Errorf("lag by a node that never saw the primary = %+v, %v; want unknown, with the newest heartbeat", fresh, err)
	}
}
