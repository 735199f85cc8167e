package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/engine"
	"fairlead/runbooks/shipped"
	"fairlead/runbooks/steps"
)

// memory is a journal with the store's manners: it compares positions, and
// refuses whoever does not lead any more.
type memory struct {
	mu       sync.Mutex
	leader   int
	events   map[runbooks.ExecutionID][]runbooks.Event
	watchers []chan map[runbooks.ExecutionID]runbooks.Position
	written  func(runbooks.Position) // after each event; may end the leadership
	failures []error                 // of the next appends
	lost     bool                    // with a failure: the event was written all the same
}

func newMemory() *memory { return &memory{events: map[runbooks.ExecutionID][]runbooks.Event{}} }

// term is the journal under one leadership.
type term struct {
	*memory
	number int
}

func (m *memory) lead() term {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader++
	return term{m, m.leader}
}

func (m *memory) depose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leader++
}

func (t term) Append(_ context.Context, id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error) {
	t.mu.Lock()
	if t.number != t.leader {
		t.mu.Unlock()
		return at, errors.New("leadership is over")
	}
	t.mu.Unlock()
	return t.append(id, at, ev)
}

func (m *memory) append(id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error) {
	m.mu.Lock()
	var failure error
	if len(m.failures) > 0 {
		failure, m.failures = m.failures[0], m.failures[1:]
		if !m.lost {
			m.mu.Unlock()
			return at, failure
		}
	}
	if have := runbooks.Position(len(m.events[id])); have != at {
		m.mu.Unlock()
		return at, fault.Conflictf("run "+string(id), "stands at %d, not at %d", have, at)
	}
	m.events[id] = append(m.events[id], ev)
	m.notify()
	written := m.written
	m.mu.Unlock()
	if written != nil {
		written(at + 1)
	}
	return at + 1, failure
}

func (m *memory) Read(_ context.Context, id runbooks.ExecutionID) ([]runbooks.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]runbooks.Event(nil), m.events[id]...), nil
}

func (m *memory) Watch(ctx context.Context) <-chan map[runbooks.ExecutionID]runbooks.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan map[runbooks.ExecutionID]runbooks.Position, 1)
	m.watchers = append(m.watchers, c)
	c <- m.open()
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, w := range m.watchers {
			if w == c {
				m.watchers = append(m.watchers[:i], m.watchers[i+1:]...)
				close(c)
			}
		}
	})
	return c
}

func (m *memory) open() map[runbooks.ExecutionID]runbooks.Position {
	open := map[runbooks.ExecutionID]runbooks.Position{}
	for id, events := range m.events {
		if events[len(events)-1].Kind != runbooks.Ended {
			open[id] = runbooks.Position(len(events))
		}
	}
	return open
}

func (m *memory) notify() {
	for _, c := range m.watchers {
		select {
		case <-c:
		default:
		}
		c <- m.open()
	}
}

// fold returns a run as its journal has it now.
func (m *memory) fold(t testing.TB, id runbooks.ExecutionID) *runbooks.Execution {
	t.Helper()
	events, _ := m.Read(t.Context(), id)
	x, err := runbooks.Fold(id, events)
	if err != nil {
		t.Fatalf("the journal of %s does not fold: %v", id, err)
	}
	return x
}

// ask operates a run as a person does through the API.
func (m *memory) ask(t testing.TB, id runbooks.ExecutionID, op runbooks.Operation, by string) {
	t.Helper()
	if err := m.try(id, op, by); err != nil {
		t.Fatalf("%s by %s: %v", op, by, err)
	}
}

func (m *memory) try(id runbooks.ExecutionID, op runbooks.Operation, by string) error {
	for {
		events, _ := m.Read(context.Background(), id)
		x, err := runbooks.Fold(id, events)
		if err != nil {
			return err
		}
		ev, err := x.Propose(runbooks.Ask{Operation: op, By: by, Reason: "test"}, time.Now())
		if err != nil {
			return err
		}
		if _, err = m.append(id, x.Position(), ev); err == nil || !fault.Is(err, fault.Conflict) {
			return err
		}
	}
}

// world is a database pair and everything around it: it has facts, which acts
// change, and it counts how often each act really happened.
type world struct {
	mu      sync.Mutex
	facts   map[string]bool
	effects map[string]int
	keys    map[string]bool
	epoch   regions.Epoch
	delay   time.Duration
	fail    map[string]error // by action, before anything happens, and said so
	hidden  map[string]bool  // by action: cannot be observed
	inUse   int
	most    int // acts at once
	begun   func(action string)
}

func newWorld() *world {
	return &world{facts: map[string]bool{}, effects: map[string]int{}, keys: map[string]bool{}, fail: map[string]error{}, hidden: map[string]bool{},
		epoch: regions.Epoch{Incarnation: 1, Number: 7, Writer: "us-east"}}
}

// changing are the actions that leave something behind.
var changing = map[string]bool{"fence": true, "unfence": true, "promote": true, "slot": true, "reprotect": true}

func (w *world) Observe(ctx context.Context, _ string, r providers.Request) (providers.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Action == "lag" {
		return providers.Result{State: providers.Done, Values: map[string]string{"bytes_min": "0", "bytes_max": "512", "seconds_min": "0", "seconds_max": "0.2",
			"age_seconds": "0.01", "source": "the old writer itself"}}, ctx.Err()
	}
	if w.hidden[r.Action] {
		return providers.Result{State: providers.Unknown, Detail: "out of sight"}, nil
	}
	state := providers.NotDone
	if w.facts[r.Action] {
		state = providers.Done
	}
	return providers.Result{State: state, Values: w.values(r)}, ctx.Err()
}

