package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Provider acts on one database. It may be used by several goroutines.
type Provider struct {
	db      regions.Database
	members map[regions.ID]*member
	monitor *monitor

	mu     sync.Mutex
	newest regions.Epoch            // seen by this process
	fenced map[regions.ID]fenceSeen // confirmed by this process
	keys   map[string]string        // acts that leave no trace in the world, by key
	lifted map[string]bool          // runs whose fence an agent has lifted, for this process
}

// fenceSeen is a fence that counts, under which epoch, and why.
type fenceSeen struct {
	epoch    regions.Epoch
	how      string // Fenced or Declared
	evidence string
}

// New makes the provider of a database. Nothing is dialled yet.
func New(db regions.Database, opts Options) (*Provider, error) {
	p := &Provider{db: db, members: map[regions.ID]*member{}, fenced: map[regions.ID]fenceSeen{}, keys: map[string]string{}, lifted: map[string]bool{}}
	for _, m := range db.Members {
		made, err := newMember(db, m, opts)
		if err != nil {
			return nil, err
		}
		p.members[m.Region] = made
	}
	p.monitor = newMonitor(p, opts.Node)
	return p, nil
}

// Watch samples the members once a second until ctx ends, so that a failover
// knows how far the standbys last were behind, and since when nobody knows.
func (p *Provider) Watch(ctx context.Context) error { return p.monitor.run(ctx) }

// Close drops the connections that are kept open.
func (p *Provider) Close() {
	for _, m := range p.members {
		m.close()
	}
}

// move is one request, understood.
type move struct {
	providers.Request
	p        *Provider
	from, to *member
	planned  bool
	begun    *atomic.Bool // something may have been changed
}

// tell gives a host an order that changes something.
func (m move) tell(ctx context.Context, at *member, verb string, o agent.Order) (agent.Status, error) {
	h, err := at.controller()
	if err != nil {
		return agent.Status{}, err
	}
	st, err := h.Do(ctx, verb, o)
	if !agent.IsUntouched(err) {
		m.begun.Store(true)
	}
	return st, err
}

// change lends f a connection to change something with. That none could be
// opened is an error before anything was begun.
func (m move) change(ctx context.Context, at *member, f func(*pgx.Conn) error) error {
	return at.line.with(ctx, func(conn *pgx.Conn) error {
		m.begun.Store(true)
		return f(conn)
	})
}

// action is one thing the provider can do.
type action struct {
	within  time.Duration // unless the request says otherwise
	atFrom  bool          // the request's Region means from
	observe func(context.Context, move) (providers.Result, error)
	act     func(context.Context, move) (providers.Result, error)
	would   string // what a dry run says
}

// actions by name. Those that only look have no act of their own.
func actions() map[string]action {
	return map[string]action{
		"preflight":       {within: 15 * time.Second, observe: observePreflight, act: actPreflight},
		"lag":             {within: 10 * time.Second, observe: observeLag},
		"status":          {within: 10 * time.Second, observe: observeStatus},
		"quiesce":         {within: 5 * time.Minute, atFrom: true, observe: observeQuiesce, act: actQuiesce, would: "write a checkpoint on both servers"},
		"fence":           {within: 45 * time.Second, atFrom: true, observe: observeFence, act: actFence, would: "end the server and mark it read-only"},
		"wait_replay":     {within: 30 * time.Second, observe: observeReplay, act: actReplay, would: "wait until the standby has replayed everything"},
		"promote":         {within: time.Minute, observe: observePromote, act: actPromote, would: "promote the standby"},
		"verify_writable": {within: 15 * time.Second, observe: observeWritable, act: actWritable, would: "insert a row and read it back"},
		"slot":            {within: 15 * time.Second, observe: observeSlot, act: actSlot, would: "create a replication slot"},
		"reprotect":       {within: 12 * time.Hour, atFrom: true, observe: observeReprotect, act: actReprotect, would: "make the old writer follow the new one"},
		"unfence":         {within: 3 * time.Minute, atFrom: true, observe: observeUnfence, act: actUnfence, would: "start the old writer again"},
		"announce":        {within: 5 * time.Second, observe: observeAnnounce, act: actAnnounce, would: "tell every agent the epoch"},
	}
}

// Actions returns the names of all actions, sorted.
func Actions() []string { return slices.Sorted(maps.Keys(actions())) }

// Observe implements [providers.Provider].
func (p *Provider) Observe(ctx context.Context, r providers.Request) (providers.Result, error) {
	a, m, err := p.understand(r)
	if err != nil {
		return providers.Result{}, err
	}
	ctx, cancel, err := bound(ctx, a, r)
	if err != nil {
		return providers.Result{}, err
	}
	defer cancel()
	return a.observe(ctx, m)
}

