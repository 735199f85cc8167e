package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
)

// trouble is something wrong with this machine that people must be told.
type trouble struct {
	text  string
	since time.Time
}

// decided returns the newest decided state that this node knows, or nil.
func (n *Node) decided() *regions.Decided { return n.newest.Load() }

// take makes d what this node goes by, unless it knows a later one. The check
// and the writing are one step: whoever comes second with something older is
// refused here and nowhere else.
func (n *Node) take(d *regions.Decided) bool {
	n.taking.Lock()
	defer n.taking.Unlock()
	if !d.Newer(n.newest.Load()) {
		return false
	}
	n.newest.Store(d)
	n.spread(d)
	return true
}

// spread hands a new decided state to everything that depends on it.
func (n *Node) spread(d *regions.Decided) {
	n.log.Info("decided state", "incarnation", d.Incarnation, "generation", d.Generation, "fleet", short(d.FleetHash))
	if d.Fleet != nil {
		n.watchTargets(d.Fleet)
		databases := n.resolved(d.Fleet.Databases)
		if err := errors.Join(n.databases.Set(databases), n.onlooker.fleet.Set(databases)); err != nil {
			n.log.Error("a database cannot be acted on", "problem", err.Error())
		}
	}
	n.judge.Decided(d)
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// resolved returns databases with password files where this node finds them.
func (n *Node) resolved(databases []regions.Database) []regions.Database {
	out := make([]regions.Database, len(databases))
	for i, d := range databases {
		d.Members = append([]regions.Member(nil), d.Members...)
		for m := range d.Members {
			d.Members[m].PasswordFile = n.source.now().Config.Resolve(d.Members[m].PasswordFile)
		}
		out[i] = d
	}
	return out
}

func (n *Node) watchTargets(f *regions.Fleet) {
	targets := f.Targets()
	for i := range targets {
		targets[i].PasswordFile = n.source.now().Config.Resolve(targets[i].PasswordFile)
	}
	if !n.settings.Has(config.Probe) {
		return
	}
	for _, err := range n.probes.Set(targets) {
		n.log.Error("a target is not checked", "problem", err.Error())
	}
}

// follow takes what the store decides, until ctx ends.
func (n *Node) follow(ctx context.Context) error {
	for d := range n.store.Watch(ctx) {
		if n.take(d) {
			offer(n.unkept, d)
		}
	}
	return nil
}

// keep puts what was taken on the disk, the newest only, until ctx ends.
// Nobody waits for it: a disk that stalls or is full delays no answer. What
// could not be written is tried again, as the disk may have room by then.
func (n *Node) keep(ctx context.Context) error {
	var again <-chan time.Time
	var d *regions.Decided
	for {
		select {
		case <-ctx.Done():
			return nil
		case d = <-n.unkept:
		case <-again:
		}
		again = nil
		if _, err := n.replica.Save(d); err != nil {
			n.disk("decided state not kept: a restart without the store would begin with an older one", err)
			again = time.After(keepPause)
			continue
		}
		n.healed()
	}
}

// keepPause is how long until the disk is tried again.
const keepPause = 5 * time.Second

// applyPause is how long until putting a fleet in force is tried again when
// the store did not answer.
const applyPause = time.Second

// apply puts this node's own fleet in force: at the start if that content
// never was (so that a restart with an old file brings nothing back), and
// whenever the files are read anew. It tries until the store answers, or a
// newer file takes its place.
func (n *Node) apply(ctx context.Context, c *config.Config, anew bool) error {
	by := "configuration@" + string(n.settings.Name)
	for {
		err := n.applyOnce(ctx, c, by, anew)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		n.log.Warn("fleet not put in force yet", "hash", short(c.Hash), "problem", err.Error())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(applyPause):
		}
	}
}

func (n *Node) applyOnce(ctx context.Context, c *config.Config, by string, anew bool) error {
	if !anew {
		before, err := n.store.AppliedBefore(ctx, c.Hash)
		if err != nil || before {
			return err
		}
	}
	generation, changed, err := n.store.ApplyFleet(ctx, store.Lease{}, by, "read from "+c.Path, c.Fleet, c.Hash)
	if err != nil {
		return fmt.Errorf("put the fleet of %s in force: %w", c.Path, err)
	}
	if changed {
		n.log.Info("fleet put in force", "hash", short(c.Hash), "generation", generation)
	}
	return nil
}

// reloads puts each newly read configuration in force, the newest only, until
// ctx ends.
func (n *Node) reloads(ctx context.Context) error {
	stop := func() {}
	n.source.watch(ctx, n.hup, func(c *config.Config) {
		stop()
		var one context.Context
		one, stop = context.WithCancel(ctx)
		n.loadTokens(c)
		if n.settings.Has(config.Control) {
			go n.apply(one, c, true)
		}
	})
	stop()
	return nil
}
