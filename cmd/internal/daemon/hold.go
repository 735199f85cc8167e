package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// decided returns the newest decided state that this node knows, or nil.
func (n *Node) decided() *regions.Decided { return n.newest.Load() }

// take makes d what this node goes by, unless it knows a later one. The check
// and the writing are one step: whoever comes second with something older is
// refused here and nowhere else. Whoever decides something on this node is
// answered after it, so that nothing they ask next is answered from before. What
// is of an incarnation after which another has begun, as this node has heard,
// is older than the state of that one, which it may not have yet. It reports
// whether d was taken.
func (n *Node) take(d *regions.Decided) bool {
	n.taking.Lock()
	defer n.taking.Unlock()
	before := n.newest.Load()
	if !d.Newer(before) || d.Fleet == nil && before != nil && before.Fleet != nil {
		return false // of a store that was begun anew and has no fleet yet: who restarts now must still know one
	}
	if d.Incarnation < n.highest() {
		return false
	}
	n.newest.Store(d)
	n.noteKeys(before, d)
	if n.passing != nil {
		n.passing.Offer(d)
	}
	n.spread(d)
	offer(n.unkept, d)
	return true
}

// spread hands a new decided state to everything that depends on it; to the
// judge at once, so that no answer waits for what the others do with it.
func (n *Node) spread(d *regions.Decided) {
	n.judge.Decided(d)
	n.log.Info("decided state", "incarnation", d.Incarnation, "generation", d.Generation, "fleet", short(d.FleetHash))
	offer(n.unequipped, d)
}

// equip points checks and hands at the newest fleet, until ctx ends. It may
// take a while: files are read, and connections closed that nobody answers.
func (n *Node) equip(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-n.unequipped:
			if d.Fleet == nil {
				continue
			}
			n.watchTargets(d.Fleet)
			databases := n.resolved(d.Fleet.Databases)
			if err := errors.Join(n.databases.Set(databases), n.onlooker.fleet.Set(databases)); err != nil {
				n.log.Error("a database cannot be acted on", "problem", err.Error())
			}
		}
	}
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
		n.gate.Renew() // before, at the start, it could not be asked for tokens
		n.take(d)
		n.compare(ctx, d)
	}
	return nil
}

// compare notes whether the store has fallen behind what this node knows: it
// was set back, or begun anew by a node without a memory. What is decided then
// reaches nobody who knew more, and people must be told.
func (n *Node) compare(ctx context.Context, d *regions.Decided) {
	n.followed.Store(d.Incarnation)
	known := n.decided()
	if known.Newer(d) {
		// What was decided here is known before the watch tells of it, so what
		// it tells may just be late. The store itself knows.
		now, err := n.store.Decided(ctx)
		if err != nil {
			return // what follows is told by the watch again
		}
		d = now
	}
	if !known.Newer(d) {
		n.setBack.Store(nil)
		return
	}
	b := &setBack{at: time.Now(), text: fmt.Sprintf("the store is at generation %d of incarnation %d, and this node has known generation %d of incarnation %d: it goes by what it knows, and what is decided now does not reach it",
		d.Generation, d.Incarnation, known.Generation, known.Incarnation)}
	if before := n.setBack.Swap(b); before != nil {
		b.at = before.at
	} else {
		n.log.Error("store set back", "problem", b.text)
	}
}

// setBack is a store that is behind this node.
type setBack struct {
	text string
	at   time.Time
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
			n.keepLast(d)
			return nil
		case d = <-n.unkept:
		case <-again:
		}
		again = nil
		if _, err := n.replica.Save(d); err != nil {
			n.disk(decidedPart, "decided state not kept: a restart without the store would begin with an older one", err)
			again = time.After(keepPause)
			continue
		}
		n.healed(decidedPart)
	}
}

// keepNow waits for d to be on the disk, so that whoever was told that it is
// decided is not contradicted by a crash at that moment: this node would begin
// with what was before. A disk that stalls keeps nobody waiting for long; that
// it fails is said by [Node.keep].
func (n *Node) keepNow(d *regions.Decided) {
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		_, _ = n.replica.Save(d)
	}()
	select {
	case <-kept:
	case <-time.After(keepLimit):
	}
}

// keepLimit is how long an answer to who decided something waits for the disk.
const keepLimit = time.Second

// keepLast keeps what waits when the node ends, or could not be kept before.
func (n *Node) keepLast(d *regions.Decided) {
	select {
	case d = <-n.unkept:
	default:
	}
	if d == nil {
		return
	}
	if _, err := n.replica.Save(d); err != nil {
		n.disk(decidedPart, "decided state not kept: a restart without the store would begin with an older one", err)
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
// newer file takes its place. What the store refuses because of what is in use
// is told like any other mistake in the files, and may be taken later, when
// nobody has it in hand any more.
func (n *Node) apply(ctx context.Context, c *config.Config, anew bool) {
	by := "configuration@" + string(n.settings.Name)
	told := ""
	for {
		err := n.applyOnce(ctx, c, by, anew)
		if ctx.Err() != nil {
			return
		}
		refused := err
		if fault.Is(err, fault.Unavailable) {
			refused = nil // by nobody: the store cannot be asked
		}
		n.source.refused(c, refused)
		if err == nil {
			return
		}
		if problem := err.Error(); problem != told {
			n.log.Warn("fleet not put in force yet", "hash", short(c.Hash), "problem", problem)
			told = problem
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(applyPause):
		}
	}
}

func (n *Node) applyOnce(ctx context.Context, c *config.Config, by string, anew bool) error {
	if !anew {
		before, err := n.store.AppliedBefore(ctx, c.Hash)
		if err == nil && before {
			err = n.outdated(ctx, c)
		}
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

// outdated says so if the files at the start were in force once, and others
// are now.
func (n *Node) outdated(ctx context.Context, c *config.Config) error {
	d, err := n.store.Decided(ctx)
	if err == nil && d.FleetHash != c.Hash {
		n.log.Warn("the files of this node were in force once, and newer ones are now: they stay so, until SIGHUP says that these are meant",
			"source", c.Path, "hash", short(c.Hash), "in_force", short(d.FleetHash))
	}
	return err
}

// reloads puts this node's configuration in force at the start, and then each
// one that is newly read, until ctx ends. One at a time: an older one that
// waits for the store gives up before a newer one begins, so that it cannot be
// put in force after it.
func (n *Node) reloads(ctx context.Context) error {
	var applying sync.WaitGroup
	stop := func() {}
	begin := func(c *config.Config, anew bool) {
		stop()
		applying.Wait()
		var one context.Context
		one, stop = context.WithCancel(ctx)
		if n.settings.Has(config.Control) {
			applying.Go(func() { n.apply(one, c, anew) })
		}
	}
	defer applying.Wait()
	defer func() { stop() }()
	begin(n.source.now().Config, false)
	n.source.watch(ctx, n.hup, func(now *sourced) {
		n.gate.SetFile(now.Tokens)
		begin(now.Config, true)
	})
	return nil
}
