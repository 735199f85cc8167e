// Package postgres moves the writer of a PostgreSQL database from one region
// to another, step by step, and proves each step.
//
// A [Provider] is made from a [regions.Database]. It speaks SQL to the members
// through a role that is no superuser ([SetupSQL] makes it), and controls their
// hosts through the agents beside them, or through control.command. Nothing it
// does rests on what it remembers: each act reads role, system identifier and
// epoch of its target in the call in which it acts, and Observe reads the world.
//
// # Actions
//
// Every request names the region that loses the writer and the one that gets
// it, in the parameters from and to; planned=false marks a failover. Where from
// or to is absent, the request's Region stands for it, and with two members
// the other one follows.
//
//	preflight        every check there is, each with a remedy; a failover tolerates a dead from
//	lag              what a promotion now would lose: a range, and how old the knowledge is;
//	                 max_lag_bytes and max_lag_seconds make it a gate
//	quiesce          CHECKPOINT on both, so that the stop is short
//	fence            from off, confirmed; in a failover whatever it takes; refused if to could
//	                 not take over; declared_lost_by=NAME is a person's word where nothing can
//	                 confirm and nothing shows that from is there
//	wait_replay      to has replayed past from's last checkpoint; lsn, if that is known
//	promote          to leaves recovery; fence=fenced or declared, the value that the fence of
//	                 the same epoch had, counts where from cannot be asked again
//	verify_writable  a row inserted on to and read back
//	slot             a replication slot on to for from, at once
//	reprotect        from follows to: rewind if needed, else reseed, verified by streaming;
//	                 method=rewind or reseed insists
//	unfence          from writes again, if nothing was promoted; never_promoted=true where to cannot be asked
//	announce         every agent learns the epoch; not done names those out of reach
//	status           who is what, in words
//
// The parameter within bounds any action, such as "30s". Values that results
// carry: evidence, fence, lsn, timeline, timeline_before, timeline_after,
// system_identifier, slot, method, checks (JSON), and for lag those of
// [Lag.Values].
//
// It needs PostgreSQL 15 or newer: older ones have neither the role pg_checkpoint
// nor rights on single parameters.
//
// # The surprising choices
//
// Promotion asks for the fence again, at the moment of promoting. Lag is never
// one number: bytes that were seen are kept apart from bytes that may have been
// written since, and an old sample is no sample of now. No clock of one machine
// is compared with that of another: see [Lag].
package postgres
