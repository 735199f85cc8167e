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

// stillFenced asks for the fence again, at the moment of promoting. A host
// that was confirmed and then vanished counts by its mark, which is on its
// disk, and one that was declared lost by the word that was given; a server
// that shows itself never counts.
func (m move) stillFenced(ctx context.Context) (evidence string, err error) {
	st, err := m.look(ctx, m.from, true)
	seen, ok := m.confirmed()
	switch {
	case err == nil && st.Running:
		return "", fault.Conflictf(m.subject(m.from), "runs: %s", st.Detail).Do("fence it first: two would write")
	case err == nil && st.Fenced:
		return st.Detail, nil
	case err == nil && ok && (m.from.host.kind() != "agent" || seen.how == Declared):
		return "not running: " + st.Detail, nil
	case err == nil:
		return "", fault.Conflictf(m.subject(m.from), "is not fenced: %s", st.Detail).Do("fence it first")
	case !ok:
		return "", fault.Unavailablef(m.subject(m.from), "is not known to be fenced").Because(err).Do("fence it first")
	}
	if shows := sign(m.from.facts(ctx)); shows != "" {
		return "", fault.Conflictf(m.subject(m.from), "is there (%s), although it was %s", shows, seen.evidence).Do("fence it first: two would write")
	}
	return fmt.Sprintf("%s; it cannot be asked again: %s", seen.evidence, bare(err)), nil
}

// confirmed returns the fence that this process saw under the request's epoch,
// or else the one that the run says its fence step had.
func (m move) confirmed() (fenceSeen, bool) {
	m.p.mu.Lock()
	seen, ok := m.p.fenced[m.from.Region]
	m.p.mu.Unlock()
	if ok && seen.epoch.Compare(m.Epoch) == 0 {
		return seen, true
	}
	switch how := m.Params["fence"]; how {
	case Fenced, Declared:
		return fenceSeen{m.Epoch, how, how + " earlier in this run"}, true
	}
	return fenceSeen{}, false
}

func observePromote(ctx context.Context, m move) (providers.Result, error) {
	to, err := m.to.facts(ctx)
	switch {
	case err != nil:
		return unseen(err)
	case to.Standby:
		return result(providers.NotDone, map[string]string{"timeline": fmt.Sprint(to.Timeline)}, "%s is a standby on timeline %d", m.to.Region, to.Timeline), nil
	}
	return result(providers.Done, map[string]string{"timeline": fmt.Sprint(to.Timeline), "timeline_after": fmt.Sprint(to.Timeline), "system_identifier": to.SystemIdentifier},
		"%s is out of recovery, on timeline %d", m.to.Region, to.Timeline), nil
}

func actPromote(ctx context.Context, m move) (providers.Result, error) {
	var evidence string
	var to Facts
	var agentErr error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		evidence, err = m.stillFenced(gctx)
		return err
	})
	g.Go(func() (err error) {
		to, err = m.to.facts(gctx)
		return err
	})
	if m.to.host != nil && m.to.host.kind() == "agent" {
		g.Go(func() error {
			// It remembers epochs longer than we do. If it does not answer,
			// what the data carry must do.
			_, agentErr = m.to.host.Do(gctx, agent.VerbStatus, agent.Order{Database: m.p.db.ID, Region: m.to.Region, Epoch: m.Epoch, Brief: true})
			if fault.Is(agentErr, fault.Conflict) {
				return agentErr
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return providers.Result{}, fmt.Errorf("%s is not promoted: %w", m.to.Region, err)
	}
	want := m.Params["system_identifier"]
	switch {
	case to.Seen.Compare(m.Epoch) > 0:
		return providers.Result{}, providers.Stale(string(m.p.db.ID), m.Epoch, to.Seen)
	case want != "" && want != to.SystemIdentifier:
		return providers.Result{}, fault.Conflictf(m.subject(m.to), "holds the data of system %s, not of %s", to.SystemIdentifier, want).
			Do("this is another cluster's server: correct the configuration")
	case !to.Standby:
		return result(providers.Done, map[string]string{"timeline": fmt.Sprint(to.Timeline), "timeline_after": fmt.Sprint(to.Timeline), "system_identifier": to.SystemIdentifier},
			"%s was promoted before, it is on timeline %d", m.to.Region, to.Timeline), nil
	}
	after, err := m.promote(ctx, to)
	if err != nil {
		return providers.Result{}, fmt.Errorf("promote %s: %w", m.to.Region, err)
	}
	values := map[string]string{"timeline": fmt.Sprint(after.Timeline), "timeline_before": fmt.Sprint(to.Timeline), "timeline_after": fmt.Sprint(after.Timeline),
		"system_identifier": after.SystemIdentifier, "lsn": to.Current.String(), "evidence": evidence}
	res := result(providers.Done, values, "%s is out of recovery, timeline %d became %d; %s: %s", m.to.Region, to.Timeline, after.Timeline, m.from.Region, evidence)
	if to.Settings.SyncNames != "" {
		res.Values["synchronous_standby_names"] = to.Settings.SyncNames
		res.Detail += fmt.Sprintf("; synchronous_standby_names was %q and is empty now: set it again after re-protection", to.Settings.SyncNames)
	}
	if agentErr != nil {
		res.Detail += fmt.Sprintf("; the agent of %s could not be asked for its epoch", m.to.Region)
	}
	return res, nil
}

// promote ends recovery and returns once the server writes. pg_promote's own
// waiting goes in steps of 100 ms, so it is not used.
func (m move) promote(ctx context.Context, before Facts) (Facts, error) {
	var after Facts
	err := m.change(ctx, m.to, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_promote(false)"); err != nil {
			return err
		}
		for {
			var standby bool
			if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
				return err
			}
			if !standby {
				break
			}
			if err := sleep(ctx, poll); err != nil {
				return fault.Unavailablef(m.subject(m.to), "was told to promote and is still in recovery: it may be replaying much").
					Do("watch its log; do not unfence the old writer")
			}
		}
		// With its only synchronous standby gone, every commit would wait
		// for ever.
		if before.Settings.SyncNames != "" {
			if _, err := conn.Exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = ''"); err != nil {
				return fmt.Errorf("clear synchronous_standby_names: %w", err)
			}
			if _, err := conn.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
				return fmt.Errorf("reload the configuration: %w", err)
			}
		}
		var err error
		after, err = readFacts(ctx, conn)
		return err
	})
	return after, err
}
