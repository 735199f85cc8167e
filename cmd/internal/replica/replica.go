package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"fairlead/cmd/internal/disk"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// keep is how many generations stay on the disk.
const keep = 3

// Replica is the decided state in a directory. Its methods may be used by
// many goroutines.
type Replica struct {
	dir string

	mu sync.Mutex // one writer in this process; flock holds off others
}

// Corrupt names a file that could not be used, and why.
type Corrupt struct {
	Path    string
	Problem string
}

// String reads like "/data/…: its checksum does not fit".
func (c Corrupt) String() string { return c.Path + ": " + c.Problem }

// Open makes the directory if need be.
func Open(dir string) (*Replica, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Deniedf("replica", "cannot make the directory %s", dir).Because(err).Do("give this user the right to write there")
	}
	return &Replica{dir: dir}, nil
}

// Load returns the newest decided state that is whole, or nil if there is
// none, and names the files that are not whole. It fails if the newest was
// written by a later program: going on with an older generation would be going
// back.
func (r *Replica) Load() (*regions.Decided, []Corrupt, error) {
	files, err := r.files()
	if err != nil {
		return nil, nil, err
	}
	var corrupt []Corrupt
	for _, path := range files {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // replaced meanwhile
		}
		var d *regions.Decided
		if err == nil {
			d, err = decodeFile(text)
		}
		if newer, ok := errors.AsType[newerFormat](err); ok {
			return nil, corrupt, fault.Invalidf("replica", "%s was written by a newer version of this program (%s)", path, newer).
				Do("use that version, or move the file away and let the store send everything again")
		}
		if err != nil {
			corrupt = append(corrupt, Corrupt{path, err.Error()})
			continue
		}
		return d, corrupt, nil
	}
	return nil, corrupt, nil
}

// files returns the paths of what may be generations, the newest first.
func (r *Replica) files() ([]string, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fault.Deniedf("replica", "cannot read %s", r.dir).Because(err).Do("give this user the right to read there")
	}
	var files []string
	for _, e := range entries {
		if _, ok := parseName(e.Name()); ok && e.Type().IsRegular() {
			files = append(files, filepath.Join(r.dir, e.Name()))
		}
	}
	slices.Sort(files)
	slices.Reverse(files)
	return files, nil
}

// Save puts d on the disk and reports whether it did: what is older than, or
// the same as, what lies there already is left alone. When it returns true, d
// survives a loss of power. When it fails, what was there before is untouched.
func (r *Replica) Save(d *regions.Decided) (saved bool, err error) {
	text, err := encodeFile(d)
	if err != nil {
		return false, fault.New(fault.Internal, "replica", "cannot encode %s", versionOf(d)).Because(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := r.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	newest, err := r.newest()
	if err != nil {
		return false, err
	}
	if versionOf(d).Compare(newest) <= 0 {
		return false, nil
	}
	if err := disk.Replace(filepath.Join(r.dir, versionOf(d).name()), text, 0o600); err != nil {
		return false, r.full(d, err)
	}
	return true, r.prune()
}

// newest returns the version of the newest whole file. One that is damaged
// does not count: it must not keep a good one of the same version out.
func (r *Replica) newest() (Version, error) {
	d, _, err := r.Load()
	if err != nil || d == nil {
		return Version{}, err
	}
	return versionOf(d), nil
}

// full says what a failed write means.
func (r *Replica) full(d *regions.Decided, err error) error {
	old := "the generation before stays good"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Unavailablef("replica", "the disk of %s is full, so %s is in memory only; %s", r.dir, versionOf(d), old).Because(err).
			Do("free some space before this node restarts")
	}
	return fault.Unavailablef("replica", "cannot write %s to %s; %s", versionOf(d), r.dir, old).Because(err).
		Do("look after that disk before this node restarts")
}

// prune deletes what is older than the newest generations, and what crashes
// left behind. Damaged files within the newest are kept for whoever looks.
func (r *Replica) prune() error {
	files, err := r.files()
	if err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(r.dir, disk.Pending+"*"))
	if err != nil {
		return fmt.Errorf("clean up %s: %w", r.dir, err)
	}
	if len(files) > keep {
		left = append(left, files[keep:]...)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clean up %s: %w", r.dir, err)
		}
	}
	return nil
}

// lock holds off other processes. The kernel takes it back when this one ends.
func (r *Replica) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Deniedf("replica", "cannot write in %s", r.dir).Because(err).Do("give this user the right to write there")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fault.Unavailablef("replica", "cannot lock %s", r.dir).Because(err)
	}
	return func() { f.Close() }, nil
}
