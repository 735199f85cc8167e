package daemon

import (
	"context"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
	"fairlead/runbooks/engine"
	"fairlead/runbooks/steps"
)

// leadership is the name under which one control node does what only one may:
// run the runs and end what has run out.
const leadership = "control"

// runStore keeps the store open until ctx ends. A store that cannot be opened,
// or dies, takes nothing with it on a node that knows what to answer: it is an
// alarm, and the node goes on. Only a mistake that a person has to mend before
// the node may run, or a node that knows nothing yet, ends with it.
func (n *Node) runStore(ctx context.Context) error {
	err := n.db.Run(ctx)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if n.decided() == nil || fault.Is(err, fault.Invalid) {
		return err
	}
	n.log.Error("the store of this node cannot run; it answers and fails over without it", "problem", err.Error())
	<-ctx.Done()
	return nil
}

// lapseInterval is how often the leader looks for overrides whose time has
// passed.
const lapseInterval = time.Second

// lead runs whatever the leader runs, whenever this node is the leader, until
// ctx ends.
func (n *Node) lead(ctx context.Context) error {
	return n.store.Lead(ctx, leadership, func(ctx context.Context, lease store.Lease) error {
		n.log.Info("this node leads")
		set := steps.New(n.outside(steering{Node: n, lease: lease}))
		e, err := engine.New(n.settings.Name, journal{n.store, lease}, set, n.log)
		if err != nil {
			return err
		}
		return together(ctx,
			func(ctx context.Context) error { return e.Run(ctx) },
			func(ctx context.Context) error { return n.lapse(ctx, lease) })
	})
}

// lapse ends overrides and freezes by the leader's clock, in writing. Nodes
// never judge an end by clocks of their own.
func (n *Node) lapse(ctx context.Context, lease store.Lease) error {
	tick := time.NewTicker(lapseInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-tick.C:
			lapsed, err := n.store.HoldExpired(ctx, lease, at)
			if err != nil && ctx.Err() == nil {
				n.log.Warn("what has run out could not be ended yet", "problem", err.Error())
			}
			for _, o := range lapsed {
				n.log.Warn("override ran out", "id", o.ID(), "scope", o.Scope().String(), "phase", string(o.Phase()), "by", o.By())
			}
		}
	}
}

// followLeader keeps the leader's name at hand for people.
func (n *Node) followLeader(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		name, err := n.store.Leader(asking, leadership)
		cancel()
		if err != nil {
			name = ""
		}
		n.leader.Store(name)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
