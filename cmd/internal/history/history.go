package history

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"fairlead/cmd/internal/disk"
	"fairlead/regions/fault"
)

// Settings of a [History]; zero values are replaced by defaults.
type Settings struct {
	MaxBytes     int64         // of all segments; by default 256 MiB
	MaxAge       time.Duration // of what is remembered; by default 30 days
	SegmentBytes int64         // by default an eighth of MaxBytes
	Log          *slog.Logger
}

// syncEvery bounds what a loss of power can take. A crash of the process
// alone takes nothing.
const syncEvery = time.Second

// History is what one process writes and many goroutines read.
type History struct {
	dir  string
	set  Settings
	lock *os.File

	mu       sync.Mutex
	segments []segment // the oldest first; the last one is written to
	file     *os.File  // of the last segment
	next     Position
	state    *Moment
	blobs    map[string]*Generation // stored in the last segment
	dirty    bool                   // written and not synced
	lost     bool                   // a record could not be written: the next segment restates
	closed   bool
	changed  chan struct{} // closed and replaced with each record
	damage   []string
}

// Open reads what is in dir, cuts off what a crash has torn, and begins where
// it ends. One process at a time may have a directory open.
func Open(dir string, s Settings) (*History, error) {
	if s.MaxBytes == 0 {
		s.MaxBytes = 256 << 20
	}
	if s.MaxAge == 0 {
		s.MaxAge = 30 * 24 * time.Hour
	}
	if s.SegmentBytes == 0 {
		s.SegmentBytes = s.MaxBytes / 8
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	h := &History{dir: dir, set: s, next: 1, state: newMoment(), blobs: map[string]*Generation{}, changed: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Deniedf("history", "cannot make the directory %s", dir).Because(err).Do("give this user the right to write there")
	}
	if err := h.take(); err != nil {
		return nil, err
	}
	if err := h.recover(); err != nil {
		h.lock.Close()
		return nil, err
	}
	return h, nil
}

// take holds off other processes.
func (h *History) take() error {
	f, err := os.OpenFile(filepath.Join(h.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Deniedf("history", "cannot write in %s", h.dir).Because(err).Do("give this user the right to write there")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fault.Conflictf("history", "%s is in use by another process", h.dir).Because(err).
			Do("stop that one first, or give this one another data directory")
	}
	h.lock = f
	return nil
}

// recover surveys the segments and folds the last one.
func (h *History) recover() error {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return fault.Deniedf("history", "cannot read %s", h.dir).Because(err).Do("give this user the right to read there")
	}
	for _, e := range entries { // in order of their names, which is that of positions
		first, ok := parseName(e.Name())
		if !ok {
			continue
		}
		path := filepath.Join(h.dir, e.Name())
		s, err := survey(path, first)
		if newer, ok := errors.AsType[newerFormat](err); ok {
			return fault.Invalidf("history", "%s was written by a newer version of this program (%s)", path, newer).
				Do("use that version, or move the directory away")
		}
		if err != nil {
			h.note("%s: %v; %d records of it can be read", path, err, s.last-s.first+1)
		}
		h.next = max(h.next, first, s.last+1)
		if s.size > 0 {
			h.segments = append(h.segments, s)
		}
	}
	if len(h.segments) == 0 {
		return nil
	}
	return h.resume(&h.segments[len(h.segments)-1])
}

// note remembers a sentence about damage.
func (h *History) note(format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	h.damage = append(h.damage, sentence)
	h.set.Log.Warn("history damaged", "problem", sentence)
}

// resume goes on with the last segment. If it cannot be understood it is left
// as it is and a new one is begun.
func (h *History) resume(s *segment) error {
	var bad error
	_, err := read(s.path, s.size, func(payload []byte) bool {
		r, err := decode(payload)
		if err == nil {
			err = h.state.fold(r, h.blobs)
		}
		bad = err
		return err == nil
	})
	if err = errors.Join(bad, err); err != nil {
		h.note("%s: %v", s.path, err)
		h.lost = true
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(s.size), seekEnd(f))
	}
	if err != nil {
		return fault.Deniedf("history", "cannot write %s", s.path).Because(err).Do("give this user the right to write there")
	}
	h.file = f
	return nil
}

func seekEnd(f *os.File) error {
	_, err := f.Seek(0, 2)
	return err
}

// Damage returns what was found damaged when the history was opened, a
// sentence each.
func (h *History) Damage() []string { return slices.Clone(h.damage) }

// list returns the segments as they are now.
func (h *History) list() []segment {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.segments)
}

// Head returns the position of the newest record; 0 if there is none.
func (h *History) Head() Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next - 1
}

