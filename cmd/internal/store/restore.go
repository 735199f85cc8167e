package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Backup is a snapshot that is to be restored.
type Backup struct {
	Summary
	ID    string // names this backup and no other
	Taken string // by whom and when, in words
	Pairs []Pair
}

// restoration is the leadership under which a backup is written: of several
// nodes that are told to restore one, one does it.
const restoration = "restore"

// RestoreBackup begins an empty database with a backup. It never brings back
// the past:
//
//   - the incarnation is higher than any that the backup or this node knows;
//   - each database has the writer of the newest epoch that the backup, this
//     node's copy of the decided state and the epochs it heard of hold, in an
//     epoch after it;
//   - of fleet, overrides and freeze, the newer of backup and copy counts;
//   - the cluster keeps its name, and no break-glass bundle that a person has
//     ended rules again;
//   - runs that were open are interrupted and paused until a person looks.
//
// The audit trail goes on after the backup's last entry with one that says all
// that. The database is complete at once or, after a crash, not begun: then the
// same call starts over. A database that was begun from this very backup is
// left alone and is no error; any other that holds decisions is a Conflict.
func (s *Store) RestoreBackup(ctx context.Context, b Backup) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := false
	err := s.kv.Lead(ctx, restoration, s.set.Node, func(ctx context.Context, lease Lease) error {
		r := restorer{Store: s, lease: lease, backup: b}
		err := r.run(ctx)
		done = err == nil
		return err
	})
	if err == nil && !done {
		err = cmp.Or(ctx.Err(), errors.New("the leadership was lost"))
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", b.Summary, err)
	}
	s.hold.Store(false)
	return nil
}

// GiveUpRestoring lets this node use the store as it is, after
// [Store.RestoreBackup] was refused.
func (s *Store) GiveUpRestoring() { s.hold.Store(false) }

func (s *Store) beingRestored(ctx context.Context) error {
	p, ok, err := s.get(ctx, restoringKey)
	if err != nil || !ok {
		return err
	}
	return fault.Unavailablef("store", "control node %s is restoring a backup into it", p.Value).
		Do("let it finish; if that node is gone, give the same backup to another: fairlead restore-backup")
}

// restorer writes one backup under one lease.
type restorer struct {
	*Store
	lease  Lease
	backup Backup
}

func (r *restorer) run(ctx context.Context) error {
	begun, err := r.begun(ctx)
	if err != nil || begun {
		return err
	}
	if r.set.Signer == nil {
		return fault.Deniedf("node "+r.set.Node, "may not restore a backup, it has no key to sign epochs").Do("restore it on a control node")
	}
	if err := r.put(ctx, nil, Pair{Key: restoringKey, Value: []byte(r.set.Node)}); err != nil {
		return err
	}
	if err := r.wipe(ctx); err != nil {
		return err
	}
	if err := r.copy(ctx); err != nil {
		return err
	}
	old, err := r.compose(ctx, r.of(now+"decided/"))
	if err != nil {
		return err
	}
	return r.finish(ctx, old)
}

// begun reports whether the database was begun from this backup before, and
// refuses one that was begun otherwise.
func (r *restorer) begun(ctx context.Context) (bool, error) {
	_, ok, err := r.get(ctx, formatKey)
	if err != nil || !ok {
		return false, err
	}
	var origin string
	if _, err := r.load(ctx, originKey, &origin); err != nil {
		return false, err
	}
	if origin == r.backup.ID {
		return true, nil
	}
	return false, fault.Conflictf("store", "it holds decisions already, and a backup is restored into an empty one only").
		Do("if they are to go: stop all control nodes, move data_dir/store away on each, and start them again")
}

