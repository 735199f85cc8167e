package steps_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/shipped"
	"fairlead/runbooks/steps"
)

// outside is a small world whose answers tests set.
type outside struct {
	epoch       regions.Epoch
	lag         map[string]string
	refuse      map[string]error // by action
	mu          sync.Mutex
	result      map[string]providers.Result
	requests    []providers.Request
	unconfirmed func() []regions.NodeID
	overrides   []regions.Override
	running     runbooks.ExecutionID
	ttl         time.Duration
	dsn         string
}

func newOutside() *outside {
	return &outside{epoch: regions.Epoch{Incarnation: 1, Number: 7, Writer: "us-east"}, ttl: 2 * time.Second, dsn: "host=127.10.0.1 port=5433 user=fairlead",
		lag:    map[string]string{"bytes_min": "0", "bytes_max": "0", "seconds_min": "0", "seconds_max": "0", "age_seconds": "0.01", "source": "the old writer itself"},
		refuse: map[string]error{}, result: map[string]providers.Result{}}
}

func (o *outside) Observe(_ context.Context, name string, r providers.Request) (providers.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r)
	if r.Action == "lag" {
		return providers.Result{State: providers.Done, Values: o.lag}, o.refuse["lag"]
	}
	if res, ok := o.result[r.Action]; ok {
		return res, nil
	}
	return providers.Result{State: providers.NotDone}, nil
}

func (o *outside) Act(_ context.Context, name string, r providers.Request) (providers.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r)
	if err := o.refuse[r.Action]; err != nil {
		return o.result[r.Action], err
	}
	if res, ok := o.result[r.Action]; ok {
		return res, nil
	}
	return providers.Result{State: providers.Done}, nil
}

func (o *outside) Writer(context.Context, regions.DatabaseID) (regions.Epoch, error) {
	return o.epoch, nil
}

func (o *outside) Advance(_ context.Context, _ string, d regions.DatabaseID, from regions.Epoch, writer regions.ID, _, _ string) (regions.Epoch, error) {
	if o.epoch != from && o.epoch != from.Next(writer) {
		return o.epoch, fault.Conflictf("database "+string(d), "somebody moved it")
	}
	o.epoch = from.Next(writer)
	return o.epoch, nil
}

func (o *outside) Confirmed(context.Context, regions.DatabaseID, regions.Epoch) (int, []regions.NodeID, error) {
	if o.unconfirmed == nil {
		return 3, nil, nil
	}
	return 3, o.unconfirmed(), nil
}

func (o *outside) Overrides(context.Context) ([]regions.Override, error) { return o.overrides, nil }

func (o *outside) Put(_ context.Context, v regions.Override) error {
	if !slices.ContainsFunc(o.overrides, func(have regions.Override) bool { return have.ID() == v.ID() }) {
		o.overrides = append(o.overrides, v)
	}
	return nil
}

func (o *outside) Restore(_ context.Context, s regions.Scope, by, _ string) error {
	for i, v := range o.overrides {
		if v.Scope() == s {
			o.overrides[i] = v.EndedNow(by)
		}
	}
	return nil
}

func (o *outside) Gone(context.Context, regions.Scope) (int, []regions.NodeID, error) {
	n, u, err := o.Confirmed(context.Background(), "", regions.Epoch{})
	return n, u, err
}

func (o *outside) State(regions.ID) (regions.State, string) { return regions.Up, "test" }

func (o *outside) Running(context.Context, regions.DatabaseID) (runbooks.ExecutionID, error) {
	return o.running, nil
}

func (o *outside) Fleet() *regions.Fleet {
	return &regions.Fleet{
		Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}, {ID: "ap-south"}},
		Databases: []regions.Database{{ID: "orders", Engine: "postgres", MaxLagBytes: 1 << 20, MaxLagTime: 30 * time.Second,
			Members: []regions.Member{{Region: "us-east", DSN: o.dsn}, {Region: "eu-central", DSN: "postgres://fairlead@127.20.0.1:5434/shop"}}}},
		Services: []regions.Service{{ID: "orders", Name: "orders.example.com.", TTL: o.ttl, Writes: &regions.Writes{Database: "orders"}},
			{ID: "www", Name: "www.example.com.", TTL: 30 * time.Second}},
	}
}

func (o *outside) set() *steps.Set {
	return steps.New(steps.Outside{Providers: o, Steering: o, Overrides: o, World: o})
}

func book(t *testing.T, name string) runbooks.Runbook {
	t.Helper()
	for _, d := range shipped.Documents() {
		if d.Name == name {
			rb, problems := runbooks.Parse(d.File, d.Text, steps.Kinds())
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			return rb
		}
	}
	t.Fatalf("no runbook %s is shipped", name)
	return runbooks.Runbook{}
}

// start is a run's start for tests of single steps.
func start(o *outside, ungraceful bool) *runbooks.Start {
	return &runbooks.Start{Database: "orders", From: "us-east", To: "eu-central", Epoch: o.epoch, Ungraceful: ungraceful}
}

func (o *outside) step(t *testing.T, spec runbooks.Spec, s *runbooks.Start) runbooks.Step {
	t.Helper()
	if spec.ID == "" {
		spec.ID = "it"
	}
	step, err := o.set().Step(spec, s)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func scope(o *outside, key string) (runbooks.Scope, *runbooks.Found) {
	return runbooks.NewScope(runbooks.Scope{Key: key, Execution: "run-1", Step: "it", By: "anna", Why: "test", Epoch: o.epoch, Fresh: true})
}