// Append writes a record and returns its position. A zero At is now. After a
// failure what the record says is not lost for what follows: it is restated as
// soon as something can be written.
func (h *History) Append(r Record) (Position, error) {
	if r.At.IsZero() {
		r.At = time.Now()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, fault.Unavailablef("history", "is closed")
	}
	if r.Kind == Decided {
		if err := h.refer(&r); err != nil {
			return 0, err
		}
	}
	restate := h.file == nil || h.lost || h.segments[len(h.segments)-1].size >= h.set.SegmentBytes
	if restate {
		if err := h.rotate(r.At); err != nil {
			h.missed(r)
			return 0, h.unwritable(err)
		}
		if r.Kind == Decided { // the new segment may not hold it
			if err := h.refer(&r); err != nil {
				return 0, err
			}
		}
	}
	if err := h.write(&r); err != nil {
		h.missed(r)
		return 0, h.unwritable(err)
	}
	err := h.state.fold(r, h.blobs)
	close(h.changed)
	h.changed = make(chan struct{})
	return r.Position, err
}

// refer replaces a decided state by its hash if this segment has it already.
func (h *History) refer(r *Record) error {
	g := *r.Decided
	text, err := json.Marshal(g.State)
	if err != nil {
		return fault.New(fault.Internal, "history", "cannot encode a decided state").Because(err)
	}
	sum := sha256.Sum256(text)
	g.Incarnation, g.Generation, g.Hash = g.State.Incarnation, g.State.Generation, hex.EncodeToString(sum[:])
	g.Blob = nil
	if _, ok := h.blobs[g.Hash]; !ok {
		if err := g.pack(); err != nil {
			return fault.New(fault.Internal, "history", "cannot compress a decided state").Because(err)
		}
	}
	r.Decided = &g
	return nil
}

// missed folds a record that could not be written.
func (h *History) missed(r Record) {
	h.lost = true
	if r.Kind == Decided {
		h.state.Decided, h.state.hash = r.Decided.State, r.Decided.Hash
		return
	}
	r.Position = h.state.Position
	_ = h.state.fold(r, h.blobs) // only decided states can fail
}

func (h *History) unwritable(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Unavailablef("history", "the disk of %s is full, so this node remembers nothing new", h.dir).Because(err).
			Do("free some space; answers do not depend on it")
	}
	return fault.Unavailablef("history", "cannot write to %s, so this node remembers nothing new", h.dir).Because(err).
		Do("look after that disk; answers do not depend on it")
}

// write appends one frame to the last segment. A frame that does not fit is
// taken back whole.
func (h *History) write(r *Record) error {
	r.Position = h.next
	payload, err := r.encode()
	if err != nil {
		return err
	}
	s := &h.segments[len(h.segments)-1]
	bytes := frame(payload)
	if _, err := h.file.WriteAt(bytes, s.size); err != nil {
		return errors.Join(err, h.file.Truncate(s.size))
	}
	if s.began.IsZero() {
		s.began = r.At
	}
	s.size += int64(len(bytes))
	s.last = r.Position
	h.next++
	h.dirty = true
	return nil
}

// rotate begins a segment that restates what holds, and lets go of the oldest
// ones.
func (h *History) rotate(at time.Time) (err error) {
	if err := h.sync(); err != nil {
		return err
	}
	path := filepath.Join(h.dir, segmentName(h.next))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	before, next := len(h.segments), h.next
	if _, err = f.Write(segmentHeader(h.next)); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	old, oldBlobs := h.file, h.blobs
	h.file, h.blobs = f, map[string]*Generation{}
	h.segments = append(h.segments, segment{path: path, first: h.next, last: h.next - 1, size: int64(headerSize)})
	for _, r := range h.restatement(at) {
		if r.Kind == Decided {
			err = h.refer(&r)
		}
		if err == nil {
			err = h.write(&r)
		}
		if err == nil && r.Kind == Decided {
			h.blobs[r.Decided.Hash] = r.Decided
		}
		if err != nil {
			h.file, h.blobs, h.segments, h.next = old, oldBlobs, h.segments[:before], next
			return errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	if old != nil {
		err = old.Close()
	}
	h.lost = false
	return errors.Join(err, h.prune(at), disk.Sync(h.dir))
}

// prune deletes the oldest segments beyond the bounds; never the last one.
func (h *History) prune(now time.Time) error {
	var total int64
	for _, s := range h.segments {
		total += s.size
	}
	for len(h.segments) > 1 {
		// All of a segment is as old as the beginning of the next one.
		if total <= h.set.MaxBytes && now.Sub(h.segments[1].began) <= h.set.MaxAge {
			break
		}
		if err := os.Remove(h.segments[0].path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= h.segments[0].size
		h.segments = slices.Delete(h.segments, 0, 1)
	}
	return nil
}

func (h *History) sync() error {
	if !h.dirty || h.file == nil {
		return nil
	}
	h.dirty = false
	return h.file.Sync()
}

// Run brings records to the disk every second and forgets what is too old,
// until ctx ends; then it closes the history.
func (h *History) Run(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return h.Close()
		case now := <-tick.C:
			h.mu.Lock()
			err := errors.Join(h.sync(), h.prune(now))
			h.mu.Unlock()
			if err != nil {
				h.set.Log.Warn("history not brought to the disk", "problem", err.Error())
			}
		}
	}
}

// Close brings everything to the disk and lets go of the directory. Closing
// twice does no harm.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	close(h.changed)
	err := h.sync()
	if h.file != nil {
		err = errors.Join(err, h.file.Close())
	}
	return errors.Join(err, h.lock.Close())
}