// Act implements [providers.Provider]. An error before [move.tell] or
// [move.change] has begun anything goes with [providers.Untouched].
func (p *Provider) Act(ctx context.Context, r providers.Request) (providers.Result, error) {
	a, m, err := p.understand(r)
	if err != nil {
		return providers.Result{State: providers.Untouched}, err
	}
	ctx, cancel, err := bound(ctx, a, r)
	if err != nil {
		return providers.Result{State: providers.Untouched}, err
	}
	defer cancel()
	res, err := p.act(ctx, a, m)
	if err != nil {
		res.State = ""
		if !m.begun.Load() {
			res.State = providers.Untouched
		}
	}
	return res, err
}

func (p *Provider) act(ctx context.Context, a action, m move) (providers.Result, error) {
	switch {
	case a.would == "" && a.act == nil:
		return a.observe(ctx, m)
	case a.would == "":
		return a.act(ctx, m)
	case m.DryRun:
		return p.rehearse(ctx, a, m)
	}
	if err := p.admit(m.Epoch); err != nil {
		return providers.Result{}, err
	}
	return a.act(ctx, m)
}

// rehearse says what an act would do, judging its epoch, changing nothing.
func (p *Provider) rehearse(ctx context.Context, a action, m move) (providers.Result, error) {
	p.mu.Lock()
	newest := p.newest
	p.mu.Unlock()
	if m.Epoch.Compare(newest) < 0 {
		return providers.Result{}, providers.Stale(string(p.db.ID), m.Epoch, newest)
	}
	res, err := a.observe(ctx, m)
	if err == nil && res.State != providers.Done {
		res.State, res.Detail = providers.NotDone, fmt.Sprintf("would %s; now: %s", a.would, res.Detail)
	}
	return res, err
}

// understand finds the action and the two members of a request.
func (p *Provider) understand(r providers.Request) (action, move, error) {
	subject := "database " + string(p.db.ID)
	a, ok := actions()[r.Action]
	if !ok {
		return a, move{}, fault.Invalidf(subject, "%q is no action of postgres", r.Action).Do("use one of: %s", strings.Join(Actions(), ", "))
	}
	from, to := regions.ID(r.Params["from"]), regions.ID(r.Params["to"])
	if a.atFrom && from == "" {
		from = r.Region
	}
	if !a.atFrom && to == "" {
		to = r.Region
	}
	if from == "" {
		from = p.other(to)
	}
	if to == "" {
		to = p.other(from)
	}
	m := move{Request: r, p: p, from: p.members[from], to: p.members[to], planned: r.Param("planned", "true") != "false", begun: new(atomic.Bool)}
	for region, found := range map[regions.ID]*member{from: m.from, to: m.to} {
		if found == nil {
			return a, m, fault.NotFoundf(subject, "has no member in region %q", region).Do("its members are in: %s", p.regions())
		}
	}
	if from == to {
		return a, m, fault.Invalidf(subject, "%s is to lose the writer to itself", from)
	}
	return a, m, nil
}

// other returns the member's only companion, or "".
func (p *Provider) other(region regions.ID) regions.ID {
	if len(p.db.Members) == 2 {
		for _, m := range p.db.Members {
			if m.Region != region {
				return m.Region
			}
		}
	}
	return ""
}

func (p *Provider) regions() string {
	var names []string
	for _, m := range p.db.Members {
		names = append(names, string(m.Region))
	}
	return strings.Join(names, ", ")
}

// admit refuses an older epoch than this process has acted under.
func (p *Provider) admit(e regions.Epoch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Compare(p.newest) < 0 {
		return providers.Stale(string(p.db.ID), e, p.newest)
	}
	p.newest = e
	return nil
}

// bound gives an action its time limit.
func bound(ctx context.Context, a action, r providers.Request) (context.Context, context.CancelFunc, error) {
	limit := a.within
	if text := r.Params["within"]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, nil, fault.Invalidf(r.Action, "within is %q, which is no duration", text).Do("write it like 30s")
		}
		limit = d
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, cancel, nil
}

// order is the common part of what a host is told.
func (m move) order(at *member, suffix string) agent.Order {
	key := m.Key
	if suffix != "" {
		key += "/" + suffix
	}
	return agent.Order{Key: key, Database: m.p.db.ID, Region: at.Region, Epoch: m.Epoch, Planned: m.planned}
}

// look asks a host how its server stands, under no epoch.
func (m move) look(ctx context.Context, at *member, brief bool) (agent.Status, error) {
	h, err := at.controller()
	if err != nil {
		return agent.Status{}, err
	}
	return h.Do(ctx, agent.VerbStatus, agent.Order{Database: m.p.db.ID, Region: at.Region, Brief: brief})
}

// subject names what an error is about.
func (m move) subject(at *member) string { return at.line.subject }

// result makes a Result; values come in pairs.
func result(state string, values map[string]string, format string, args ...any) providers.Result {
	return providers.Result{State: state, Detail: fmt.Sprintf(format, args...), Values: values}
}

// unseen is the answer where nobody can say.
func unseen(err error) (providers.Result, error) {
	return providers.Result{State: providers.Unknown, Detail: err.Error()}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll is how often the critical path looks again.
const poll = 3 * time.Millisecond
