package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// onBoth runs one statement on both members at once.
func (m move) onBoth(ctx context.Context, sql string) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, at := range []*member{m.from, m.to} {
		g.Go(func() error {
			return at.line.with(ctx, func(conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, sql)
				return err
			})
		})
	}
	return g.Wait()
}

// maxKeys bounds what this process remembers.
const maxKeys = 1000

// quiesce leaves no trace in the world; this process remembers its keys.
func observeQuiesce(_ context.Context, m move) (providers.Result, error) {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if detail, ok := m.p.keys[m.Key]; ok && m.Key != "" {
		return result(providers.Done, nil, "%s", detail), nil
	}
	return result(providers.NotDone, nil, "no checkpoint was asked for under this key by this node; asking again does no harm"), nil
}

func actQuiesce(ctx context.Context, m move) (providers.Result, error) {
	// Opens the connections, the agents' too, that the seconds which count
	// will use; that an agent does not answer is the fence's to say.
	var g errgroup.Group
	for _, at := range []*member{m.from, m.to} {
		g.Go(func() error {
			_, _ = m.look(ctx, at, true)
			return nil
		})
	}
	err := m.onBoth(ctx, "CHECKPOINT")
	_ = g.Wait()
	if err != nil {
		return providers.Result{}, fmt.Errorf("write a checkpoint: %w", err)
	}
	detail := fmt.Sprintf("checkpoint written on %s and %s", m.from.Region, m.to.Region)
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if len(m.p.keys) >= maxKeys {
		clear(m.p.keys) // at worst somebody's checkpoint is written twice
	}
	m.p.keys[m.Key] = detail
	return result(providers.Done, nil, "%s", detail), nil
}

// fenceResult says what a fence may claim, and no more.
func fenceResult(m move, h host, st agent.Status) providers.Result {
	values := map[string]string{"evidence": st.Detail, "fence": "fenced", "fenced_by": h.kind()}
	if st.Control != nil {
		values["lsn"], values["timeline"] = st.Control.Checkpoint, fmt.Sprint(st.Control.Timeline)
		values["control_state"], values["system_identifier"] = st.Control.State, st.Control.SystemIdentifier
	}
	return result(providers.Done, values, "%s", st.Detail)
}

func observeFence(ctx context.Context, m move) (providers.Result, error) {
	h, err := m.from.controller()
	if err != nil {
		return unseen(err)
	}
	st, err := m.look(ctx, m.from, false)
	if err != nil {
		return unseen(err)
	}
	switch {
	case h.kind() != "agent" && !st.Running:
		return result(providers.NotDone, nil, "%s: not running, but whether it is fenced only the verb fence confirms", m.from.Region), nil
	case !st.Fenced:
		return result(providers.NotDone, nil, "%s", st.Detail), nil
	case st.Fence.Epoch.Compare(m.Epoch) < 0:
		return result(providers.NotDone, nil, "%s; that was an earlier decision", st.Detail), nil
	case m.planned && (st.Control == nil || !st.Control.Clean()):
		return result(providers.NotDone, nil, "%s; a switchover needs a clean stop", st.Detail), nil
	}
	m.p.confirm(m, st.Detail)
	return fenceResult(m, h, st), nil
}

// confirm remembers that from is fenced under the request's epoch.
func (p *Provider) confirm(m move, evidence string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fenced[m.from.Region] = fenceSeen{m.Epoch, evidence}
}

// actFence makes the old writer unable to write, or says why that cannot be
// claimed. The surprising part is what it refuses: a server that merely does
// not answer is unfenced, whatever SQL could be sent to it.
func actFence(ctx context.Context, m move) (providers.Result, error) {
	h, err := m.from.controller()
	if err != nil {
		return m.declared(err)
	}
	o := m.order(m.from, "")
	to, toErr := m.to.facts(ctx)
	switch {
	case toErr == nil:
		o.SystemIdentifier = to.SystemIdentifier
		if m.planned && !to.Standby {
			return providers.Result{}, fault.Conflictf(m.subject(m.to), "is a primary already: two may be writing now").
				Do("fence the one that is not the writer, as not planned")
		}
	case m.planned:
		return providers.Result{}, fmt.Errorf("the old writer goes on, because the new one cannot take over: %w", toErr)
	}
	if m.planned {
		if err := m.connected(ctx, to); err != nil {
			return providers.Result{}, err
		}
	}
	st, err := h.Do(ctx, agent.VerbFence, o)
	if err == nil && m.planned && (st.Control == nil || !st.Control.Clean()) {
		return providers.Result{}, fault.Conflictf(m.subject(m.from), "is off, but not cleanly: %s", st.Detail).Do("unfence it")
	}
	if fault.Is(err, fault.Unavailable) && !m.planned {
		return m.declared(err)
	}
	if err != nil {
		return providers.Result{}, fmt.Errorf("fence %s: %w", m.from.Region, err)
	}
	m.from.line.close() // its connections are dead
	m.p.confirm(m, st.Detail)
	return fenceResult(m, h, st), nil
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

// declared is the last resort, where nothing can confirm a fence: a person's
// word, by name. Without it the answer is no.
func (m move) declared(cause error) (providers.Result, error) {
	by := m.Params["declared_lost_by"]
	if m.planned || by == "" {
		refusal := fault.Unavailablef(m.subject(m.from), "is unfenced: it could not be confirmed that it cannot write").Because(cause)
		if m.planned {
			return providers.Result{}, refusal
		}
		return providers.Result{}, refusal.Do("turn its machine off and make that confirmable, or, if you are sure that the region is lost, " +
			"repeat with declared_lost_by=YOUR-NAME; if it comes back writing, its writes and the new writer's have to be merged by hand")
	}
	evidence := fmt.Sprintf("unfenced: %s declared %s lost; nothing confirmed that it cannot write (%v)", by, m.from.Region, cause)
	m.p.confirm(m, evidence)
	return result(providers.Done, map[string]string{"evidence": evidence, "fence": "declared", "fenced_by": by}, "%s", evidence), nil
}

func observeUnfence(ctx context.Context, m move) (providers.Result, error) {
	from, err := m.from.facts(ctx)
	switch {
	case err == nil && !from.Standby:
		return result(providers.Done, map[string]string{"timeline": fmt.Sprint(from.Timeline)}, "%s writes", m.from.Region), nil
	case err == nil:
		return result(providers.NotDone, nil, "%s is read-only", m.from.Region), nil
	}
	st, hostErr := m.look(ctx, m.from, true)
	if hostErr != nil {
		return unseen(hostErr)
	}
	return result(providers.NotDone, nil, "%s", st.Detail), nil
}

// actUnfence is the way back while nothing was promoted. It asks the new
// writer first, in the same call: two writers are worse than none.
func actUnfence(ctx context.Context, m move) (providers.Result, error) {
	h, err := m.from.controller()
	if err != nil {
		return providers.Result{}, err
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
	st, err := h.Do(ctx, agent.VerbStart, o)
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
	m.p.mu.Unlock()
	return result(providers.Done, map[string]string{"timeline": fmt.Sprint(from.Timeline)}, "%s writes again: %s", m.from.Region, st.Detail), nil
}
