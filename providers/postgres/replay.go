package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/regions/fault"
)

// target is how far the new writer must have replayed: the last checkpoint of
// an old one that was shut down cleanly.
func (m move) target(ctx context.Context) (LSN, error) {
	if text := m.Params["lsn"]; text != "" {
		return ParseLSN(text)
	}
	st, err := m.look(ctx, m.from, false)
	if err != nil {
		return 0, err
	}
	if st.Running || st.Control == nil || !st.Control.Clean() {
		return 0, fault.Conflictf(m.subject(m.from), "was not shut down cleanly, so there is no end to wait for: %s", st.Detail)
	}
	return ParseLSN(st.Control.Checkpoint)
}

func observeReplay(ctx context.Context, m move) (providers.Result, error) {
	to, err := m.to.facts(ctx)
	switch {
	case err != nil:
		return unseen(err)
	case !to.Standby:
		return result(providers.Done, nil, "%s is out of recovery: it has replayed whatever it will ever replay", m.to.Region), nil
	case !m.planned:
		return result(providers.Done, nil, "%s has received up to %s, and promoting replays all of it", m.to.Region, to.Current), nil
	}
	want, err := m.target(ctx)
	switch {
	case err != nil:
		return unseen(err)
	case to.Replayed <= want:
		return result(providers.NotDone, nil, "%s has replayed up to %s; the last checkpoint of %s begins at %s", m.to.Region, to.Replayed, m.from.Region, want), nil
	}
	return result(providers.Done, map[string]string{"lsn": want.String()}, "%s has replayed up to %s, past the last checkpoint of %s at %s: nothing is missing",
		m.to.Region, to.Replayed, m.from.Region, want), nil
}

func actReplay(ctx context.Context, m move) (providers.Result, error) {
	if !m.planned {
		return observeReplay(ctx, m)
	}
	want, err := m.target(ctx)
	if err != nil {
		return providers.Result{}, fmt.Errorf("find how far %s has to replay: %w", m.to.Region, err)
	}
	var replayed LSN
	err = m.to.line.with(ctx, func(conn *pgx.Conn) error {
		for {
			var standby bool
			var text string
			if err := conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn(), '0/0')::text`).Scan(&standby, &text); err != nil {
				return err
			}
			var err error
			if replayed, err = ParseLSN(text); err != nil || replayed > want || !standby {
				return err
			}
			if err := sleep(ctx, poll); err != nil {
				return fault.Conflictf(m.subject(m.to), "has replayed up to %s, and %s, where the last checkpoint of %s begins, does not come", replayed, want, m.from.Region).
					Do("unfence %s: nothing was promoted", m.from.Region)
			}
		}
	})
	if err != nil {
		return providers.Result{}, err
	}
	return result(providers.Done, map[string]string{"lsn": want.String()}, "%s has replayed up to %s, past the last checkpoint of %s at %s: nothing is missing",
		m.to.Region, replayed, m.from.Region, want), nil
}
