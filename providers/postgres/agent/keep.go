package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fairlead/regions/fault"
)

// What must survive a rewind or a reseed: the WAL that the new writer never
// had, for people who look for lost rows, and the local configuration, which
// both would replace by the upstream's, its port included.

// localFiles are the configuration files that belong to this server alone.
var localFiles = []string{"postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"}

// archiveFrom copies WAL into dir: from the divergence that pg_rewind named
// up to the last checkpoint of a server that was shut down, and all of it where
// these are not known. An archive that cannot be completed stops the act: the
// data are still there to be looked at.
func (s *server) archiveFrom(said string, c Control, dir string) (string, error) {
	first, last := "", ""
	if m := divergedAt.FindStringSubmatch(said); m != nil {
		first = segment(m[1], m[2], c.SegmentBytes)
	}
	if high, low, ok := strings.Cut(c.Checkpoint, "/"); ok && strings.HasPrefix(c.State, "shut down") {
		last = segment(high, low, c.SegmentBytes) // later files are recycled ones, without content
	}
	entries, err := os.ReadDir(s.file("pg_wal"))
	if err != nil {
		return "", fmt.Errorf("list the WAL of %s: %w", s.subject, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the archive of diverged WAL: %w", err)
	}
	n := 0
	for _, e := range entries {
		// Names compare by their position once the timeline is cut off.
		name := e.Name()
		wanted := len(name) != 24 || (first == "" || name[8:] >= first) && (last == "" || name[8:] <= last)
		if e.Type().IsRegular() && wanted {
			if err := copyFile(filepath.Join(dir, name), s.file(filepath.Join("pg_wal", name))); err != nil {
				return "", fault.New(fault.Unavailable, s.subject, "the diverged WAL could not be kept").Because(err).
					Do("make room in %s, then repeat", dir)
			}
			n++
		}
	}
	if err := syncDir(dir); err != nil {
		return "", fmt.Errorf("make the archive of diverged WAL durable: %w", err)
	}
	return fmt.Sprintf("%d files of diverged WAL are kept in %s", n, dir), nil
}

// segment names the file of a WAL location, without the timeline; "" if that
// cannot be told, so that all is kept.
func segment(high, low string, size uint64) string {
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if errHigh != nil || errLow != nil || size == 0 {
		return ""
	}
	return fmt.Sprintf("%08X%08X", h, l/size)
}

// keepLocal copies the local configuration aside and records where, so that a
// crash in the middle cannot leave the upstream's in place.
func (a *Agent) keepLocal() error {
	dir := filepath.Join(a.StateDir, "local")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the local configuration: %w", err)
	}
	if a.keeper() != "" {
		return nil // an earlier attempt kept it, and has not put it back
	}
	for _, name := range localFiles {
		err := copyFile(filepath.Join(dir, name), a.server.file(name))
		if errors.Is(err, os.ErrNotExist) {
			err = os.RemoveAll(filepath.Join(dir, name))
		}
		if err != nil {
			return fmt.Errorf("keep the local configuration: %w", err)
		}
	}
	return a.setKeeper(dir)
}

// restoreLocal puts the local configuration back, if some was kept.
func (a *Agent) restoreLocal() error {
	kept := a.keeper()
	if kept == "" {
		return nil
	}
	for _, name := range localFiles {
		text, err := os.ReadFile(filepath.Join(kept, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = writeDurably(a.server.file(name), text, 0o600, a.server.own)
		}
		if err != nil {
			return fmt.Errorf("put the local configuration back: %w", err)
		}
	}
	return a.setKeeper("")
}

func (a *Agent) setKeeper(dir string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory.Keeper = dir
	return a.memory.save()
}

func (a *Agent) keeper() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.memory.Keeper
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// fileSafe makes a name for a directory from an execution's key.
func fileSafe(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, key)
}
