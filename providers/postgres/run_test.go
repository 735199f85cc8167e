package postgres_test

import (
	"context"
	"fmt"
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

// run is one run of a runbook, as far as a provider sees it.
type run struct {
	t     *testing.T
	p     *postgres.Provider
	name  string
	from  regions.ID
	to    regions.ID
	epoch regions.Epoch
	extra map[string]string
}

func (r run) request(action string) providers.Request {
	params := map[string]string{"from": string(r.from), "to": string(r.to)}
	for k, v := range r.extra {
		params[k] = v
	}
	region := r.to
	if action == "fence" || action == "unfence" || action == "reprotect" || action == "quiesce" {
		region = r.from
	}
	return providers.Request{Key: r.name + "/" + action, Action: action, Epoch: r.epoch, Region: region, Params: params}
}

// do acts, and demands that it succeeds and that the world then says so.
func (r run) do(action string) providers.Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	began := time.Now()
	res, err := r.p.Act(ctx, r.request(action))
	if err != nil || res.State != providers.Done {
		r.t.Fatalf("%s = %+v, %v; want done", action, res, err)
	}
	r.t.Logf("%-15s %5d ms  %s", action, time.Since(began).Milliseconds(), res.Detail)
	return res
}

func (r run) observe(action string) providers.Result {
	r.t.Helper()
	res, err := r.p.Observe(r.t.Context(), r.request(action))
	if err != nil {
		r.t.Fatalf("observe %s: %v", action, err)
	}
	return res
}

// eventually waits until the world says that an action is done.
func (r run) eventually(action string) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		res := r.observe(action)
		if res.State == providers.Done {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s is not done after 20 s: %+v", action, res)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// refused acts, and demands a fault of a kind that says want, from before
// anything was begun.
func (r run) refused(action string, kind fault.Kind, want string) {
	r.t.Helper()
	res, err := r.p.Act(r.t.Context(), r.request(action))
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), want) || res.State != providers.Untouched {
		r.t.Errorf("%s = %+v, %v (%v); want %v saying %q, and the state untouched", action, res, err, fault.Of(err), kind, want)
	}
}

// with returns r with another parameter.
func (r run) with(name, value string) run {
	extra := map[string]string{name: value}
	for k, v := range r.extra {
		extra[k] = v
	}
	extra[name], r.extra = value, extra
	return r
}

func provider(t *testing.T, db regions.Database, b *pgtest.Beside) *postgres.Provider {
	t.Helper()
	opts := postgres.Options{Node: "control-1"}
	if b != nil {
		opts.TLS = b.TLS
	}
	p, err := postgres.New(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func epoch(n uint64) regions.Epoch {
	return regions.Epoch{Incarnation: 1, Number: n, Writer: pgtest.East}
}

func switchover(t *testing.T, p *postgres.Provider, n uint64, from, to regions.ID) run {
	return run{t: t, p: p, name: fmt.Sprintf("run%d", n), from: from, to: to, epoch: epoch(n)}
}

func failover(t *testing.T, p *postgres.Provider, n uint64) run {
	r := switchover(t, p, n, pgtest.East, pgtest.Central)
	r.extra = map[string]string{"planned": "false"}
	return r
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// watch keeps the provider's monitor running until the test ends.
func watch(t *testing.T, p *postgres.Provider) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Watch(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func superInsert(s *pair.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.Exec(ctx, "SET default_transaction_read_only = off; INSERT INTO taken (n) VALUES (-1)")
}
