package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/backup"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/version"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// archive hands out copies of the store. It implements [api.Archivist].
type archive struct{ *Node }

// Backup implements [api.Archivist]. That it was asked for is in the trail, and
// so in the copy.
func (a archive) Backup(ctx context.Context, out io.Writer) error {
	return a.dump(ctx, auth.From(ctx).Name, out)
}

func (n *Node) dump(ctx context.Context, by string, out io.Writer) error {
	_, err := n.store.Record(ctx, store.Entry{Principal: by, Act: "backup", Subject: "store", Sentence: by + " took a copy of everything that the store holds"})
	if err != nil {
		return err
	}
	var w *backup.Writer
	begin := func(s store.Summary) (err error) {
		w, err = backup.NewWriter(out, backup.Header{Summary: s, Node: string(n.settings.Name), Taken: time.Now().UTC(), Version: version.String()})
		return err
	}
	if err := n.store.Snapshot(ctx, begin, func(pairs []store.Pair) error { return w.Pairs(pairs) }); err != nil {
		return err
	}
	return w.Close()
}

// archiveState is what people must know of backups.
type archiveState struct {
	restore atomic.Pointer[setBack] // why the one that waits is not restored
	failed  atomic.Pointer[setBack] // why the newest one could not be taken
	trail   atomic.Pointer[setBack] // where the audit trail does not fit together
	newest  atomic.Int64            // when the newest whole one was taken, in Unix seconds; 0: never
	since   atomic.Int64            // when this node began to take them
}

// late says what is wrong with the backups that are taken by themselves.
func (a *archiveState) late(set config.Backup, now time.Time) *setBack {
	began := a.since.Load()
	if set.Dir == "" || began == 0 {
		return nil
	}
	if p := a.failed.Load(); p != nil {
		return p
	}
	at := time.Unix(cmp.Or(a.newest.Load(), began), 0)
	if now.Sub(at) <= 2*set.Every {
		return nil
	}
	return &setBack{at: at.Add(2 * set.Every), text: fmt.Sprintf("the newest backup in %s is of %s, and one is to be taken every %v", set.Dir, at.UTC().Format(time.RFC3339), set.Every)}
}

// takeBackups takes them as configured, until ctx ends. Each control node does
// so for itself, at a moment of its own: a disk that is lost takes one set with
// it. Old ones go only when a new one was read back and verified.
func (n *Node) takeBackups(ctx context.Context) {
	set := n.settings.Backup
	if set.Dir == "" {
		return
	}
	n.archive.since.Store(time.Now().Unix())
	newest := newestBackup(set.Dir, n.settings.Name)
	if !newest.IsZero() {
		n.archive.newest.Store(newest.Unix())
	}
	next := time.Now().Add(jitter(n.settings.Name, min(set.Every/10, time.Minute)))
	if due := newest.Add(set.Every); due.After(next) {
		next = due
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
		path, err := n.takeBackup(ctx, set)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.log.Error("no backup was taken", "dir", set.Dir, "problem", err.Error())
			p := &setBack{at: time.Now(), text: fmt.Sprintf("no backup could be taken into %s: %v", set.Dir, err)}
			if before := n.archive.failed.Load(); before != nil {
				p.at = before.at
			}
			n.archive.failed.Store(p)
			next = time.Now().Add(min(set.Every/10, 10*time.Minute))
		default:
			n.log.Info("backup taken and verified", "file", path)
			n.archive.failed.Store(nil)
			n.archive.newest.Store(time.Now().Unix())
			next = time.Now().Add(set.Every)
		}
	}
}

// jitter spreads the nodes, each always at the same place.
func jitter(node regions.NodeID, within time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(node))
	return time.Duration(h.Sum32()%1000) * within / 1000
}

const backupSuffix = ".backup"

func backupPrefix(node regions.NodeID) string { return "fairlead-" + string(node) + "-" }