func (w *world) values(r providers.Request) map[string]string {
	if r.Action == "fence" {
		return map[string]string{"lsn": "0/30", "fence": "fenced"}
	}
	return nil
}

func (w *world) Act(ctx context.Context, _ string, r providers.Request) (providers.Result, error) {
	w.mu.Lock()
	err := w.fail[r.Action]
	w.inUse++
	w.most = max(w.most, w.inUse)
	begun := w.begun
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.inUse--
		w.mu.Unlock()
	}()
	if begun != nil && !r.DryRun {
		begun(r.Action)
	}
	if err != nil {
		return providers.Result{State: providers.Untouched}, err
	}
	select {
	case <-time.After(w.delay):
	case <-ctx.Done():
		return providers.Result{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.DryRun:
		return providers.Result{State: providers.NotDone}, nil
	case r.Epoch.Compare(w.epoch) < 0:
		return providers.Result{}, providers.Stale("orders", r.Epoch, w.epoch)
	case r.Action == "promote" && !w.facts["fence"]:
		panic("promoted without a fence")
	}
	if !w.keys[r.Key] {
		w.keys[r.Key] = true
		w.effects[r.Action]++
	}
	w.facts[r.Action] = changing[r.Action]
	if r.Action == "unfence" {
		w.facts["fence"] = false
	}
	return providers.Result{State: providers.Done, Detail: "did " + r.Action, Values: w.values(r)}, nil
}

func (w *world) Writer(context.Context, regions.DatabaseID) (regions.Epoch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch, nil
}

func (w *world) Advance(_ context.Context, key string, d regions.DatabaseID, from regions.Epoch, writer regions.ID, _, _ string) (regions.Epoch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.epoch == from.Next(writer):
	case w.epoch != from:
		return w.epoch, fault.Conflictf("database "+string(d), "its epoch is %s", w.epoch)
	default:
		w.epoch = from.Next(writer)
		w.effects["repoint"]++
	}
	return w.epoch, nil
}

func (w *world) Confirmed(context.Context, regions.DatabaseID, regions.Epoch) (int, []regions.NodeID, error) {
	return 3, nil, nil
}

func (w *world) State(regions.ID) (regions.State, string) { return regions.Up, "test" }

func (w *world) Running(context.Context, regions.DatabaseID) (runbooks.ExecutionID, error) {
	return "", nil
}

func (w *world) Fleet() *regions.Fleet {
	return &regions.Fleet{
		Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}},
		Databases: []regions.Database{{ID: "orders", Engine: "postgres", Writer: "us-east", MaxLagBytes: 1 << 20, MaxLagTime: time.Minute,
			Members: []regions.Member{{Region: "us-east", DSN: "host=127.10.0.1 port=5432"}, {Region: "eu-central", DSN: "host=127.20.0.1 port=5432"}}}},
		Services: []regions.Service{{ID: "orders", Name: "orders.example.com.", TTL: 2 * time.Second, Writes: &regions.Writes{Database: "orders"}}},
	}
}

// onAct has f called whenever an act begins.
func (w *world) onAct(f func(action string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = f
}

// hide makes an action impossible to observe, or possible again.
func (w *world) hide(action string, hidden bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden[action] = hidden
}

func (w *world) is(action string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts[action]
}

func (w *world) count() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.effects)
}

func (w *world) set() *steps.Set {
	return steps.New(steps.Outside{Providers: w, Steering: w, World: w})
}

// begin plans a shipped runbook and starts a run of it.
func begin(t testing.TB, m *memory, w *world, id runbooks.ExecutionID, name string, params map[string]string) {
	t.Helper()
	beginBook(t, m, w, id, book(t, name), params)
}

// book returns a shipped runbook.
func book(t testing.TB, name string) runbooks.Runbook {
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

func beginBook(t testing.TB, m *memory, w *world, id runbooks.ExecutionID, rb runbooks.Runbook, params map[string]string) {
	t.Helper()
	all := map[string]string{}
	maps.Copy(all, params)
	start, refusals, err := w.set().Plan(t.Context(), rb, steps.Ask{Params: all})
	if err != nil || len(refusals) > 0 {
		t.Fatalf("plan of %s = %v, refusals %+v", rb.Name, err, refusals)
	}
	if _, err := m.append(id, 0, runbooks.Event{Kind: runbooks.Started, At: time.Now(), Principal: "anna", Reason: "test", Start: &start}); err != nil {
		t.Fatal(err)
	}
}

var toCentral = map[string]string{"database": "orders", "to": "eu-central", "approval": "false"}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// run runs an engine until the returned function is called.
func run(t testing.TB, m *memory, w *world, node string) (stop func()) {
	t.Helper()
	e, err := engine.New(regions.NodeID(node), m.lead(), w.set(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil when its context ends", err)
		}
	}
}

func story(events []runbooks.Event) string {
	s := ""
	for i, ev := range events {
		s += fmt.Sprintf("\n%3d %s %s %s %s %s", i+1, ev.Kind, ev.Step, ev.Key, ev.Outcome, ev.Detail)
	}
	return s
}
