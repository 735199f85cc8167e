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
	return result(providers.Done, promoted(to), "%s is out of recovery, on timeline %d", m.to.Region, to.Timeline), nil
}

// ready is what a promotion must know beforehand, all of it asked at once.
type ready struct {
	to       Facts
	evidence string // why the old writer cannot write
	agentErr error  // the agent of to could not be asked for its epoch
}

// prepare asks everybody who could say no.
func (m move) prepare(ctx context.Context) (ready, error) {
	var r ready
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		r.evidence, err = m.stillFenced(ctx)
		return err
	})
	g.Go(func() (err error) {
		r.to, err = m.to.facts(ctx)
		return err
	})
	if m.to.host != nil && m.to.host.kind() == "agent" {
		g.Go(func() error {
			// It remembers epochs longer than we do. If it does not answer,
			// what the data carry must do.
			_, r.agentErr = m.to.host.Do(ctx, agent.VerbStatus, agent.Order{Database: m.p.db.ID, Region: m.to.Region, Epoch: m.Epoch, Brief: true})
			if fault.Is(r.agentErr, fault.Conflict) {
				return r.agentErr
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return r, fmt.Errorf("%s is not promoted: %w", m.to.Region, err)
	}
	switch want := m.Params["system_identifier"]; {
	case r.to.Seen.Compare(m.Epoch) > 0:
		return r, providers.Stale(string(m.p.db.ID), m.Epoch, r.to.Seen)
	case want != "" && want != r.to.SystemIdentifier:
		return r, fault.Conflictf(m.subject(m.to), "holds the data of system %s, not of %s", r.to.SystemIdentifier, want).
			Do("this is another cluster's server: correct the configuration")
	}
	return r, nil
}

func actPromote(ctx context.Context, m move) (providers.Result, error) {
	r, err := m.prepare(ctx)
	switch {
	case err != nil:
		return providers.Result{}, err
	case !r.to.Standby:
		return result(providers.Done, promoted(r.to), "%s was promoted before, it is on timeline %d", m.to.Region, r.to.Timeline), nil
	}
	after, err := m.promote(ctx, r.to)
	if err != nil {
		return providers.Result{}, fmt.Errorf("promote %s: %w", m.to.Region, err)
	}
	res := result(providers.Done, promoted(after), "%s is out of recovery, timeline %d became %d; %s: %s", m.to.Region, r.to.Timeline, after.Timeline, m.from.Region, r.evidence)
	res.Values["timeline_before"], res.Values["lsn"], res.Values["evidence"] = fmt.Sprint(r.to.Timeline), r.to.Current.String(), r.evidence
	if names := r.to.Settings.SyncNames; names != "" {
		res.Values["synchronous_standby_names"] = names
		res.Detail += fmt.Sprintf("; synchronous_standby_names was %q and is empty now: set it again after re-protection", names)
	}
	if r.agentErr != nil {
		res.Detail += fmt.Sprintf("; the agent of %s could not be asked for its epoch", m.to.Region)
	}
	return res, nil
}

// promoted are the values of a server that is out of recovery.
func promoted(f Facts) map[string]string {
	return map[string]string{"timeline": fmt.Sprint(f.Timeline), "timeline_after": fmt.Sprint(f.Timeline), "system_identifier": f.SystemIdentifier}
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
