package backup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/disk"
	"fairlead/regions/fault"
)

// pending is where a backup waits in a data directory until the node that is
// started next begins the store with it.
func pending(dataDir string) string { return filepath.Join(dataDir, "restore", "pending.backup") }

// Stage puts a backup, verified and decrypted, where the next start of the
// node of that data directory finds it. The directory must hold no store.
func Stage(c *Content, dataDir string) error {
	member := filepath.Join(dataDir, "store", "member")
	if _, err := os.Lstat(member); !errors.Is(err, fs.ErrNotExist) {
		return fault.Conflictf("data directory "+dataDir, "it holds a store (%s), and a backup is restored into an empty one only", member).Because(err).
			Do("stop the node, and move %s away; leave everything else where it is", filepath.Join(dataDir, "store"))
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, c.Header)
	if err != nil {
		return err
	}
	for pairs := c.Pairs; len(pairs) > 0; {
		n := min(len(pairs), 64)
		if err := w.Pairs(pairs[:n]); err != nil {
			return err
		}
		pairs = pairs[n:]
	}
	if err := w.Close(); err != nil {
		return err
	}
	path := pending(dataDir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return unwritable(path, err)
	}
	if err := disk.Replace(path, b.Bytes(), 0o600); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// Pending returns the backup that waits in a data directory, or nil.
func Pending(dataDir string) (*Content, error) {
	path := pending(dataDir)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return Load(path, Keys{})
}

// Restored takes away what [Stage] put there.
func Restored(dataDir string) error { return os.RemoveAll(filepath.Dir(pending(dataDir))) }
