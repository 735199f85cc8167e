package postgres

import "strings"

// SetupSQL returns the statements that give Fairlead its role on a primary,
// to be run once by a superuser in the database that the members' DSN names:
// rights on functions belong to one database. The role is no superuser. It
// must already exist, with a password and nothing else.
//
// The role gets: pg_monitor (to read lag), pg_signal_backend, pg_checkpoint,
// REPLICATION (for slots), the functions it promotes with, and two tables of
// its own: fairlead_canary, into which verify_writable inserts, and
// fairlead_heartbeat, which shows how far a standby has come.
func SetupSQL(role string) string {
	return strings.NewReplacer("$role", quoteIdentifier(role)).Replace(`
ALTER ROLE $role LOGIN REPLICATION;
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO $role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_promote(boolean, integer), pg_catalog.pg_reload_conf(), pg_catalog.pg_wal_replay_resume() TO $role;
GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO $role;
CREATE TABLE IF NOT EXISTS fairlead_canary (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	key text NOT NULL,
	region text NOT NULL,
	incarnation bigint NOT NULL,
	epoch bigint NOT NULL,
	timeline bigint NOT NULL);
CREATE TABLE IF NOT EXISTS fairlead_heartbeat (
	node text PRIMARY KEY,
	beat bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp());
ALTER TABLE fairlead_canary OWNER TO $role;
ALTER TABLE fairlead_heartbeat OWNER TO $role;
`)
}

// RewindSQL returns the statements that let a role run pg_rewind against this
// server, for a superuser to run in the database that upstreams.….rewind
// names. The role needs a password of its own.
func RewindSQL(role string) string {
	return strings.NewReplacer("$role", quoteIdentifier(role)).Replace(`
ALTER ROLE $role LOGIN;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO $role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO $role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO $role;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO $role;
`)
}

func quoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
