package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// perform carries out one verb. It holds the turn while it acts, refuses older
// epochs and other people's databases at the moment of acting, and gives a key
// its effect once.
func (a *Agent) perform(ctx context.Context, name string, o Order) (Status, error) {
	if o.Database != a.Database || o.Region != a.Region {
		return Status{}, Untouched(fault.Invalidf(a.server.subject, "an order for %s in %s came to this agent", o.Database, o.Region).
			Do("correct the agent's address in the configuration of that database"))
	}
	if name == VerbStatus {
		return a.look(ctx, o)
	}
	act, err := a.verb(name, o)
	if err != nil {
		return Status{}, Untouched(err)
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-time.After(o.limit(a.StopLimit)): // nobody should be surprised by a verb that begins later
		return Status{}, Untouched(fault.Unavailablef(a.server.subject, "another verb is still under way").Do("wait for it, then repeat"))
	case <-ctx.Done():
		return Status{}, Untouched(fault.Unavailablef(a.server.subject, "the agent is ending").Because(ctx.Err()))
	}
	if err := a.admit(o); err != nil {
		return Status{}, Untouched(err)
	}
	st, err := a.once(ctx, name, o, act)
	log := a.opts.Log.With("verb", name, "key", o.Key, "epoch", o.Epoch.String())
	if err != nil {
		log.Warn("verb failed", "because", err.Error())
		return Status{}, err
	}
	log.Info("verb ended", "detail", st.Detail)
	return st, nil
}

// verb is one thing that an order can ask for. It is told how things stood
// when it began, read under the same turn, and returns how they stand after.
type verb func(ctx context.Context, o Order, before Status) (Status, error)

// verb finds the verb of an order that makes sense.
func (a *Agent) verb(name string, o Order) (verb, error) {
	act, ok := map[string]verb{
		VerbStop: a.stop, VerbStart: a.start, VerbFence: a.fence,
		VerbStandby: a.standby, VerbRewind: a.rewind, VerbReseed: a.reseed,
	}[name]
	switch {
	case !ok:
		return nil, fault.NotFoundf(a.server.subject, "the agent has no verb %q", name)
	case o.Key == "" || o.Epoch.Number == 0:
		return nil, fault.Invalidf(a.server.subject, "%s needs a key and an epoch", name)
	}
	return act, nil
}

// look answers the verb status, which needs no turn.
func (a *Agent) look(ctx context.Context, o Order) (Status, error) {
	if err := a.admit(o); err != nil {
		return Status{}, Untouched(err)
	}
	st, err := a.status(ctx, o.Brief)
	if err == nil && o.WALEnd && !st.Running && st.Control != nil {
		st.WALEnd, err = a.server.walEnd(ctx, *st.Control)
	}
	return st, err
}

// ended is the status after a verb, with what it has to say.
func (a *Agent) ended(ctx context.Context, format string, args ...any) (Status, error) {
	st, err := a.status(ctx, false)
	st.Detail = fmt.Sprintf(format, args...)
	return st, err
}

func (a *Agent) admit(o Order) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.memory.admit(string(a.Database), o.Epoch)
}

// once gives a key its effect once. A fence is the exception: it is confirmed
// again each time, because between two calls somebody may have started the
// server; but not once its own run has taken it back, because then it is one
// that lay somewhere on its way.
func (a *Agent) once(ctx context.Context, name string, o Order, act verb) (Status, error) {
	a.mu.Lock()
	earlier, repeated := a.memory.done(name, o.Key)
	late := name == VerbFence && a.memory.takenBack(o.Key)
	a.mu.Unlock()
	if late {
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "the order to fence under %s comes too late: its run has taken it back already", o.Key).
			Do("do not repeat it; look where that run stands"))
	}
	if repeated && name != VerbFence {
		return a.ended(ctx, "%s (done before, under the same key)", earlier.Detail)
	}
	before, err := a.status(ctx, false)
	if err != nil && name != VerbReseed { // damaged data are what a reseed is for
		return Status{}, Untouched(err)
	}
	if c := before.Control; c != nil && o.SystemIdentifier != "" && c.SystemIdentifier != o.SystemIdentifier {
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "holds the data of system %s, not of %s", c.SystemIdentifier, o.SystemIdentifier).
			Do("this is another cluster's server: correct the configuration before anything else"))
	}
	st, err := act(ctx, o, before)
	if err != nil || repeated {
		return st, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return st, a.memory.remember(doneKey{Key: o.Key, Verb: name, Detail: st.Detail})
}

// setFence changes the durable record of a fence.
func (a *Agent) setFence(f *Fence) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory.Fence = f
	return a.memory.save()
}

