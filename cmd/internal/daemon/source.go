package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/config"
)

// source is the configuration of this node: the one in force, and what is
// wrong with a newer one that was refused.
type source struct {
	path  string
	log   *slog.Logger
	first config.Node // what this process runs by: most of it is read once
	state atomic.Pointer[sourced]
}

type sourced struct {
	Config   *config.Config
	Tokens   []auth.Token
	LoadedAt time.Time
	// Refused is what is wrong with the newest files; nil if they are in force.
	Refused   error
	RefusedAt time.Time
	// InUse is why the store does not take what is sound by itself: it would
	// take away what is in use.
	InUse   error
	InUseAt time.Time
}

// problem returns what stands between the newest files and their being in
// force, and since when; nil if nothing does.
func (s *sourced) problem() (error, time.Time) {
	if s.Refused != nil {
		return s.Refused, s.RefusedAt
	}
	return s.InUse, s.InUseAt
}

// lookInterval is how often the files are looked at for a change.
const lookInterval = time.Second

// newSource reads the configuration for the first time.
func newSource(path string, log *slog.Logger) (*source, error) {
	now, err := load(path)
	if err != nil {
		return nil, err
	}
	s := &source{path: path, log: log, first: now.Config.Node}
	s.state.Store(now)
	return s, nil
}

// load reads the files of a configuration, and the tokens beside it.
func load(path string) (*sourced, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	tokens, err := readTokens(c.Node.TokensFile)
	if err != nil {
		return nil, err
	}
	return &sourced{Config: c, Tokens: tokens, LoadedAt: time.Now()}, nil
}

// now returns what is in force.
func (s *source) now() *sourced { return s.state.Load() }

// reload reads the files again, all or nothing: what is refused leaves
// everything as it was, and is said.
func (s *source) reload() (*sourced, error) {
	now, err := load(s.path)
	if err != nil {
		refused := *s.now()
		refused.Refused, refused.RefusedAt = err, time.Now()
		s.state.Store(&refused)
		s.log.Error("configuration refused, the one before stays in force", "source", s.path, "problem", err.Error())
		return nil, err
	}
	s.state.Store(now)
	s.log.Info("configuration read", "source", s.path, "hash", now.Config.Hash)
	if keys := s.later(); len(keys) > 0 {
		s.log.Warn("settings of this node have changed, and apply once it is restarted", "settings", keys)
	}
	return now, nil
}

// later names the settings of this node that are not those it runs by, because
// they are read at the start only.
func (s *source) later() (keys []string) {
	was, is := s.first, s.now().Config.Node
	differs := func(key string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			keys = append(keys, "node."+key)
		}
	}
	differs("name", was.Name, is.Name)
	differs("region", was.Region, is.Region)
	differs("roles", was.Roles, is.Roles)
	differs("data_dir", was.DataDir, is.DataDir)
	differs("certificates", was.Certificates, is.Certificates)
	differs("api", []any{was.APIListen, was.APITLS}, []any{is.APIListen, is.APITLS})
	differs("dns", []any{was.DNSListen, was.NSID}, []any{is.DNSListen, is.NSID})
	differs("feed", was.FeedListen, is.FeedListen)
	differs("store", []any{was.StorePeer, was.Etcd, was.EtcdCA}, []any{is.StorePeer, is.Etcd, is.EtcdCA})
	differs("peers", was.Peers, is.Peers)
	return keys
}

// refused notes why the store does not take what c says, or that it does, if
// c is still the configuration that was read last.
func (s *source) refused(c *config.Config, why error) {
	for {
		old := s.now()
		same := why == nil && old.InUse == nil || why != nil && old.InUse != nil && why.Error() == old.InUse.Error()
		if old.Config != c || same {
			return
		}
		next := *old
		next.InUse, next.InUseAt = why, time.Now()
		if s.state.CompareAndSwap(old, &next) {
			return
		}
	}
}

// watch calls changed with each sound new configuration until ctx ends: when
// hup says so, or when the files have changed and then stood still for a
// moment, so that a half-written one is not read.
func (s *source) watch(ctx context.Context, hup <-chan os.Signal, changed func(*sourced)) {
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
		if now, err := s.reload(); err == nil {
			changed(now)
		}
	}
}

// fingerprint tells whether any file of the configuration has changed.
func (s *source) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	c := s.now().Config
	files := c.Files
	if c.Node.TokensFile != "" {
		files = append(files[:len(files):len(files)], c.Node.TokensFile)
	}
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