// backupsOf returns the files that a node has written, the newest first.
func backupsOf(dir string, node regions.NodeID) []string {
	files, err := filepath.Glob(filepath.Join(dir, backupPrefix(node)+"????????T??????Z"+backupSuffix))
	if err != nil {
		return nil // a name that is no pattern: nothing is removed
	}
	slices.Sort(files)
	slices.Reverse(files)
	return files
}

func newestBackup(dir string, node regions.NodeID) time.Time {
	for _, path := range backupsOf(dir, node) {
		text := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), backupPrefix(node)), backupSuffix)
		if at, err := time.Parse(backupTime, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

const backupTime = "20060102T150405Z"

func (n *Node) takeBackup(ctx context.Context, set config.Backup) (path string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := os.MkdirAll(set.Dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(set.Dir, backupPrefix(n.settings.Name)+time.Now().UTC().Format(backupTime)+backupSuffix)
	in, out := io.Pipe()
	go func() { out.CloseWithError(n.dump(ctx, "backup@"+string(n.settings.Name), out)) }()
	written, err := backup.Save(path, in, backup.Keys{PassphraseFile: set.PassphraseFile, Recipients: set.Recipients})
	in.Close()
	if err != nil {
		return "", err
	}
	// What is encrypted to recipients cannot be read back here. What went into
	// the file was whole, and that is verified.
	if len(set.Recipients) == 0 {
		if written, err = backup.Load(path, backup.Keys{PassphraseFile: set.PassphraseFile}); err != nil {
			return "", err
		}
	}
	if _, err := backup.Verify(ctx, written); err != nil {
		// Kept, as it may be all there is; one of them, and where it displaces
		// none that verified.
		aside := filepath.Join(set.Dir, backupPrefix(n.settings.Name)+"unverified"+backupSuffix)
		return "", errors.Join(fmt.Errorf("%s: %w", aside, err), os.Rename(path, aside))
	}
	files := backupsOf(set.Dir, n.settings.Name)
	if len(files) <= set.Keep {
		return path, nil
	}
	for _, old := range files[set.Keep:] {
		err = errors.Join(err, os.Remove(old))
	}
	return path, err
}

// findPending looks for a backup that waits to be restored, and reports
// whether there is one. One that is damaged is an alarm, and the store is not
// begun without it: a person wanted it to be.
func (n *Node) findPending() bool {
	if !n.settings.Has(config.Control) {
		return false
	}
	c, err := backup.Pending(n.settings.DataDir)
	if err != nil {
		n.log.Error("the backup that waits cannot be restored", "problem", err.Error())
		n.archive.restore.Store(&setBack{at: time.Now(), text: err.Error()})
		return true
	}
	n.restoring = c
	return c != nil
}

// heardEpochs returns the newest epochs that this node knows by anybody.
func (n *Node) heardEpochs() []regions.SignedEpoch {
	if n.judge == nil {
		return nil
	}
	return n.judge.Epochs()
}

// restorePending begins the store from the backup that waits, once the
// database answers, or says why not.
func (n *Node) restorePending(ctx context.Context) {
	if n.restoring == nil {
		return
	}
	told := ""
	for ctx.Err() == nil {
		err := n.store.RestoreBackup(ctx, n.restoring.Backup())
		switch {
		case err == nil:
			n.log.Warn("the store was begun from a backup", "taken", n.restoring.String(), "backup", n.restoring.Summary.String())
			if err := backup.Restored(n.settings.DataDir); err != nil {
				n.log.Error("the backup that was restored is still there", "problem", err.Error())
			}
			return
		case ctx.Err() != nil:
			return
		case fault.Is(err, fault.Conflict), fault.Is(err, fault.Denied), fault.Is(err, fault.Invalid):
			n.log.Error("the backup that waits was not restored", "problem", err.Error())
			n.archive.restore.Store(&setBack{at: time.Now(), text: err.Error()})
			n.store.GiveUpRestoring()
			return
		}
		if problem := err.Error(); problem != told {
			told = problem
			n.log.Warn("the backup that waits was not restored yet", "problem", problem)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
