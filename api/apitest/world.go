// Package apitest is a small world behind a real API, for tests of handlers,
// of the client and of the command line.
//
// The world is a fake written by hand: three regions, a shop with a name for
// reads and one for writes, a database with two members, one runbook. What it
// decides it decides simply. Runs are real executions of package runbooks,
// whose steps all succeed at once and wait only for people.
package apitest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
	"fairlead/runbooks"
)

// World implements every interface of package api. It is safe for concurrent
// use.
type World struct {
	Stream *api.Stream

	mu       sync.Mutex
	fail     error
	decided  regions.Decided
	states   map[regions.ID]regions.State
	runs     []*run
	tokens   []auth.Token
	trail    []openapi.AuditEntry
	unready  []string
	acts     []api.Act
	broken   bool // the chain
	gone     bool // the store
	backup   []byte
	problems []openapi.TextProblem
	last     steer.Plan
}

type run struct {
	id      runbooks.ExecutionID
	key     string
	x       *runbooks.Execution
	journal []api.Entry
}

// Began is when the world began; everything in it happens around then.
var Began = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// NewWorld returns the world in good health.
func NewWorld() *World {
	w := &World{Stream: api.NewStream(), states: map[regions.ID]regions.State{}}
	check := regions.Check{Kind: regions.HTTP, Interval: 500 * time.Millisecond, Timeout: time.Second, Rise: 2, Fall: 3, HTTP: regions.HTTPCheck{Path: "/healthz"}}
	fleet := &regions.Fleet{
		Regions: []regions.Region{
			{ID: "us-east", Title: "US East", Latitude: 39, Longitude: -77.5},
			{ID: "eu-central", Title: "EU Central", Latitude: 50.1, Longitude: 8.7},
			{ID: "ap-south", Title: "AP South", Latitude: 19, Longitude: 72.8},
		},
		Databases: []regions.Database{{ID: "orders", Engine: "postgres", Writer: "us-east",
			Members: []regions.Member{{Region: "us-east", DSN: "host=us"}, {Region: "eu-central", DSN: "host=eu"}}}},
	}
	order := []regions.ID{"us-east", "eu-central", "ap-south"}
	www := regions.Service{ID: "www", Name: "www.shop.example.", Mode: regions.Steer, TTL: 5 * time.Second, Check: check,
		Policy: regions.Policy{Kind: regions.Failover, Order: order, Panic: regions.AnswerAll}}
	orders := regions.Service{ID: "orders", Name: "orders.shop.example.", Mode: regions.Steer, TTL: 5 * time.Second, Check: check,
		Policy: regions.Policy{Kind: regions.Failover, Order: order, Panic: regions.AnswerAll}, Writes: &regions.Writes{Database: "orders"}}
	for i, r := range order {
		w.states[r] = regions.Up
		addr := netip.AddrFrom4([4]byte{127, byte(10 * (i + 1)), 0, 1})
		for _, s := range []*regions.Service{&www, &orders} {
			s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID(s.ID, r, 1), Region: r, Addresses: []netip.Addr{addr}})
		}
	}
	fleet.Services = []regions.Service{www, orders}
	w.decided = regions.Decided{Incarnation: 1, Generation: 41, Fleet: fleet, FleetHash: "5eed",
		Writers: map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders", Epoch: regions.Epoch{Incarnation: 1, Number: 3, Writer: "us-east"}}}}
	return w
}

// Fail makes every call fail with err until it is nil again.
func (w *World) Fail(err error) { w.set(func() { w.fail = err }) }

// Kill makes what is measured of a region down; Heal takes that back.
func (w *World) Kill(r regions.ID) { w.set(func() { w.states[r] = regions.Down }) }

// Heal makes a region up again.
func (w *World) Heal(r regions.ID) { w.set(func() { w.states[r] = regions.Up }) }

// BreakChain makes the audit trail one that was tampered with.
func (w *World) BreakChain() { w.set(func() { w.broken = true }) }

// KeepBackup gives the world what it answers who asks for a backup.
func (w *World) KeepBackup(b []byte) { w.set(func() { w.backup = b }) }

// LoseStore takes the store away: tokens cannot be read, nothing be decided.
func (w *World) LoseStore() { w.set(func() { w.gone = true }) }

// Unwell makes the node say why it is not ready.
func (w *World) Unwell(reasons ...string) { w.set(func() { w.unready = reasons }) }

// AddToken puts a token into the store and returns its text.
func (w *World) AddToken(name string, roles []auth.Role, only ...auth.Scope) string {
	t, text, err := auth.Mint(name, roles, only, "test", Began)
	if err != nil {
		panic(err)
	}
	w.set(func() { w.tokens = append(w.tokens, t) })
	return text
}

// Acts returns what people have done to steering.
func (w *World) Acts() []api.Act {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.acts)
}

func (w *World) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// enter takes the lock, or returns what calls fail with.
func (w *World) enter() (leave func(), err error) {
	w.mu.Lock()
	if w.fail != nil {
		defer w.mu.Unlock()
		return nil, w.fail
	}
	return w.mu.Unlock, nil
}

