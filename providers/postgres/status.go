package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
)

// MemberStatus is how one member stands.
type MemberStatus struct {
	Region  regions.ID
	Facts   Facts // meaningful if Err is nil
	Err     error
	Agent   agent.Status // meaningful if HostErr is nil
	HostErr error
}

// String is the status in words.
func (s MemberStatus) String() string {
	if s.Err != nil {
		text := fmt.Sprintf("%s does not answer: %v", s.Region, s.Err)
		if s.HostErr == nil {
			text += "; " + s.Agent.Detail
		}
		return text
	}
	text := fmt.Sprintf("%s is a %s on timeline %d of system %s, at %s", s.Region, s.Facts.Role(), s.Facts.Timeline, s.Facts.SystemIdentifier, s.Facts.Current)
	if s.Facts.Standby {
		text += fmt.Sprintf(", %d bytes received and not replayed", s.Facts.Current.Minus(s.Facts.Replayed))
	}
	return text
}

// Status asks every member and every host, all at once.
func (p *Provider) Status(ctx context.Context) []MemberStatus {
	out := make([]MemberStatus, len(p.db.Members))
	var all sync.WaitGroup
	for i, dm := range p.db.Members {
		member := p.members[dm.Region]
		out[i].Region = dm.Region
		all.Go(func() { out[i].Facts, out[i].Err = member.facts(ctx) })
		all.Go(func() {
			m := move{p: p}
			out[i].Agent, out[i].HostErr = m.look(ctx, member, true)
		})
	}
	all.Wait()
	return out
}

func observeStatus(ctx context.Context, m move) (providers.Result, error) {
	values := map[string]string{}
	var words []string
	var primary, standby []MemberStatus
	for _, s := range m.p.Status(ctx) {
		prefix := strings.ReplaceAll(string(s.Region), "-", "_") + "_"
		words = append(words, s.String())
		if s.Err != nil {
			values[prefix+"role"] = "unknown"
			continue
		}
		values[prefix+"role"], values[prefix+"lsn"] = s.Facts.Role(), s.Facts.Current.String()
		values[prefix+"timeline"], values["system_identifier"] = fmt.Sprint(s.Facts.Timeline), s.Facts.SystemIdentifier
		if s.Facts.Standby {
			standby = append(standby, s)
		} else {
			primary = append(primary, s)
		}
	}
	if len(primary) == 1 {
		for _, s := range standby {
			prefix := strings.ReplaceAll(string(s.Region), "-", "_") + "_"
			values[prefix+"lag_bytes"] = fmt.Sprint(primary[0].Facts.Current.Minus(s.Facts.Replayed))
		}
	}
	state := providers.Done
	switch len(primary) {
	case 0:
		words = append(words, "nobody writes")
	case 1:
	default:
		words = append(words, fmt.Sprintf("%d servers write: fence all but the one that is the writer", len(primary)))
		state = providers.NotDone
	}
	return result(state, values, "%s", strings.Join(words, "; ")), nil
}

// Checked is what Check found.
type Checked struct {
	Standby  bool
	Writable bool          // a primary whose transactions are not read-only by default
	Lag      time.Duration // standby: since the last transaction it replayed, by its own clock; it lies on an idle primary
	Took     time.Duration // from dialling to the answer
}

// Check asks a server once what it is, over a connection of its own.
func Check(ctx context.Context, dsn, password string) (Checked, error) {
	began := time.Now()
	l := newLine("PostgreSQL", dsn, func() (string, error) { return password, nil })
	defer l.close()
	var c Checked
	var lag float64
	err := l.with(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), NOT pg_is_in_recovery() AND NOT current_setting('default_transaction_read_only')::bool,
			CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
			THEN coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) ELSE 0 END::float8`).Scan(&c.Standby, &c.Writable, &lag)
	})
	c.Lag, c.Took = time.Duration(lag*float64(time.Second)), time.Since(began)
	return c, err
}
