package sim

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/shipped"
	"fairlead/runbooks/steps"
)

// inTask is the context of a step: it says in which task the step waits. It
// has no clock. Its time is always up, which a step reads where it would wait
// for a proof by the wall clock: here those waits are the outside's.
type inTask struct{ task *task }

func (inTask) Deadline() (time.Time, bool) { return time.Unix(0, 0), true }
func (inTask) Done() <-chan struct{}       { return nil }
func (inTask) Err() error                  { return nil }
func (inTask) Value(any) any               { return nil }

// outside is all that the shipped steps know of the world, under one term of
// one engine.
type outside struct {
	node     *node
	term     uint64
	registry *providers.Registry
}

func newOutside(n *node, term uint64) *outside {
	o := &outside{node: n, term: term, registry: providers.NewRegistry(slog.New(slog.DiscardHandler))}
	o.registry.Put(steps.PostgresProvider, &provider{node: n, fenced: map[regions.ID]regions.Epoch{}, lifted: map[string]bool{}})
	return o
}

func (o *outside) set() *steps.Set {
	return steps.New(steps.Outside{Providers: o.registry, Steering: o, World: o})
}

// Writer implements [steps.Steering].
func (o *outside) Writer(ctx context.Context, d regions.DatabaseID) (e regions.Epoch, err error) {
	err = o.node.call(ctx.(inTask).task, func() error {
		e = o.node.sim.store.decided.Writers[d].Epoch
		return nil
	})
	return e, err
}

// Advance implements [steps.Steering].
func (o *outside) Advance(ctx context.Context, key string, _ regions.DatabaseID, from regions.Epoch, writer regions.ID, _, _ string) (e regions.Epoch, err error) {
	err = o.node.call(ctx.(inTask).task, func() error {
		if err := o.node.sim.store.leads(o.term); err != nil {
			return err
		}
		o.node.sim.watch.acts(providers.Request{Key: key, Action: "repoint"})
		e, err = o.node.sim.store.advance(from, from.Next(writer))
		return err
	})
	return e, err
}

// confirmLimit is how long a run waits for nodes to confirm.
const confirmLimit = 5 * time.Second

// Confirmed implements [steps.Steering]. It waits, where the real one is
// asked again and again.
func (o *outside) Confirmed(ctx context.Context, d regions.DatabaseID, e regions.Epoch) (nodes int, unconfirmed []regions.NodeID, err error) {
	t := ctx.(inTask).task
	for until := o.node.sim.now + confirmLimit; ; {
		err = o.node.call(t, func() error {
			if w := o.node.sim.store.decided.Writers[d].Epoch; w.Compare(e) < 0 {
				return fault.Conflictf("database orders", "its epoch is %s, and %s was to be confirmed", w, e)
			}
			nodes, unconfirmed = 0, nil
			for _, n := range o.node.sim.nodes {
				nodes++
				if w := n.plan.Writers[d]; !n.up || w.Compare(e) < 0 || !o.node.sim.net.open(o.node.region, n.region) {
					unconfirmed = append(unconfirmed, n.id)
				}
			}
			return nil
		})
		if err == nil && len(unconfirmed) == 0 || o.node.sim.now >= until {
			return nodes, unconfirmed, err
		}
		t.sleep(200 * time.Millisecond)
	}
}

// Fleet implements [steps.World].
func (o *outside) Fleet() *regions.Fleet { return o.node.sim.fleet }

// State implements [steps.World].
func (o *outside) State(r regions.ID) (regions.State, string) {
	v := o.node.judgement.Regions[r]
	return v.State, v.Because
}

// Running implements [steps.World].
func (o *outside) Running(context.Context, regions.DatabaseID) (runbooks.ExecutionID, error) {
	return "", nil
}

// calmly is the outside in which a plan is made: nothing refuses, so that what
// would is met by the run itself. A plan looks at everything at once, so this
// one is the only thing here that may be asked by several goroutines.
type calmly struct {
	fleet *regions.Fleet
	epoch regions.Epoch
}

func (calmly) Observe(context.Context, string, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Done, Values: map[string]string{"bytes_min": "0", "bytes_max": "0", "seconds_min": "0", "seconds_max": "0", "source": "nobody"}}, nil
}

func (calmly) Act(context.Context, string, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Done}, nil
}

func (c calmly) Writer(context.Context, regions.DatabaseID) (regions.Epoch, error) {
	return c.epoch, nil
}

func (c calmly) Advance(context.Context, string, regions.DatabaseID, regions.Epoch, regions.ID, string, string) (regions.Epoch, error) {
	return c.epoch, nil
}

func (calmly) Confirmed(context.Context, regions.DatabaseID, regions.Epoch) (int, []regions.NodeID, error) {
	return 0, nil, nil
}

func (c calmly) Fleet() *regions.Fleet { return c.fleet }

func (calmly) State(regions.ID) (regions.State, string) { return regions.Up, "" }

func (calmly) Running(context.Context, regions.DatabaseID) (runbooks.ExecutionID, error) {
	return "", nil
}

// plan makes a run's start from a runbook, as the API does.
func (s *simulation) plan(rb runbooks.Runbook, params map[string]string) (runbooks.Start, error) {
	c := calmly{s.fleet, s.store.decided.Writers[orders].Epoch}
	start, _, err := steps.New(steps.Outside{Providers: c, Steering: c, World: c}).Plan(context.Background(), rb, steps.Ask{Params: params})
	return start, err
}

// followText is a runbook of this fleet's own. It finishes what a run left that
// ended between a promotion and the decision that follows it; none of the
// shipped ones does, because their preflight wants a standby.
const followText = `
runbook: follow
version: 1
title: Have the name follow a writer that was promoted
params:
  database: {type: database, required: true, about: which}
  to: {type: region, required: true, about: who writes}
steps:
  - {id: prove, kind: postgres.verify_writable, timeout: 5s}
  - {id: repoint, kind: repoint, timeout: 1m, retries: 3}
`

// library returns the shipped runbooks, and those of this house, by name.
var library = sync.OnceValue(func() map[string]runbooks.Runbook {
	all := map[string]runbooks.Runbook{}
	docs := append(shipped.Documents(), regions.Document{Name: "follow", File: "follow.yaml", Text: followText})
	for _, d := range docs {
		rb, problems := runbooks.Parse(d.File, d.Text, steps.Kinds())
		if len(problems) > 0 {
			panic(problems)
		}
		all[d.Name] = rb
	}
	return all
})