// setTorn records that the data are, or are no longer, between two histories.
func (a *Agent) setTorn(torn bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.memory.Torn == torn {
		return nil
	}
	a.memory.Torn = torn
	return a.memory.save()
}

// fence turns the server off so that it stays off: record and mark first, so
// that at no moment a crash of anything leads back to a writer.
func (a *Agent) fence(ctx context.Context, o Order, before Status) (Status, error) {
	f := before.Fence
	if f == nil && !before.Primary() {
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "is a standby, so there is no writer to fence (control data: %s)", before.Control.State).
			Do("look which region writes; do not promote another one before you know"))
	}
	if o.Planned && before.Frozen {
		return Status{}, Untouched(errFrozen(a.server.subject, before.PID))
	}
	if f == nil || o.Epoch.Compare(f.Epoch) > 0 {
		f = &Fence{Epoch: o.Epoch, Key: o.Key, At: time.Now().UTC(), WasPrimary: before.Primary() || f != nil && f.WasPrimary, Planned: o.Planned}
		if err := a.setFence(f); err != nil {
			return Status{}, err
		}
	} else if f.Key != o.Key { // it is this order's from now on, and only its own run takes it back
		again := *f
		again.Key = o.Key
		if err := a.setFence(&again); err != nil {
			return Status{}, err
		}
	}
	err := a.server.markStandby()
	switch limit := o.limit(a.StopLimit); {
	case err != nil:
	case o.Planned:
		err = a.server.stopClean(ctx, limit)
	default:
		err = a.server.stopHard(ctx, limit)
	}
	if err == nil {
		err = a.server.clearStale() // a person may start it: it is safe now
	}
	if err != nil {
		return Status{}, err
	}
	st, err := a.status(ctx, false)
	if err != nil {
		return Status{}, err
	}
	if o.Planned && !st.Control.Clean() && st.Control.State != "shut down in recovery" {
		return Status{}, fault.Conflictf(a.server.subject, "is off, but was not shut down cleanly (control data: %s)", st.Control.State).
			Do("what it wrote last may be missing elsewhere: unfence it, or go on with an unplanned failover")
	}
	was := "it was running and was ended"
	if !before.Running {
		was = "it was not running"
	}
	st.Detail = fmt.Sprintf("fenced by its agent on %s: %s; no process holds its data directory; control data: %s at %s; "+
		"the agent will not start it, and standby.signal makes it read-only if somebody does. "+
		"This holds until a person removes standby.signal or promotes it there", hostname(), was, st.Control.State, st.Control.Checkpoint)
	return st, nil
}

// stop ends the server cleanly, and no more: whoever starts it gets it back.
func (a *Agent) stop(ctx context.Context, o Order, _ Status) (Status, error) {
	if err := a.server.stopClean(ctx, o.limit(a.StopLimit)); err != nil {
		return Status{}, err
	}
	return a.ended(ctx, "stopped now, cleanly; this is no fence: it writes again once somebody starts it")
}

// start starts the server in a role. A primary is only ever started where one
// was: a standby that is started without its mark would be a second writer.
func (a *Agent) start(ctx context.Context, o Order, before Status) (Status, error) {
	if before.Torn {
		return Status{}, Untouched(errTorn(a.server.subject))
	}
	switch o.As {
	case AsPrimary:
		return a.startPrimary(ctx, o, before)
	case AsStandby:
		return a.startStandby(ctx, o, before)
	}
	return Status{}, Untouched(fault.Invalidf(a.server.subject, "start says neither primary nor standby (%q)", o.As))
}

// undone returns what the keys of a step begin with, if the key is one of its
// compensation.
func undone(key string) (step string, undoes bool) {
	i := strings.LastIndex(key, "/undo/")
	return key[:max(i, 0)] + "/", i >= 0
}

// startPrimary lets a writer write again. A compensation lifts the fence of its
// own step and no other: one that was sent long ago, and arrives when another
// run has fenced the server and promoted a standby, would make a second writer.
func (a *Agent) startPrimary(ctx context.Context, o Order, before Status) (Status, error) {
	f := before.Fence
	switch step, undoes := undone(o.Key); {
	case undoes && f != nil && !strings.HasPrefix(f.Key, step):
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "stays fenced: the order to take back %s comes too late, and the fence that holds is that of %s", strings.TrimSuffix(step, "/"), f.Key).
			Do("do not repeat it; look where the later run stands"))
	case f != nil && !f.WasPrimary, f == nil && !before.Primary():
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "was no writer, and starting it as one would make a second").
			Do("promote it if it is to write"))
	case before.Ready && before.Control.State == "in production":
		// The fence did not get as far as stopping it, or there was none.
		if err := a.server.unmarkStandby(); err != nil {
			return Status{}, err
		}
		if err := a.setFence(nil); err != nil {
			return Status{}, err
		}
		return a.ended(ctx, "runs as a primary, as it did before")
	case before.Running: // it is stopping, or somebody started a read-only standby by hand
		if err := a.server.stopClean(ctx, o.limit(a.StopLimit)); err != nil {
			return Status{}, err
		}
	}
	if err := a.server.unmarkStandby(); err != nil {
		return Status{}, err
	}
	return a.startNow(ctx, o)
}

