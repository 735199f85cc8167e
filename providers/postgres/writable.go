package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/regions/fault"
)

// maxCanaries bounds the table of proofs.
const maxCanaries = 1000

func observeWritable(ctx context.Context, m move) (providers.Result, error) {
	var standby bool
	var timeline int64
	err := m.to.line.with(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), coalesce((SELECT timeline FROM fairlead_canary WHERE key = $1 AND region = $2 LIMIT 1), 0)`,
			m.Key, string(m.to.Region)).Scan(&standby, &timeline)
	})
	switch {
	case err != nil:
		return unseen(err)
	case standby:
		return result(providers.NotDone, nil, "%s is in recovery and accepts no rows", m.to.Region), nil
	case timeline == 0:
		return result(providers.NotDone, nil, "no row of this key is on %s", m.to.Region), nil
	}
	return result(providers.Done, map[string]string{"timeline": fmt.Sprint(timeline)}, "a row inserted on %s, on timeline %d, was read back", m.to.Region, timeline), nil
}

// actWritable proves it the only way there is. The row carries the epoch, so
// that the data themselves refuse an older one later, wherever they go.
func actWritable(ctx context.Context, m move) (providers.Result, error) {
	err := m.to.line.with(ctx, func(conn *pgx.Conn) error {
		f, err := readFacts(ctx, conn)
		switch {
		case err != nil:
			return err
		case f.Standby:
			return fault.Conflictf(m.subject(m.to), "is in recovery and accepts no rows").Do("promote it first")
		case f.Seen.Compare(m.Epoch) > 0:
			return providers.Stale(string(m.p.db.ID), m.Epoch, f.Seen)
		}
		m.begun.Store(true)
		_, err = conn.Exec(ctx, `INSERT INTO fairlead_canary (key, region, incarnation, epoch, timeline)
			SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM fairlead_canary WHERE key = $1 AND region = $2)`,
			m.Key, string(m.to.Region), int64(m.Epoch.Incarnation), int64(m.Epoch.Number), int64(f.Timeline))
		if err != nil {
			return fmt.Errorf("insert a row: %w", err)
		}
		return nil
	})
	if err != nil {
		return providers.Result{}, err
	}
	res, err := observeWritable(ctx, m) // a statement of its own: what it sees is committed
	if err == nil && res.State != providers.Done {
		err = fault.Conflictf(m.subject(m.to), "accepted a row and does not show it: %s", res.Detail)
	}
	if err != nil {
		return res, err
	}
	m.prune(ctx)
	return res, nil
}

// prune keeps the table small. That it fails does not matter: the next one
// prunes.
func (m move) prune(ctx context.Context) {
	_ = m.to.line.with(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `DELETE FROM fairlead_canary WHERE id < (SELECT max(id) FROM fairlead_canary) - $1`, maxCanaries)
		return err
	})
}

func observeSlot(ctx context.Context, m move) (providers.Result, error) {
	slot := m.Param("slot", SlotName(m.from.Region))
	r, err := m.to.receiver(ctx, slot)
	if err != nil {
		return unseen(err)
	}
	values := map[string]string{"slot": slot}
	if !r.Exists || r.Restart == 0 {
		return result(providers.NotDone, values, "%s has no slot %q that keeps WAL", m.to.Region, slot), nil
	}
	return result(providers.Done, values, "slot %q on %s keeps WAL from %s on", slot, m.to.Region, r.Restart), nil
}

// actSlot makes the new writer keep its log from now on: a slot that comes too
// late is why rejoined servers never catch up.
func actSlot(ctx context.Context, m move) (providers.Result, error) {
	slot := m.Param("slot", SlotName(m.from.Region))
	err := m.to.line.with(ctx, func(conn *pgx.Conn) error {
		f, err := readFacts(ctx, conn)
		if err != nil {
			return err
		}
		if f.Seen.Compare(m.Epoch) > 0 {
			return providers.Stale(string(m.p.db.ID), m.Epoch, f.Seen)
		}
		m.begun.Store(true)
		_, err = conn.Exec(ctx, `SELECT pg_create_physical_replication_slot($1, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`, slot)
		return err
	})
	if err != nil {
		return providers.Result{}, fmt.Errorf("create slot %q on %s: %w", slot, m.to.Region, err)
	}
	res, err := observeSlot(ctx, m)
	if err == nil && res.State != providers.Done {
		err = fault.Conflictf(m.subject(m.to), "%s", res.Detail)
	}
	return res, err
}
