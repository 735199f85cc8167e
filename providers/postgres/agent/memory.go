package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// memory is what the agent must not forget. Every change reaches the disk
// before anything follows from it.
type memory struct {
	path string

	Epoch  regions.Epoch `json:"epoch"` // the newest ever seen
	Fence  *Fence        `json:"fence,omitempty"`
	Done   []doneKey     `json:"done,omitempty"`   // the last keys that had their effect, oldest first
	Torn   bool          `json:"torn,omitempty"`   // a rewind began and did not end: the data must not be started
	Keeper string        `json:"keeper,omitempty"` // copies of local files that must be put back, see keeper
}

// doneKey is one verb that was carried out under one key.
type doneKey struct {
	Key    string `json:"key"`
	Verb   string `json:"verb"`
	Detail string `json:"detail"`
}

// maxDone bounds the keys remembered; a repetition comes soon or never.
const maxDone = 256

func openMemory(dir string) (*memory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the agent's state directory: %w", err)
	}
	m := &memory{path: filepath.Join(dir, "agent.json")}
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, m.save()
	}
	if err != nil {
		return nil, fmt.Errorf("read the agent's memory: %w", err)
	}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fault.New(fault.Internal, "agent memory "+m.path, "cannot be read").Because(err).
			Do("find out which epoch is current (fairlead status), stop the server if it is not the writer, then remove the file")
	}
	return m, nil
}

func (m *memory) save() error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the agent's memory: %w", err)
	}
	if err := writeDurably(m.path, text, 0o600, nil); err != nil {
		return fmt.Errorf("save the agent's memory: %w", err)
	}
	return nil
}

// admit refuses an older epoch and remembers a newer one.
func (m *memory) admit(database string, e regions.Epoch) error {
	if e == (regions.Epoch{}) {
		return nil // a look, under no decision
	}
	switch e.Compare(m.Epoch) {
	case -1:
		return providers.Stale(database, e, m.Epoch)
	case 0:
		return nil
	}
	m.Epoch = e
	return m.save()
}

func (m *memory) done(verb, key string) (doneKey, bool) {
	for _, d := range m.Done {
		if d.Key == key && d.Verb == verb {
			return d, true
		}
	}
	return doneKey{}, false
}

// takenBack reports whether what is ordered under a key has been undone since:
// the server was started under the key of that step's compensation. A run that
// undoes a step never begins it again.
func (m *memory) takenBack(key string) bool {
	i := strings.LastIndexByte(key, '/')
	return i >= 0 && slices.ContainsFunc(m.Done, func(d doneKey) bool {
		return d.Verb == VerbStart && strings.HasPrefix(d.Key, key[:i]+"/undo/")
	})
}

func (m *memory) remember(d doneKey) error {
	m.Done = append(m.Done, d)
	if over := len(m.Done) - maxDone; over > 0 {
		m.Done = m.Done[over:]
	}
	return m.save()
}

// owner is whom a new file shall belong to; nil: whoever writes it.
type owner struct{ uid, gid int }

// writeDurably replaces a file at once and for good: after a power cut either
// the old content is there or the new one.
func writeDurably(path string, content []byte, mode os.FileMode, own *owner) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // harmless once renamed
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode))
	if own != nil {
		err = errors.Join(err, f.Chown(own.uid, own.gid))
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// removeDurably removes a file for good; one that is absent is removed.
func removeDurably(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
