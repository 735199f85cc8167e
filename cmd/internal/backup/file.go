package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/disk"
	"fairlead/regions/fault"
)

// Save writes what a node sends to a new file, encrypted if keys say so, and
// returns what it is. It is read while it is written: if it is not whole,
// nothing is left behind. A file that exists is never replaced.
func Save(path string, in io.Reader, k Keys) (c *Content, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Conflictf("file "+path, "exists already, or cannot be looked at").Do("name a new one")
	}
	f, err := os.CreateTemp(filepath.Dir(path), disk.Pending+"*") // mode 0600
	if err != nil {
		return nil, unwritable(path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sealed, err := k.Seal(f)
	if err != nil {
		return nil, err
	}
	if c, err = Read(io.TeeReader(in, sealed)); err != nil {
		return nil, err
	}
	if err := errors.Join(sealed.Close(), f.Sync(), f.Close()); err != nil {
		return nil, unwritable(path, err)
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it replaces nothing
		return nil, unwritable(path, err)
	}
	return c, disk.Sync(filepath.Dir(path))
}

// Load reads and verifies a file.
func Load(path string, k Keys) (*Content, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.NotFoundf("file "+path, "cannot be read").Because(err).Do("check the path")
	}
	defer f.Close()
	in, err := k.Unseal(f)
	if err == nil {
		var c *Content
		if c, err = Read(in); err == nil {
			return c, nil
		}
	}
	return nil, named(path, err)
}

// named says in which file it is.
func named(path string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Subject == "backup" {
		return &fault.Error{Kind: f.Kind, Subject: "backup " + path, Problem: f.Problem, Remedy: f.Remedy, Err: f.Err}
	}
	return fmt.Errorf("backup %s: %w", path, err)
}

func unwritable(path string, err error) error {
	return fault.Deniedf("file "+path, "cannot be written").Because(err).Do("give this user the right to write there, or free some space")
}