// wipe removes what an earlier try left behind.
func (r *restorer) wipe(ctx context.Context) error {
	for {
		page, err := r.kv.Range(ctx, Query{Span: Prefix(""), Limit: MaxOps})
		if err != nil {
			return err
		}
		var rest []string
		for _, p := range page.Pairs {
			if lasting(p.Key) {
				rest = append(rest, p.Key)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		if err := r.put(ctx, rest); err != nil {
			return err
		}
	}
}

// copy writes what is taken over unchanged, in the order in which it was
// decided. What was written in one transaction is so again: an event of a
// journal and the entry that seals it have one revision.
func (r *restorer) copy(ctx context.Context) error {
	var pairs []Pair
	for _, p := range r.backup.Pairs {
		if lasting(p.Key) && p.Key != formatKey && p.Key != chainHeadKey && p.Key != originKey && !strings.HasPrefix(p.Key, now+"decided/") {
			pairs = append(pairs, p)
		}
	}
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(a.Modified, b.Modified) })
	return r.batches(ctx, pairs)
}

// batches writes pairs in few transactions, and those of one revision in one.
func (r *restorer) batches(ctx context.Context, pairs []Pair) error {
	const most = MaxOps - 8
	var batch []Pair
	size := 0
	for len(pairs) > 0 {
		n, bytes := 0, 0
		for n < len(pairs) && (n == 0 || pairs[n].Modified != 0 && pairs[n].Modified == pairs[0].Modified) {
			bytes += len(pairs[n].Key) + len(pairs[n].Value)
			n++
		}
		if len(batch) > 0 && (len(batch)+n > most || size+bytes > MaxBytes) {
			if err := r.put(ctx, nil, batch...); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch, size, pairs = append(batch, pairs[:n]...), size+bytes, pairs[n:]
	}
	if len(batch) == 0 {
		return nil
	}
	return r.put(ctx, nil, batch...)
}

// put writes under the lease, while nobody has begun the database.
func (r *restorer) put(ctx context.Context, remove []string, puts ...Pair) error {
	guard := r.lease.Guard()
	out, err := r.kv.Commit(ctx, Txn{If: append(guard, Absent(formatKey)), Put: puts, Delete: remove})
	switch {
	case err != nil:
		return err
	case !out.Committed && out.Failed < len(guard):
		return fault.Unavailablef("store", "another control node restores it").Because(ErrDeposed)
	case !out.Committed:
		return fault.Conflictf("store", "it was begun by another node meanwhile")
	}
	return nil
}

func (r *restorer) of(prefix string) []Pair {
	var out []Pair
	for _, p := range r.backup.Pairs {
		if strings.HasPrefix(p.Key, prefix) {
			out = append(out, p)
		}
	}
	return out
}

// finish decides what counts, and makes the database a store.
func (r *restorer) finish(ctx context.Context, old *regions.Decided) error {
	m, source := merge(old, r.set.Remembered(), r.set.Epochs())
	puts, h, err := r.steered(m, source)
	if err != nil {
		return err
	}
	entry := Entry{Principal: "system", Act: "restore-backup", Subject: "store", Data: encode(r.backup.Summary), Sentence: r.tell(m, old, source)}
	head, entries, err := r.chainOn(chainHead{Number: r.backup.Number, Hash: r.backup.Hash}, entry)
	if err != nil {
		return err
	}
	if err := r.batches(ctx, append(puts, entries...)); err != nil {
		return err
	}
	return r.put(ctx, []string{restoringKey},
		Pair{Key: formatKey, Value: encode(format{Format, r.set.Node})},
		Pair{Key: originKey, Value: encode(r.backup.ID)},
		Pair{Key: incarnationKey, Value: encode(m.Incarnation)},
		Pair{Key: clusterKey, Value: encode(clusterOf(m))},
		Pair{Key: headKey, Value: encode(h)},
		Pair{Key: chainHeadKey, Value: encode(head)})
}

// merge returns what counts of a backup and of what a node remembers: nil if
// it remembers nothing. Source names where overrides and freeze come from.
// Generations of the store that is gone mean nothing in the next one, so what
// was let back does not last.
func merge(backup, remembered *regions.Decided, heard []regions.SignedEpoch) (m *regions.Decided, source string) {
	m, source = &regions.Decided{Incarnation: backup.Incarnation, Cluster: backup.Cluster, Overrides: backup.Overrides, Freeze: backup.Freeze, GlassEnd: backup.GlassEnd, FleetHash: backup.FleetHash}, "the backup"
	if remembered != nil && remembered.Newer(backup) {
		m.Overrides, m.Freeze, source = remembered.Overrides, remembered.Freeze, "this node's copy"
		if remembered.Fleet != nil {
			m.Fleet, m.FleetHash = remembered.Fleet, remembered.FleetHash
		}
	}
	m.Writers = maps.Clone(backup.Writers)
	newer := func(db regions.DatabaseID, e regions.SignedEpoch) {
		if db == regions.ClusterItself { // it says which incarnation has begun, and is no writer of anything
			m.Incarnation = max(m.Incarnation, e.Epoch.Incarnation)
			return
		}
		if known, ok := m.Writers[db]; !ok || e.Epoch.Compare(known.Epoch) > 0 {
			m.Writers[db] = e
		}
		m.Incarnation = max(m.Incarnation, e.Epoch.Incarnation)
	}
	if remembered != nil {
		m.Incarnation = max(m.Incarnation, remembered.Incarnation)
		m.Cluster = cmp.Or(m.Cluster, remembered.Cluster)
		if remembered.GlassEnd.After(m.GlassEnd) {
			m.GlassEnd = remembered.GlassEnd
		}
		for db, e := range remembered.Writers {
			newer(db, e)
		}
	}
	for _, e := range heard {
		newer(e.Database, e)
	}
	m.Incarnation++
	return m, source
}

// steered returns the keys of what nodes steer by, and the head that names
// the fleet.
func (r *restorer) steered(m *regions.Decided, source string) (puts []Pair, h head, err error) {
	for _, p := range r.of(headKey) {
		if err := parse(p, &h); err != nil {
			return nil, h, err
		}
	}
	if m.Fleet != nil && m.FleetHash != h.Content {
		blob, chunks, err := pack(m.Fleet)
		if err != nil {
			return nil, h, err
		}
		next := head{Content: m.FleetHash, Blob: blob, Chunks: len(chunks), By: "restored from " + source}
		for n, chunk := range chunks {
			puts = append(puts, Pair{Key: chunkKey(blob, n), Value: chunk})
		}
		puts = append(puts, Pair{Key: appliedKey(m.FleetHash), Value: encode(next.By)})
		if h.Blob != blob {
			next.Before, next.BeforeChunks = h.Blob, h.Chunks
		}
		h = next
	}
	for _, o := range m.Overrides {
		puts = append(puts, Pair{Key: overrideKey(o.ID()), Value: encode(o)})
	}
	if m.Freeze != nil {
		puts = append(puts, Pair{Key: freezeKey, Value: encode(m.Freeze)})
	}
	if m.GlassEnd != nil {
		puts = append(puts, Pair{Key: glassEndKey, Value: encode(m.GlassEnd)})
	}
	for _, db := range slices.Sorted(maps.Keys(m.Writers)) {
		known := m.Writers[db].Epoch
		signed, err := r.sign(db, regions.Epoch{Incarnation: m.Incarnation, Number: known.Number + 1, Writer: known.Writer})
		if err != nil {
			return nil, h, err
		}
		puts = append(puts, Pair{Key: writerKey(db), Value: encode(signed)})
	}
	return puts, h, nil
}

// tell is the restoration in a sentence, for the trail.
func (r *restorer) tell(m, old *regions.Decided, source string) string {
	remembers := r.set.Node + " remembers nothing"
	if d := r.set.Remembered(); d != nil {
		remembers = fmt.Sprintf("%s remembers generation %d of incarnation %d", r.set.Node, d.Generation, d.Incarnation)
	}
	var moved []string
	for _, db := range slices.Sorted(maps.Keys(m.Writers)) {
		if known := m.Writers[db].Epoch; known.Compare(old.Writers[db].Epoch) > 0 {
			moved = append(moved, fmt.Sprintf("%s in %s", db, known.Writer))
		}
	}
	newer := "no writer is newer than in the backup"
	if len(moved) > 0 {
		newer = "writers newer than in the backup: " + strings.Join(moved, ", ")
	}
	return fmt.Sprintf("the store begins anew, incarnation %d, from the backup of %s, %s, sealed as %s; %s; %d overrides and the freeze are from %s; %s; "+
		"%d tokens are from the backup: one that was revoked since works again",
		m.Incarnation, r.backup.Summary, r.backup.Taken, r.backup.Hash, remembers, len(m.Overrides), source, newer, len(r.of(tokensAt)))
}

// chainOn returns the entries that follow the backup's last one: how the store
// was begun, and what is put into the journals of runs that were open.
func (r *restorer) chainOn(head chainHead, first Entry) (chainHead, []Pair, error) {
	var puts []Pair
	link := func(e Entry) error {
		number, value, hash, err := r.link(head, "restore", &decision{Entry: e})
		head = chainHead{Number: number, Hash: hash}
		puts = append(puts, Pair{Key: chainKey(number), Value: value})
		return err
	}
	if err := link(first); err != nil {
		return head, nil, err
	}
	runs, err := runsOf(r.of(runsAt))
	if err != nil {
		return head, nil, err
	}
	for _, run := range runs {
		if run.Over() {
			continue
		}
		events, x, err := r.halted(run.ID)
		if err != nil {
			return head, nil, err
		}
		at := x.Position() - runbooks.Position(len(events))
		for _, ev := range events {
			at++
			key, data := journalKey(run.ID, at), encode(ev)
			err := link(Entry{Principal: ev.Principal, Act: "run." + string(ev.Kind), Subject: "run " + string(run.ID), Why: ev.Reason,
				Execution: run.ID, Step: ev.Step, DataKey: key, DataHash: digest(data), Sentence: tell(x, ev)})
			if err != nil {
				return head, nil, err
			}
			puts = append(puts, Pair{Key: key, Value: data})
		}
		puts = append(puts, Pair{Key: runKey(run.ID), Value: encode(summary(x))})
	}
	return head, puts, nil
}

// halted returns the events that bring a run to rest, and the run after them:
// what was being done when the backup was made has an unknown end, and
// nothing follows before a person says so. A run that is being undone cannot
// pause; what it does carries an epoch that is over, and is refused.
func (r *restorer) halted(id runbooks.ExecutionID) ([]runbooks.Event, *runbooks.Execution, error) {
	var journal []runbooks.Event
	for _, p := range r.of(journalOf(id)) {
		var ev runbooks.Event
		if err := parse(p, &ev); err != nil {
			return nil, nil, err
		}
		journal = append(journal, ev)
	}
	x, err := runbooks.Fold(id, journal)
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "run "+string(id), "its journal in the backup cannot be read").Because(err).Do("restore another backup")
	}
	by, why := "restore@"+r.set.Node, "the store was restored from a backup: what was done since is not known here; look at the servers before anything goes on"
	var events []runbooks.Event
	add := func(ev runbooks.Event) error {
		ev.At, ev.Principal = time.Now().UTC(), by
		events = append(events, ev)
		return x.Apply(ev)
	}
	for _, f := range x.InFlight() {
		if err := add(runbooks.Event{Kind: runbooks.Interrupted, Step: f.Step, Attempt: f.Attempt, Key: f.Key, Compensating: f.Compensating, Detail: why}); err != nil {
			return nil, nil, err
		}
	}
	pause := runbooks.Event{Kind: runbooks.Paused, Reason: why, Principal: by, At: time.Now().UTC()}
	if x.Can(pause) == nil {
		if err := add(pause); err != nil {
			return nil, nil, err
		}
	}
	return events, x, nil
}
