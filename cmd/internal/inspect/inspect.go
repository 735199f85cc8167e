package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/backup"
	"fairlead/cmd/internal/history"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/replica"
	"fairlead/regions/fault"
)

// Finding is what was seen of one file, or of several that belong together.
type Finding struct {
	File    string
	Problem string // empty: whole
	Remedy  string
}

// Look inspects a data directory. Memory and break-glass state are judged by
// functions, because their content belongs to the daemon.
func Look(ctx context.Context, dir string, memory, glass func(text []byte) error) ([]Finding, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fault.NotFoundf("data directory "+dir, "it is not there, or no directory").Because(err).Do("give the data_dir of a node")
	}
	var found []Finding
	add := func(file, remedy string, err error) {
		f := Finding{File: file}
		if err != nil {
			f.Problem, f.Remedy = err.Error(), remedy
		}
		found = append(found, f)
	}
	who(dir, add)
	for _, path := range glob(dir, "decided", "*.decided") {
		add(path, "move it away; the node goes on with the copy before it and fetches the newest from the store", replica.Check(path))
	}
	for _, path := range glob(dir, "history", "*.history") {
		add(path, "nothing: what can be read of it is used; explanations of that time are incomplete", history.Check(path))
	}
	if path := filepath.Join(dir, "memory.json"); exists(path) {
		text, err := os.ReadFile(path)
		if err == nil {
			err = memory(text)
		}
		add(path, "move it away; the node begins with what it measures", err)
	}
	if path := filepath.Join(dir, "break-glass.json"); exists(path) {
		text, err := os.ReadFile(path)
		if err == nil {
			err = glass(text)
		}
		add(path, "nothing: the node puts it aside, and says so until a new bundle is handed in", err)
	}
	if c, err := backup.Pending(dir); c != nil || err != nil {
		add(filepath.Join(dir, "restore", "pending.backup"), "fairlead restore-backup with another file", err)
	}
	if exists(filepath.Join(dir, "store", "member")) {
		look(ctx, filepath.Join(dir, "store", "member"), add)
	}
	if len(found) == 0 {
		return nil, fault.NotFoundf("data directory "+dir, "nothing of a node is in it").Do("give the data_dir of a node")
	}
	return found, nil
}

// who inspects the identity that a lone node has made for itself.
func who(dir string, add func(file, remedy string, err error)) {
	dir = filepath.Join(dir, "identity")
	if !exists(dir) {
		return
	}
	const remedy = "put it back from a copy, or issue a certificate anew: fairlead certs"
	_, err := identity.Load(dir)
	add(dir, remedy, err)
	if key := filepath.Join(dir, "ca.key"); exists(key) {
		_, err := identity.OpenAuthority(dir)
		if err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		add(key, remedy, err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func glob(dir, sub, pattern string) []string {
	var out []string
	entries, err := os.ReadDir(filepath.Join(dir, sub))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if ok, err := filepath.Match(pattern, e.Name()); err == nil && ok {
			out = append(out, filepath.Join(dir, sub, e.Name()))
		}
	}
	return out
}
