package inspect

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/snap"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
)

const storeRemedy = "a member of a cluster: move data_dir/store away, and have it join anew; a node alone: move it away, and fairlead restore-backup"

// look inspects the files of an etcd member.
func look(ctx context.Context, member string, add func(file, remedy string, err error)) {
	snaps := filepath.Join(member, "snap")
	for _, path := range glob(member, "snap", "*.snap") {
		_, err := snap.Read(zap.NewNop(), path)
		add(path, storeRemedy, err)
	}
	db := filepath.Join(snaps, "db")
	applied, err := database(ctx, db)
	add(db, storeRemedy, err)

	logs := filepath.Join(member, "wal")
	name := logs
	if files := glob(member, "wal", "*.wal"); len(files) == 1 {
		name = files[0]
	}
	last, err := replay(logs)
	if err == nil && last < applied {
		err = fmt.Errorf("it ends with entry %d, and the database has applied %d: its end is missing", last, applied)
	}
	add(name, storeRemedy, err)
}

// replay reads the log as etcd does, and returns the number of its last entry.
func replay(dir string) (last uint64, err error) {
	defer func() { // it was written for files that are whole
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be read: %v", p)
		}
	}()
	var from *walpb.Snapshot
	snapshots, err := wal.ValidSnapshotEntries(zap.NewNop(), dir)
	if err != nil {
		return 0, err
	}
	if len(snapshots) == 0 {
		return 0, errors.New("it does not begin like a log")
	}
	from = snapshots[len(snapshots)-1]
	w, err := wal.OpenForRead(zap.NewNop(), dir, from)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	_, _, entries, err := w.ReadAll()
	last = from.GetIndex()
	if n := len(entries); n > 0 {
		last = entries[n-1].GetIndex()
	}
	return last, err
}

// database checks the structure and the content of etcd's database, and
// returns the number of the last entry that it has applied.
func database(ctx context.Context, path string) (applied uint64, err error) {
	defer func() { // bbolt maps the file and believes its pages
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be read: %v", p)
		}
	}()
	if err := wholeSize(path); err != nil {
		return 0, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var pairs []store.Pair
	err = db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = fmt.Errorf("its structure is damaged: %w", err)
			}
		}
		if first != nil {
			return first
		}
		if meta := tx.Bucket([]byte("meta")); meta != nil {
			if v := meta.Get([]byte("consistent_index")); len(v) == 8 {
				applied = binary.BigEndian.Uint64(v)
			}
		}
		pairs, err = latest(tx.Bucket([]byte("key")))
		return err
	})
	if err != nil || len(pairs) == 0 {
		return applied, err
	}
	return applied, content(ctx, pairs)
}

// latest returns our keys as they stand, from all revisions that are kept.
func latest(b *bbolt.Bucket) ([]store.Pair, error) {
	if b == nil {
		return nil, errors.New("it has no keys")
	}
	const keyspace = "fairlead/"
	newest := map[string]store.Pair{}
	err := b.ForEach(func(revision, value []byte) error {
		kv := new(mvccpb.KeyValue)
		if err := proto.Unmarshal(bytes.Clone(value), kv); err != nil {
			return fmt.Errorf("revision %x cannot be read: %w", revision, err)
		}
		key, ours := strings.CutPrefix(string(kv.Key), keyspace)
		switch {
		case !ours:
		case len(revision) == 18: // the mark of a deletion
			delete(newest, key)
		default:
			if kv.ModRevision != int64(binary.BigEndian.Uint64(revision)) {
				return fmt.Errorf("what lies at revision %x says that it is of %d", revision, kv.ModRevision)
			}
			newest[key] = store.Pair{Key: key, Value: kv.Value, Created: kv.CreateRevision, Modified: kv.ModRevision}
		}
		return nil
	})
	var pairs []store.Pair
	for _, p := range newest {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b store.Pair) int {
		return cmp.Or(cmp.Compare(a.Modified, b.Modified), cmp.Compare(a.Key, b.Key))
	})
	return pairs, err
}

// content has a store in memory check what is sealed, and read every value.
func content(ctx context.Context, pairs []store.Pair) error {
	kv := memory.New()
	for _, p := range pairs {
		if _, err := kv.Commit(ctx, store.Txn{Put: []store.Pair{p}}); err != nil {
			return err
		}
	}
	s := store.New(kv, store.Settings{Node: "inspect"})
	_, chain := s.VerifyChain(ctx)
	_, decided := s.Decided(ctx)
	_, tokens := s.Tokens(ctx)
	_, runs := s.Executions(ctx)
	return errors.Join(chain, decided, tokens, runs)
}
