package postgres

import (
	"context"
	"fmt"
	"strings"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// fenceResult says what a fence may claim, and no more.
func fenceResult(h host, st agent.Status) providers.Result {
	values := map[string]string{"evidence": st.Detail, "fence": Fenced, "fenced_by": h.kind()}
	if st.Control != nil {
		values["lsn"], values["timeline"] = st.Control.Checkpoint, fmt.Sprint(st.Control.Timeline)
		values["control_state"], values["system_identifier"] = st.Control.State, st.Control.SystemIdentifier
	}
	return result(providers.Done, values, "%s", st.Detail)
}

func observeFence(ctx context.Context, m move) (providers.Result, error) {
	st, err := m.look(ctx, m.from, false)
	if err != nil {
		if res, err := m.declared(ctx, err); err == nil {
			return res, nil
		}
		return unseen(err)
	}
	h := m.from.host
	switch {
	case h.kind() != "agent" && !st.Running:
		return result(providers.NotDone, nil, "%s: not running, but whether it is fenced only the verb fence confirms", m.from.Region), nil
	case !st.Fenced:
		return result(providers.NotDone, nil, "%s", st.Detail), nil
	case st.Fence.Epoch.Compare(m.Epoch) < 0:
		return result(providers.NotDone, nil, "%s; that was an earlier decision", st.Detail), nil
	case h.kind() == "agent" && runOf(st.Fence.Key) != runOf(m.Key):
		return result(providers.NotDone, nil, "%s; but by %s, and only who fences it themselves can rely on it", st.Detail, runOf(st.Fence.Key)), nil
	case m.planned && (st.Control == nil || !st.Control.Clean()):
		return result(providers.NotDone, nil, "%s; a switchover needs a clean stop", st.Detail), nil
	}
	m.p.confirm(m, Fenced, st.Detail)
	return fenceResult(h, st), nil
}

// confirm remembers that from is fenced under the request's epoch, and how.
func (p *Provider) confirm(m move, how, evidence string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fenced[m.from.Region] = fenceSeen{m.Epoch, how, evidence}
}

// actFence makes the old writer unable to write, or says why that cannot be
// claimed. The surprising part is what it refuses: a server that merely does
// not answer is unfenced, whatever SQL could be sent to it.
func actFence(ctx context.Context, m move) (providers.Result, error) {
	to, err := m.to.facts(ctx)
	if err != nil {
		return providers.Result{}, fmt.Errorf("%s is not fenced, because %s could not take over: %w", m.from.Region, m.to.Region, err)
	}
	if err := m.worthIt(ctx, to); err != nil {
		return providers.Result{}, err
	}
	h, err := m.from.controller()
	if err != nil {
		return m.declared(ctx, err)
	}
	o := m.order(m.from, "")
	o.SystemIdentifier = to.SystemIdentifier
	st, err := m.tell(ctx, m.from, agent.VerbFence, o)
	switch {
	case err == nil && m.planned && (st.Control == nil || !st.Control.Clean()):
		return providers.Result{}, fault.Conflictf(m.subject(m.from), "is off, but not cleanly: %s", st.Detail).Do("unfence it")
	case fault.Is(err, fault.Unavailable) && !m.planned:
		return m.declared(ctx, err)
	case err != nil:
		return providers.Result{}, fmt.Errorf("fence %s: %w", m.from.Region, err)
	}
	m.from.line.close() // its connections are dead
	m.p.confirm(m, Fenced, st.Detail)
	return fenceResult(h, st), nil
}

// worthIt refuses to stop a writer that nobody could replace: preflight may
// have been an approval ago. A primary on the other side is the exception of a
// failover: then two may be writing, and the fence is what helps.
func (m move) worthIt(ctx context.Context, to Facts) error {
	if !to.Standby && !m.planned {
		return nil
	}
	s := survey{to: to, toRegion: m.to.Region, epoch: m.Epoch}
	for _, f := range s.receiving() {
		if !f.OK {
			return fault.Conflictf(m.subject(m.from), "is not fenced, because %s could not take over: %s", m.to.Region, f.Detail).Do("%s", f.Remedy)
		}
	}
	if m.planned {
		return m.connected(ctx, to)
	}
	return nil
}

// connected refuses to stop a writer whose standby is not there to receive the
// last it writes. A writer that is off already has nothing more to send.
func (m move) connected(ctx context.Context, to Facts) error {
	r, err := m.from.receiver(ctx, to.Slot)
	if err == nil && to.Slot != "" && r.State != "streaming" {
		return fault.Conflictf(m.subject(m.from), "goes on, because %s does not stream from it (slot %q: %s)", m.to.Region, to.Slot, slotState(r)).
			Do("wait until it streams, then repeat")
	}
	return nil
}

func observeUnfence(ctx context.Context, m move) (providers.Result, error) {
	from, err := m.from.facts(ctx)
	switch {
	case err == nil && from.Standby:
		return result(providers.NotDone, nil, "%s is read-only", m.from.Region), nil
	case err == nil && m.mayBeFencedYet():
		return result(providers.NotDone, nil, "%s writes, but its agent has not confirmed that it may: a fence may still be on its way to it", m.from.Region), nil
	case err == nil:
		return result(providers.Done, map[string]string{"timeline": fmt.Sprint(from.Timeline)}, "%s writes", m.from.Region), nil
	}
	st, hostErr := m.look(ctx, m.from, true)
	if hostErr != nil {
		return unseen(hostErr)
	}
	return result(providers.NotDone, nil, "%s", st.Detail), nil
}

// mayBeFencedYet reports whether a fence that this run has ordered may still
// be carried out. That the server writes does not say that it will not: the
// order may lie in the buffers of a frozen agent. Only an agent that was told
// by the run to start the server refuses it from then on.
func (m move) mayBeFencedYet() bool {
	if m.from.host == nil || m.from.host.kind() != "agent" {
		return false
	}
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	return !m.p.lifted[runOf(m.Key)]
}

// runOf is the part of a key that names the run.
func runOf(key string) string {
	run, _, _ := strings.Cut(key, "/")
	return run
}

// actUnfence is the way back while nothing was promoted. It asks the new
// writer first, in the same call: two writers are worse than none.
func actUnfence(ctx context.Context, m move) (providers.Result, error) {
	if _, err := m.from.controller(); err != nil {
		return providers.Result{}, fmt.Errorf("nothing was done to %s, so there is nothing to take back, and whether it writes cannot be seen: %w", m.from.Region, err)
	}
	o := m.order(m.from, "")
	o.As = agent.AsPrimary
	to, err := m.to.facts(ctx)
	switch {
	case err == nil && !to.Standby:
		return providers.Result{}, fault.Conflictf(m.subject(m.from), "stays fenced: %s is out of recovery, and two would write", m.to.Region).
			Do("go on from the new writer; re-protect %s", m.from.Region)
	case err == nil && to.Seen.Compare(m.Epoch) > 0:
		return providers.Result{}, providers.Stale(string(m.p.db.ID), m.Epoch, to.Seen)
	case err == nil:
		o.SystemIdentifier = to.SystemIdentifier
	case m.Params["never_promoted"] != "true":
		st, hostErr := m.look(ctx, m.to, false)
		if hostErr != nil || !st.Standby {
			return providers.Result{}, fault.Unavailablef(m.subject(m.from), "stays fenced: whether %s was promoted cannot be seen", m.to.Region).Because(err).
				Do("look at %s; if it is still a standby, repeat with never_promoted=true", m.to.Region)
		}
	}
	st, err := m.tell(ctx, m.from, agent.VerbStart, o)
	if err != nil {
		return providers.Result{}, fmt.Errorf("start %s again: %w", m.from.Region, err)
	}
	from, err := m.from.facts(ctx)
	switch {
	case err != nil:
		return providers.Result{}, err
	case from.Standby:
		return providers.Result{}, fault.Conflictf(m.subject(m.from), "was started, but is read-only: %s", st.Detail)
	}
	m.p.mu.Lock()
	delete(m.p.fenced, m.from.Region)
	if len(m.p.lifted) >= maxKeys {
		clear(m.p.lifted) // at worst somebody's server is told once more to start
	}
	m.p.lifted[runOf(m.Key)] = true
	m.p.mu.Unlock()
	return result(providers.Done, map[string]string{"timeline": fmt.Sprint(from.Timeline)}, "%s writes again: %s", m.from.Region, st.Detail), nil
}
