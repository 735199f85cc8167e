package daemon

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/recovery"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// recovering is an order that this node carries out as it starts: it begins a
// new incarnation alone, by the signatures of people.
type recovering struct {
	order  *recovery.Order
	people []string
	done   atomic.Bool
	stuck  atomic.Pointer[setBack] // why it will not be by itself
}

// pending reports whether it is still to be written into the store.
func (r *recovering) pending() bool { return r != nil && !r.done.Load() }

// trouble is why the order cannot be carried out, or nil. Nothing is decided
// until it is, or another one is.
func (r *recovering) trouble() *setBack {
	if r == nil {
		return nil
	}
	return r.stuck.Load()
}

// recoverFrom looks whether an order waits. One that may not be carried out
// changes nothing: the node starts as if there were none, and says why.
func (n *Node) recoverFrom(kept *regions.Decided) {
	if !n.settings.Has(config.Control) || len(n.settings.Etcd) > 0 {
		return // it has no store that could go on
	}
	o, people, err := recovery.Pending(n.settings.DataDir, string(n.settings.Name), kept)
	if err == nil && o != nil {
		err = n.heardOf(o)
	}
	if err != nil {
		n.log.Error("recovery order refused, nothing was changed", "problem", err.Error())
		return
	}
	if o != nil {
		n.log.Warn("this node recovers the cluster alone", "signed_by", strings.Join(people, ", "), "incarnation", o.Next, "from", o.From, "declared_lost", strings.Join(o.Lost, ", "))
		n.recovering = &recovering{order: o, people: people}
	}
}

// heardOf refuses an order for an incarnation that others have begun already,
// as this node has heard, though it never got its decided state.
func (n *Node) heardOf(o *recovery.Order) error {
	for _, e := range n.loadMemory().Writers {
		if e.Incarnation >= o.Next {
			return errors.Join(fault.Conflictf("recovery order", "begins incarnation %d, and others have begun incarnation %d already", o.Next, e.Incarnation).
				Do("%s", n.leavePast()), recovery.Settle(n.settings.DataDir, "refused"))
		}
	}
	return nil
}

// begin is how the store's member is to start.
func (r *recovering) begin() etcd.Begin {
	switch {
	case r == nil:
		return etcd.AsBefore
	case r.order.From == recovery.FromReplica:
		return etcd.Anew
	}
	return etcd.Forced
}

const recoverPause = 300 * time.Millisecond

// carryOut begins the new incarnation in the store, and returns when it has,
// or ctx ends. The order is put aside only after that: a crash before it
// leads here again, and what is done already is not done twice.
func (n *Node) carryOut(ctx context.Context) {
	r := n.recovering
	if r == nil {
		return
	}
	o, told := r.order, ""
	for ctx.Err() == nil {
		_, err := n.store.Recover(ctx, store.Recovery{Nonce: o.Nonce, From: o.Incarnation, To: o.Next,
			Author: o.Author, Why: o.Reason, Sentence: o.Sentence(r.people), Order: o.Record()})
		if err == nil {
			break
		}
		if fault.Is(err, fault.Conflict) && r.stuck.Load() == nil {
			r.stuck.Store(&setBack{at: time.Now(), text: err.Error()})
		}
		if problem := err.Error(); problem != told && ctx.Err() == nil {
			n.log.Warn("the new incarnation has not begun yet", "problem", problem)
			told = problem
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(recoverPause):
		}
	}
	if ctx.Err() != nil {
		return
	}
	r.stuck.Store(nil)
	r.done.Store(true)
	n.log.Warn("incarnation begun", "incarnation", o.Next, "signed_by", strings.Join(r.people, ", "))
	if err := recovery.Settle(n.settings.DataDir, "carried-out"); err != nil {
		n.log.Error("the recovery order was carried out and still lies there: remove it before this node restarts", "problem", err.Error())
	}
	if d, err := n.store.Decided(ctx); err == nil {
		n.take(d)
		n.keepNow(d)
	}
}

// keysShown is how long people are told that the recovery keys have changed.
const keysShown = 24 * time.Hour

// noteKeys tells people that others may now recover the cluster and break
// glass: by a new configuration, or because a store of before came back.
func (n *Node) noteKeys(before, after *regions.Decided) {
	if before == nil || before.Fleet == nil || after.Fleet == nil {
		return
	}
	if change := before.Fleet.Recovery.Change(after.Fleet.Recovery); change != "" {
		n.log.Warn("recovery keys", "change", change, "generation", after.Generation)
		n.newKeys.Store(&setBack{text: change, at: time.Now()})
	}
}
