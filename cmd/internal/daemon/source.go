package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"fairlead/cmd/internal/config"
)

// source is the configuration of this node: the one in force, and what is
// wrong with a newer one that was refused.
type source struct {
	path  string
	log   *slog.Logger
	state atomic.Pointer[sourced]
}

type sourced struct {
	Config   *config.Config
	LoadedAt time.Time
	// Refused is what is wrong with the newest files; nil if they are in force.
	Refused   error
	RefusedAt time.Time
}

// lookInterval is how often the files are looked at for a change.
const lookInterval = time.Second

// newSource reads the configuration for the first time.
func newSource(path string, log *slog.Logger) (*source, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, log: log}
	s.state.Store(&sourced{Config: c, LoadedAt: time.Now()})
	return s, nil
}

// now returns what is in force.
func (s *source) now() *sourced { return s.state.Load() }

// reload reads the files again, all or nothing: what is refused leaves
// everything as it was, and is said.
func (s *source) reload() (*config.Config, error) {
	old := s.now()
	c, err := config.Load(s.path)
	if err != nil {
		s.state.Store(&sourced{Config: old.Config, LoadedAt: old.LoadedAt, Refused: err, RefusedAt: time.Now()})
		s.log.Error("configuration refused, the one before stays in force", "source", s.path, "problem", err.Error())
		return nil, err
	}
	s.state.Store(&sourced{Config: c, LoadedAt: time.Now()})
	s.log.Info("configuration read", "source", s.path, "hash", c.Hash)
	return c, nil
}

// watch calls changed with each sound new configuration until ctx ends: when
// hup says so, or when the files have changed and then stood still for a
// moment, so that a half-written one is not read.
func (s *source) watch(ctx context.Context, hup <-chan os.Signal, changed func(*config.Config)) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	read := s.fingerprint()
	seen := read
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-hup:
			asked = true
		case <-tick.C:
		}
		now := s.fingerprint()
		still := now == seen
		seen = now
		if !asked && (now == read || !still) {
			continue
		}
		read = now
		if c, err := s.reload(); err == nil {
			changed(c)
		}
	}
}

// fingerprint tells whether any file of the configuration has changed.
func (s *source) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	files := s.now().Config.Files
	if entries, err := os.ReadDir(s.path); err == nil { // a directory may get new files
		for _, e := range entries {
			files = append(files[:len(files):len(files)], filepath.Join(s.path, e.Name()))
		}
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(h, "%s\x00%v\x00", f, errors.Is(err, os.ErrNotExist))
			continue
		}
		fmt.Fprintf(h, "%s\x00%d\x00%d\x00", f, info.Size(), info.ModTime().UnixNano())
	}
	return [sha256.Size]byte(h.Sum(nil))
}
