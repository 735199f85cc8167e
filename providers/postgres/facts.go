package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/regions"
)

// Facts is what one member says of itself, read in one statement.
type Facts struct {
	Region           regions.ID
	Standby          bool   // in recovery
	SystemIdentifier string // the same for all copies of one cluster
	Timeline         uint32
	Current          LSN // primary: how far it has written; standby: how far it has received
	Replayed         LSN // standby only
	PauseState       string
	Settings         Settings
	Slot             string // standby: the slot it uses on its primary
	CanPromote       bool
	Backups          int // base backups under way
	Canary           bool
	Seen             regions.Epoch // the newest epoch that a canary row carries
}

// Settings are those that decide whether a handover can work.
type Settings struct {
	WALLogHints, Checksums bool
	ApplyDelay             string // recovery_min_apply_delay
	ReadOnly               string // default_transaction_read_only
	SyncNames              string // synchronous_standby_names
}

const factsSQL = `
SELECT r.recovery,
	(SELECT system_identifier::text FROM pg_control_system()),
	CASE WHEN r.recovery THEN to_hex(greatest((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT received_tli FROM pg_stat_wal_receiver)))
		ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
	CASE WHEN r.recovery THEN coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::text
		ELSE pg_current_wal_lsn()::text END,
	CASE WHEN r.recovery THEN coalesce(pg_last_wal_replay_lsn(), '0/0')::text ELSE '0/0' END,
	CASE WHEN r.recovery THEN pg_get_wal_replay_pause_state() ELSE '' END,
	current_setting('wal_log_hints')::bool,
	current_setting('data_checksums')::bool,
	current_setting('recovery_min_apply_delay'),
	current_setting('default_transaction_read_only'),
	current_setting('synchronous_standby_names'),
	current_setting('primary_slot_name'),
	has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE'),
	(SELECT count(*) FROM pg_stat_progress_basebackup),
	to_regclass('fairlead_canary') IS NOT NULL
FROM (SELECT pg_is_in_recovery() AS recovery) r`

// lookLimit bounds one look at a member: a frozen server answers nothing, not
// even on a connection that is open.
const lookLimit = 3 * time.Second

// facts reads what a member says of itself.
func (m *member) facts(ctx context.Context) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var f Facts
	err := m.line.with(ctx, func(conn *pgx.Conn) (err error) {
		f, err = readFacts(ctx, conn)
		return err
	})
	f.Region = m.Region
	if err != nil {
		return f, fmt.Errorf("read the state of %s: %w", m.Region, err)
	}
	return f, nil
}

func readFacts(ctx context.Context, conn *pgx.Conn) (Facts, error) {
	var f Facts
	var timeline, current, replayed string
	err := conn.QueryRow(ctx, factsSQL).Scan(&f.Standby, &f.SystemIdentifier, &timeline, &current, &replayed, &f.PauseState,
		&f.Settings.WALLogHints, &f.Settings.Checksums, &f.Settings.ApplyDelay, &f.Settings.ReadOnly, &f.Settings.SyncNames,
		&f.Slot, &f.CanPromote, &f.Backups, &f.Canary)
	if err != nil {
		return f, err
	}
	t, err := strconv.ParseUint(timeline, 16, 32)
	if err != nil {
		return f, fmt.Errorf("timeline %q is no number", timeline)
	}
	f.Timeline = uint32(t)
	if f.Current, err = ParseLSN(current); err != nil {
		return f, err
	}
	if f.Replayed, err = ParseLSN(replayed); err != nil {
		return f, err
	}
	if f.Canary {
		err = conn.QueryRow(ctx, `SELECT incarnation, epoch, region FROM fairlead_canary ORDER BY incarnation DESC, epoch DESC LIMIT 1`).
			Scan(&f.Seen.Incarnation, &f.Seen.Number, &f.Seen.Writer)
		if err == pgx.ErrNoRows {
			err = nil
		}
	}
	return f, err
}

// Role is what a member is, in a word.
func (f Facts) Role() string {
	if f.Standby {
		return "standby"
	}
	return "primary"
}

// Receiver is one standby as its primary sees it, found by its slot.
type Receiver struct {
	Exists, Active bool
	State          string // "streaming", "catchup", …; empty if it is not connected
	Sent, Flushed  LSN
	Replayed       LSN
	Restart        LSN // the oldest WAL that the slot keeps
	// Following is true if it has what the primary wrote since its last
	// checkpoint: a standby that has just been connected may still be on its
	// way to the primary's timeline, and drop the connection once more.
	Following bool
}

// receiver asks a primary about the standby that uses a slot.
func (m *member) receiver(ctx context.Context, slot string) (Receiver, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var r Receiver
	var sent, flushed, replayed, restart string
	err := m.line.with(ctx, func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `
SELECT s.active, coalesce(r.state, ''), coalesce(r.sent_lsn, '0/0')::text, coalesce(r.flush_lsn, '0/0')::text,
	coalesce(r.replay_lsn, '0/0')::text, coalesce(s.restart_lsn, '0/0')::text,
	coalesce(r.state = 'streaming' AND r.flush_lsn >= (SELECT redo_lsn FROM pg_control_checkpoint()), false)
FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_name = $1`, slot).Scan(&r.Active, &r.State, &sent, &flushed, &replayed, &restart, &r.Following)
		if err == pgx.ErrNoRows {
			return nil
		}
		r.Exists = err == nil
		return err
	})
	if err != nil || !r.Exists {
		return r, err
	}
	for _, at := range []struct {
		text string
		into *LSN
	}{{sent, &r.Sent}, {flushed, &r.Flushed}, {replayed, &r.Replayed}, {restart, &r.Restart}} {
		if *at.into, err = ParseLSN(at.text); err != nil {
			return r, err
		}
	}
	return r, nil
}