func (a *Agent) startStandby(ctx context.Context, o Order, before Status) (Status, error) {
	switch {
	case !before.Standby:
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "is not configured as a standby").Do("use the verb standby first"))
	case before.Frozen:
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "is frozen (process %d is stopped)", before.PID).Do("kill -CONT %d", before.PID))
	case before.Ready:
		if err := a.setFence(nil); err != nil {
			return Status{}, err
		}
		return a.ended(ctx, "runs as a standby, as it did before")
	}
	return a.startNow(ctx, o)
}

// startNow starts the server and lifts the fence last of all: until then a
// crash leads back to a server that stays off.
func (a *Agent) startNow(ctx context.Context, o Order) (Status, error) {
	l, err := a.server.launch(ctx, o.limit(a.StartLimit))
	if err != nil {
		return Status{}, err
	}
	if err := a.server.awaitReady(ctx, l, o.limit(a.StartLimit)); err != nil {
		return Status{}, err
	}
	if err := a.setFence(nil); err != nil {
		return Status{}, err
	}
	return a.ended(ctx, "started as a %s", o.As)
}

// standby makes the server, which must be off or a standby already, follow the
// upstream when it is started.
func (a *Agent) standby(ctx context.Context, o Order, before Status) (Status, error) {
	up, err := a.server.upstream(o.Upstream)
	if err != nil {
		return Status{}, Untouched(err)
	}
	if before.Running && !before.Standby {
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "runs as a primary").Do("fence it first"))
	}
	if err := a.server.follow(up, o.Slot); err != nil {
		return Status{}, err
	}
	if err := a.server.markStandby(); err != nil {
		return Status{}, err
	}
	if before.Running {
		if err := a.server.reload(before.PID); err != nil {
			return Status{}, err
		}
	}
	return a.ended(ctx, "configured as a standby of %s with slot %q", o.Upstream, o.Slot)
}

// rewind takes back what only this server has. It needs a fenced server, or
// one that never wrote, and keeps a copy of the WAL.
func (a *Agent) rewind(ctx context.Context, o Order, before Status) (Status, error) {
	return a.replace(ctx, o, before, func(up Upstream, archive string) (string, error) {
		detail, err := a.server.rewind(ctx, up, o.limit(a.RewindLimit), archive, func() error { return a.setTorn(true) })
		if err != nil {
			return "", err
		}
		return detail, a.setTorn(false)
	})
}

// reseed is rewind by way of a whole new copy.
func (a *Agent) reseed(ctx context.Context, o Order, before Status) (Status, error) {
	return a.replace(ctx, o, before, func(up Upstream, archive string) (string, error) {
		if f := before.Fence; f == nil || !f.WasPrimary {
			archive = ""
		}
		detail, err := a.server.reseed(ctx, up, o.Slot, o.limit(a.ReseedLimit), archive)
		if err != nil {
			return "", err
		}
		return detail, a.setTorn(false)
	})
}

// replace wraps an act that exchanges the data: the local configuration is
// kept, and the mark is back whatever the result.
func (a *Agent) replace(ctx context.Context, o Order, before Status, act func(Upstream, string) (string, error)) (Status, error) {
	up, err := a.server.upstream(o.Upstream)
	if err != nil {
		return Status{}, Untouched(err)
	}
	if before.Fence == nil && !before.Standby {
		return Status{}, Untouched(fault.Conflictf(a.server.subject, "is neither fenced nor a standby, and its data may be the only ones").Do("fence it first"))
	}
	if err := a.server.stopClean(ctx, a.StopLimit); err != nil {
		return Status{}, err
	}
	if err := a.keepLocal(); err != nil {
		return Status{}, err
	}
	archive := filepath.Join(a.StateDir, "diverged", time.Now().UTC().Format("20060102T150405Z")+"-"+fileSafe(o.Key))
	detail, err := act(up, archive)
	// Whatever came of it: the mark, then the local files.
	if markErr := a.server.markStandby(); markErr != nil {
		return Status{}, markErr
	}
	if restoreErr := a.restoreLocal(); restoreErr != nil {
		return Status{}, restoreErr
	}
	if err != nil {
		return Status{}, err
	}
	if err := a.server.follow(up, o.Slot); err != nil {
		return Status{}, err
	}
	return a.ended(ctx, "%s", detail)
}
