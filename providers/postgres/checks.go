package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"fairlead/regions/fault"
)

// checks judges a survey. It is a function of its argument alone.
func (s survey) checks() []Finding {
	var out findings
	from := string(s.fromRegion)
	switch {
	case s.fromErr != nil && s.planned:
		out.failed("from_answers", s.fromErr, "mend it, or start an unplanned failover")
	case s.fromErr != nil:
		out.add("from_answers", true, "", "%s cannot be asked, as may be in a failover: %s", from, bare(s.fromErr))
	default:
		out.add("from_writes", !s.from.Standby, "look which region writes, and start the run from there", "%s is a %s", from, s.from.Role())
		out.add("from_no_backup", s.from.Backups == 0 || !s.planned, "wait until the base backup has ended, or end it",
			"%d base backups are under way on %s", s.from.Backups, from)
		out.add("rewind_possible", s.from.Settings.WALLogHints || s.from.Settings.Checksums || !s.planned,
			"set wal_log_hints = on and restart, or enable checksums: without either the old writer can only be copied anew",
			"wal_log_hints %s, checksums %s on %s", onOff(s.from.Settings.WALLogHints), onOff(s.from.Settings.Checksums), from)
	}
	out = append(out, s.receiving()...)
	if s.fromErr == nil && s.toErr == nil {
		out.add("same_system", s.from.SystemIdentifier == s.to.SystemIdentifier, "these are two different clusters: correct the configuration",
			"system identifiers %s and %s", s.from.SystemIdentifier, s.to.SystemIdentifier)
		out = append(out, s.streaming()...)
	}
	return append(out, s.controlled())
}

// receiving judges the one that gets the writer, by itself.
func (s survey) receiving() []Finding {
	var out findings
	to := string(s.toRegion)
	if s.toErr != nil {
		out.failed("to_answers", s.toErr, "without the standby there is nothing to move to")
		return out
	}
	out.add("to_in_recovery", s.to.Standby, "it writes already; look which region is the writer before anything else", "%s is a %s", to, s.to.Role())
	out.add("replay_not_paused", s.to.PauseState == "not paused" || !s.to.Standby, "SELECT pg_wal_replay_resume() on "+to+": promoting would replay everything all the same",
		"replay on %s is %s", to, s.to.PauseState)
	out.add("no_apply_delay", zero(s.to.Settings.ApplyDelay), "set recovery_min_apply_delay = 0 on "+to+" and reload",
		"recovery_min_apply_delay is %s on %s", s.to.Settings.ApplyDelay, to)
	out.add("to_writable_by_default", s.to.Settings.ReadOnly == "off", "set default_transaction_read_only = off on "+to+" and reload",
		"default_transaction_read_only is %s on %s", s.to.Settings.ReadOnly, to)
	out.add("may_promote", s.to.CanPromote, giveRights, "the role on %s may execute pg_promote: %s", to, yesNo(s.to.CanPromote))
	out.add("canary_table", s.to.Canary, giveRights, "table fairlead_canary is on %s: %s", to, yesNo(s.to.Canary))
	out.add("epoch", s.epoch.Compare(s.to.Seen) >= 0, "somebody has decided anew; look at the database's current writer",
		"the run's epoch is %s, the newest that the data carries is %s", s.epoch, s.to.Seen)
	out.add("to_no_backup", s.to.Backups == 0, "wait until the base backup has ended, or end it", "%d base backups are under way on %s", s.to.Backups, to)
	return out
}

// findings is a list under construction.
type findings []Finding

func (l *findings) add(name string, ok bool, remedy, detail string, args ...any) {
	f := Finding{Name: name, OK: ok, Detail: fmt.Sprintf(detail, args...)}
	if !ok {
		f.Remedy = remedy
	}
	*l = append(*l, f)
}

// failed adds a check that an error failed: the error's own remedy, where it
// has one, is better than ours.
func (l *findings) failed(name string, err error, remedy string) {
	f := Finding{Name: name, Detail: err.Error(), Remedy: remedy}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		f.Detail = bare(known)
		f.Remedy = cmp.Or(known.Remedy, remedy)
	}
	*l = append(*l, f)
}

// streaming judges the replication between two that answer. In a failover it
// informs and does not refuse: the RPO gate decides.
func (s survey) streaming() []Finding {
	var out findings
	informs := !s.planned
	switch {
	case s.to.Slot == "":
		out.add("slot", informs, fmt.Sprintf("create a slot on %s and set primary_slot_name on %s", s.fromRegion, s.toRegion),
			"%s uses no replication slot", s.toRegion)
	case s.receiverErr != nil && informs:
		out.add("slot", true, "", "%s", bare(s.receiverErr))
	case s.receiverErr != nil:
		out.failed("slot", s.receiverErr, giveRights)
	case !s.receiver.Exists:
		out.add("slot", informs, fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s', true) on %s", s.to.Slot, s.fromRegion),
			"slot %q is missing on %s", s.to.Slot, s.fromRegion)
	case !s.receiver.Active:
		out.add("slot", informs, fmt.Sprintf("read the log of %s", s.toRegion),
			"slot %q on %s is not active: the standby is not connected", s.to.Slot, s.fromRegion)
	default:
		out.add("slot", true, "", "%s uses slot %q, which is active", s.toRegion, s.to.Slot)
		behind := s.from.Current.Minus(s.receiver.Replayed)
		out.add("streaming", s.receiver.State == "streaming" || informs, "wait until it has caught up",
			"replication to %s is in state %q", s.toRegion, s.receiver.State)
		out.add("lag", s.maxLag <= 0 || behind <= s.maxLag || informs, "wait until it has caught up: while it replays, nobody can write",
			"%s has %d bytes to replay, at most %d are allowed", s.toRegion, behind, s.maxLag)
	}
	return out
}

// controlled judges whether the old writer could be fenced.
func (s survey) controlled() Finding {
	var out findings
	const name = "host_controlled"
	switch shows := sign(s.from, s.fromErr); {
	case s.hostErr == nil:
		out.add(name, true, "", "the %s of %s answers: %s", s.hostKind, s.fromRegion, s.host.Detail)
	case s.planned || shows != "" && s.declaredBy == "":
		out.failed(name, s.hostErr, fenceIt)
		out[0].Detail = fmt.Sprintf("%s cannot be fenced: %s", s.fromRegion, out[0].Detail)
	case shows != "":
		out.add(name, false, fenceIt, "%s was declared lost by %s, but is there: %s", s.fromRegion, s.declaredBy, shows)
	case s.declaredBy == "":
		out.failed(name, s.hostErr, "")
		out[0].Detail = fmt.Sprintf("%s cannot be fenced, and nothing shows that it is there: %s", s.fromRegion, out[0].Detail)
		out[0].Remedy = declareIt
	default:
		out.add(name, true, "", "unfenced: %s declares %s lost; nothing can confirm that it cannot write (%s)", s.declaredBy, s.fromRegion, bare(s.hostErr))
	}
	return out[0]
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func zero(interval string) bool {
	return strings.TrimRight(interval, "abcdefghijklmnopqrstuvwxyz") == "0"
}
