package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/regions"
)

const (
	// sampleEvery is how often each member is looked at.
	sampleEvery = time.Second
	// sampleLimit bounds one look, so that a frozen server does not cost the
	// next ones.
	sampleLimit = 2 * time.Second
)

// monitor keeps a track of every member, so that when a primary is gone it is
// still known how far it had come and when. It writes a heartbeat to the
// primary: an idle one has no other way to show that its standby follows.
type monitor struct {
	p    *Provider
	node regions.NodeID

	mu     sync.Mutex
	tracks map[regions.ID]*track
}

func newMonitor(p *Provider, node regions.NodeID) *monitor {
	m := &monitor{p: p, node: node, tracks: map[regions.ID]*track{}}
	for region := range p.members {
		m.tracks[region] = &track{}
	}
	return m
}

// track returns the track of a member.
func (m *monitor) track(region regions.ID) *track {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tracks[region]
}

// run samples every member, each in its own time, until ctx ends.
func (m *monitor) run(ctx context.Context) error {
	var all sync.WaitGroup
	for region, member := range m.p.members {
		all.Go(func() {
			tr := m.track(region)
			// A line of its own: samples must not take the connections
			// that acts have kept open for the seconds that count.
			own := newLine(member.line.subject, member.line.dsn, member.line.password)
			defer own.close()
			tick := time.NewTicker(sampleEvery)
			defer tick.Stop()
			for {
				m.sample(ctx, own, tr)
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	all.Wait()
	return nil
}

func (m *monitor) sample(ctx context.Context, l *line, tr *track) {
	ctx, cancel := context.WithTimeout(ctx, sampleLimit)
	defer cancel()
	at := time.Now()
	var standby bool
	var text string
	err := l.with(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery()
			THEN coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0') ELSE pg_current_wal_lsn() END::text`).Scan(&standby, &text)
	})
	var lsn LSN
	if err == nil {
		lsn, err = ParseLSN(text)
	}
	if err != nil {
		tr.failed(time.Now(), err)
		return
	}
	tr.add(sample{at: at, lsn: lsn})
	if !standby && m.node != "" {
		// Whether it was written shows in the next sample; a table that is
		// missing is preflight's to tell.
		_ = l.with(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `BEGIN; SET LOCAL synchronous_commit = off;
				INSERT INTO fairlead_heartbeat AS h (node, beat) VALUES (`+quoteLiteral(string(m.node))+`, 1)
				ON CONFLICT (node) DO UPDATE SET beat = h.beat + 1, at = clock_timestamp(); COMMIT`)
			return err
		})
	}
}

// heartbeat returns when the newest heartbeat that a standby has was written,
// by the clock of the server that wrote it, for people to read.
func (m *member) heartbeat(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := m.line.with(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(at), 'epoch') FROM fairlead_heartbeat`).Scan(&at)
	})
	return at, err
}
