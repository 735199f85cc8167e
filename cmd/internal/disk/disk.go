// Package disk replaces files so that no crash and no loss of power leaves half
// of one: whoever reads sees the old content or the new one, and once [Replace]
// has returned, the new one.
package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// Pending is how the names of files begin that are still being written. What a
// crash leaves behind of them may be deleted.
const Pending = ".writing-"

// Replace puts content under path, whole. When it fails, what was there before
// is untouched.
func Replace(path string, content []byte, mode os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, Pending+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name()) // what failed matters, not what it leaves behind
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return Sync(dir)
}

// Sync makes what was created, renamed or removed in a directory last.
func Sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
