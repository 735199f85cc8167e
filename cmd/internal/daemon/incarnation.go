package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// incarnations is what this node knows of which incarnation its cluster is in.
//
// The highest one ever heard of is kept with the decided state and the
// writers' epochs, on the disk. It is heard in three ways: as decided state, as
// the epoch of a database, and as the cluster's own epoch, which control nodes
// sign and send by the feed from the second incarnation on. All are signed, or
// come from the store: a probe node alone cannot make others believe that they
// are of the past.

// clusterEpoch returns the epochs that this node adds to what its feed passes
// on.
func (n *Node) clusterEpoch() []regions.SignedEpoch {
	d := n.decided()
	if d == nil || d.Incarnation < 2 || n.signer() == nil {
		return nil
	}
	if e, heard := n.judge.View().Epochs[regions.ClusterItself]; heard && e.Epoch.Incarnation >= d.Incarnation {
		return nil // passed on already
	}
	if e := n.ownEpoch.Load(); e != nil && e.Epoch.Incarnation == d.Incarnation {
		return []regions.SignedEpoch{*e}
	}
	e, err := n.id.SignEpoch(regions.ClusterItself, regions.Epoch{Incarnation: d.Incarnation, Writer: n.settings.Region})
	if err != nil {
		n.log.Error("the cluster's epoch cannot be signed", "problem", err.Error())
		return nil
	}
	n.ownEpoch.Store(&e)
	return []regions.SignedEpoch{e}
}

// highest is the highest incarnation that this node has ever heard of.
func (n *Node) highest() uint64 {
	var highest uint64
	if d := n.decided(); d != nil {
		highest = d.Incarnation
	}
	for _, e := range n.judge.View().Plan.Writers {
		highest = max(highest, e.Incarnation)
	}
	return highest
}

// superseded says that a store of that incarnation is of the past: another
// has begun without it. Nothing is decided there any more.
func (n *Node) superseded(incarnation uint64) error {
	if highest := n.highest(); incarnation < highest {
		return fault.Conflictf("store", "it belongs to incarnation %d, and incarnation %d has begun without it: nothing is decided here any more, and what was reaches nobody who knows that", incarnation, highest).
			Do("%s", n.leavePast())
	}
	return nil
}

// leavePast is what to do about a store of the past.
func (n *Node) leavePast() string {
	if n.signer() == nil {
		return "see that this node reaches the control nodes that went on, and that they are among its peers; answers and failover go on meanwhile"
	}
	return "stop this node, move store out of its data directory, and let it join the cluster that went on; until then run it with --roles probe,dns"
}

// past is the same of the store that this node follows, for people. Where
// none was reached it is about the decided state that this node has: members of
// the past are told by the others that they were removed, and stop.
func (n *Node) past() error {
	incarnation := n.followed.Load()
	if d := n.decided(); incarnation == 0 && d != nil {
		incarnation = d.Incarnation
	}
	if incarnation == 0 {
		return nil
	}
	return n.superseded(incarnation)
}

// announceEvery is how often agents that do not know yet are told.
const announceEvery = 5 * time.Second

// announce tells the agents the epochs of a new incarnation, so that none of
// them obeys those who were left behind. In the first incarnation runs do.
func (n *Node) announce(ctx context.Context) {
	known := map[regions.DatabaseID]regions.Epoch{}
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		if d := n.decided(); d != nil && d.Fleet != nil && d.Incarnation > 1 && d.Incarnation == n.highest() {
			for _, db := range d.Fleet.Databases {
				e := d.Writers[db.ID].Epoch
				if e.Number == 0 || known[db.ID] == e || ctx.Err() != nil {
					continue
				}
				result, err := n.databases.Act(ctx, providers.Request{Key: fmt.Sprintf("incarnation/%d/%s", e.Incarnation, db.ID), Action: "announce", Epoch: e,
					Params: map[string]string{"database": string(db.ID)}})
				if err == nil && result.State == providers.Done {
					known[db.ID] = e
					n.log.Info("agents know the new incarnation", "database", string(db.ID), "epoch", e.String(), "detail", result.Detail)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sentence is what is wrong, without subject and remedy, which stand beside it.
func sentence(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Problem
	}
	return err.Error()
}
