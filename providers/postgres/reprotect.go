package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// streamLimit is how long a server that was just started may take to stream.
const streamLimit = 30 * time.Second

func observeReprotect(ctx context.Context, m move) (providers.Result, error) {
	slot := m.Param("slot", SlotName(m.from.Region))
	r, err := m.to.receiver(ctx, slot)
	if err != nil {
		return unseen(err)
	}
	values := map[string]string{"slot": slot}
	if !r.Following {
		return result(providers.NotDone, values, "%s does not stream from %s (slot %q: %s)", m.from.Region, m.to.Region, slot, slotState(r)), nil
	}
	return result(providers.Done, values, "%s streams from %s through slot %q, replayed up to %s", m.from.Region, m.to.Region, slot, r.Replayed), nil
}

func slotState(r Receiver) string {
	switch {
	case !r.Exists:
		return "missing"
	case !r.Active:
		return "not active"
	}
	return r.State
}

// actReprotect makes the old writer follow the new one. A rewind that fails,
// or that succeeds and still does not stream, ends in a reseed.
func actReprotect(ctx context.Context, m move) (providers.Result, error) {
	if seen, err := observeReprotect(ctx, m); err == nil && seen.State == providers.Done {
		return seen, m.tidy(ctx)
	}
	if _, err := m.from.controller(); err != nil {
		return providers.Result{}, err
	}
	to, err := m.to.facts(ctx)
	switch {
	case err != nil:
		return providers.Result{}, err
	case to.Standby:
		return providers.Result{}, fault.Conflictf(m.subject(m.to), "is a standby, so nothing can follow it as the writer").Do("promote it first, or name the right regions")
	}
	slot, err := actSlot(ctx, m)
	if err != nil {
		return providers.Result{}, err
	}
	// pg_rewind reads the timeline from the control file, which a promotion
	// without a checkpoint has not reached yet.
	if err := m.change(ctx, m.to, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CHECKPOINT")
		return err
	}); err != nil {
		return providers.Result{}, fmt.Errorf("write a checkpoint on %s: %w", m.to.Region, err)
	}
	o := m.order(m.from, "")
	o.SystemIdentifier, o.Upstream, o.Slot, o.As = to.SystemIdentifier, m.to.Region, slot.Values["slot"], agent.AsStandby

	methods := []string{agent.VerbRewind, agent.VerbReseed}
	if method := m.Params["method"]; method == agent.VerbRewind || method == agent.VerbReseed {
		methods = []string{method}
	}
	var done []string
	for i, method := range methods {
		res, err := m.follow(ctx, o, method)
		if err == nil {
			return res, m.tidy(ctx)
		}
		// A host out of reach will not reseed either; the next attempt is
		// the run's to make.
		if i == len(methods)-1 || fault.Is(err, fault.Unavailable) && ctx.Err() != nil || fault.Is(err, fault.Denied) {
			return providers.Result{}, fmt.Errorf("re-protect by %s: %w", method, err)
		}
		done = append(done, fmt.Sprintf("%s did not do: %v", method, err))
	}
	return providers.Result{}, fault.New(fault.Internal, m.subject(m.from), "no way to re-protect is left: %v", done)
}

// follow gets data that can follow, by one method, starts the server and waits
// until it streams.
func (m move) follow(ctx context.Context, o agent.Order, method string) (providers.Result, error) {
	o.Key = m.Key + "/" + method
	st, err := m.tell(ctx, m.from, method, o)
	if err != nil {
		return providers.Result{}, err
	}
	for _, verb := range []string{agent.VerbStandby, agent.VerbStart} {
		if _, err := m.tell(ctx, m.from, verb, o); err != nil {
			return providers.Result{}, err
		}
	}
	deadline := time.Now().Add(streamLimit)
	for {
		seen, err := observeReprotect(ctx, m)
		switch {
		case err != nil:
			return seen, err
		case seen.State == providers.Done:
			seen.Values["method"], seen.Values["evidence"] = method, st.Detail
			seen.Detail = fmt.Sprintf("%s: %s; %s", method, st.Detail, seen.Detail)
			return seen, nil
		case time.Now().After(deadline):
			return seen, fault.Conflictf(m.subject(m.from), "was started and does not stream after %v: %s", streamLimit, seen.Detail).Do("read its log")
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return seen, fmt.Errorf("wait until %s streams: %w", m.from.Region, err)
		}
	}
}

// tidy drops the slot that the new standby kept for its former follower: it
// would retain WAL without limit.
func (m move) tidy(ctx context.Context) error {
	err := m.change(ctx, m.from, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active AND pg_is_in_recovery()`,
			SlotName(m.to.Region))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop the slot that %s left on %s: %w", m.to.Region, m.from.Region, err)
	}
	return nil
}