// decide is what every decision begins with.
func (w *World) decide() error {
	if w.gone {
		return fault.Unavailablef("store", "cannot be reached, so nothing can be decided").Do("answers and failover go on; see fairlead doctor")
	}
	w.decided.Generation++
	return nil
}

// record needs mu.
func (w *World) record(ctx context.Context, kind, subject, sentence, reason, execution string) {
	e := openapi.AuditEntry{Position: int64(len(w.trail)), At: Began.Add(time.Duration(len(w.trail)) * time.Second), Principal: auth.From(ctx).Name,
		Kind: kind, Subject: subject, Sentence: sentence, Reason: reason, Execution: execution, Hash: fmt.Sprintf("%064x", len(w.trail))}
	w.trail = append(w.trail, e)
	if err := w.Stream.Audit(e); err != nil {
		panic(err)
	}
}

// View implements [api.Overview].
func (w *World) View(context.Context) (api.View, error) {
	leave, err := w.enter()
	if err != nil {
		return api.View{}, err
	}
	defer leave()
	return w.view(), nil
}

func (w *World) view() api.View {
	decided := w.decided
	v := api.View{At: time.Now(), Node: "n1", Version: "v0-test", Decided: &decided, Plan: w.plan(),
		Verdicts: map[regions.TargetID]regions.Verdict{}, Regions: map[regions.ID]steer.RegionVerdict{},
		Store:   openapi.StoreStatus{Reachable: !w.gone, Leader: "n1", Since: Began},
		Config:  openapi.ConfigStatus{Source: "/etc/fairlead/fleet.yaml", Ok: len(w.problems) == 0, LoadedAt: Began},
		Members: map[regions.TargetID]openapi.DatabaseMember{}}
	heard := int64(120)
	v.Nodes = []openapi.Node{{Name: "n1", Region: "us-east", Roles: []string{"control", "dns", "probe"}, Generation: int64(decided.Generation), Confirmed: true, Self: true},
		{Name: "n2", Region: "eu-central", Roles: []string{"dns"}, Generation: int64(decided.Generation) - 1, LastHeardMs: &heard}}
	for _, s := range decided.Fleet.Services {
		for _, e := range s.Endpoints {
			v.Verdicts[e.ID] = w.verdict(e.ID, e.Region)
		}
	}
	for id, state := range w.states {
		v.Regions[id] = steer.RegionVerdict{State: state, Because: because(state), Since: Began}
		if state == regions.Down {
			v.Alarms = append(v.Alarms, regions.Alarm{ID: "region-down/" + string(id), Severity: regions.Critical, Subject: "region " + string(id),
				Sentence: "all endpoints are down", Remedy: "look at the region; restore it when it is well", Since: Began})
		}
	}
	lag, seconds, age := int64(0), 0.2, int64(300)
	v.Members["orders#us-east"] = openapi.DatabaseMember{Role: "primary", MeasuredAgeMs: &age, Timeline: 1, Agent: &openapi.AgentStatus{Reachable: true, AgeMs: &age}}
	v.Members["orders#eu-central"] = openapi.DatabaseMember{Role: "standby", MeasuredAgeMs: &age, Timeline: 1, LagBytes: &lag, LagSeconds: &seconds}
	for _, m := range []regions.ID{"us-east", "eu-central"} {
		id := regions.MemberID("orders", m)
		v.Verdicts[id] = w.verdict(id, m)
	}
	return v
}

func because(s regions.State) string {
	if s == regions.Down {
		return "2 of 2 vantage points: connection refused"
	}
	return "2 of 2 vantage points: 200 OK"
}

func (w *World) verdict(id regions.TargetID, r regions.ID) regions.Verdict {
	s := w.states[r]
	return regions.Verdict{Target: id, Region: r, Measured: s, Effective: s, Because: because(s), Since: Began, Latency: 1500 * time.Microsecond,
		Voices: []regions.Voice{{Node: "n1", Region: "us-east", State: s, Because: because(s), Age: 200 * time.Millisecond, Latency: 1500 * time.Microsecond}}}
}

// plan is what a node with this world would answer.
func (w *World) plan() *steer.Plan {
	now := time.Now()
	world := steer.World{Incarnation: 1, Generation: w.decided.Generation, Fleet: w.decided.Fleet, Overrides: w.decided.Overrides, Freeze: w.decided.Freeze,
		Restored: w.decided.Restored, Verdicts: map[regions.TargetID]regions.Verdict{}, Regions: map[regions.ID]steer.RegionVerdict{},
		Writers: map[regions.DatabaseID]regions.Epoch{}}
	for _, s := range w.decided.Fleet.Services {
		for _, e := range s.Endpoints {
			world.Verdicts[e.ID] = w.verdict(e.ID, e.Region)
		}
	}
	for id, state := range w.states {
		world.Regions[id] = steer.RegionVerdict{State: state, Because: because(state), Since: Began}
	}
	for id, signed := range w.decided.Writers {
		world.Writers[id] = signed.Epoch
	}
	w.last = steer.Decide(w.last, world, now)
	last := w.last
	return &last
}
