package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/disk"
	"fairlead/cmd/internal/recovery"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// glass is the break-glass bundles of this node: which was the last one taken,
// and what it orders. It lies on the disk before anything follows from it, so
// that no restart forgets what rules, nor that it was taken.
type glass struct {
	path string

	mu      sync.Mutex
	kept    glassKept
	damaged string // why what ruled is not known any more; nothing once a bundle was taken
}

// glassKept is what lies on the disk.
type glassKept struct {
	Seen   recovery.Seen       `json:"seen"`
	Bundle *recovery.Bundle    `json:"bundle,omitempty"`
	Rules  *regions.BreakGlass `json:"rules,omitempty"`
	// Unentered are the bundles that were carried out here and do not stand in
	// the record yet, the oldest first.
	Unentered []carriedOut `json:"unentered,omitempty"`
}

type carriedOut struct {
	Bundle recovery.Bundle     `json:"bundle"`
	Rules  *regions.BreakGlass `json:"rules"`
}

// maxUnentered bounds how many bundles may wait for the record.
const maxUnentered = 100

const (
	glassFile   = "break-glass.json"
	glassMagic  = "fairlead-break-glass"
	glassFormat = 1
	glassDrop   = "bundles" // where files are dropped if the API is out of reach
	glassEvery  = time.Second
	maxBundle   = 256 << 10
)

// openGlass reads what rules. A file that is damaged is put aside and told
// until the next bundle: a node must not stay down for it, though it has
// forgotten what people ordered, and which bundles it has taken.
func (n *Node) openGlass() error {
	g := &n.glass
	g.path = filepath.Join(n.settings.DataDir, glassFile)
	text, err := os.ReadFile(g.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Deniedf("break-glass state "+g.path, "cannot be read").Because(err).Do("give this user the right to read it")
	}
	if g.kept, err = parseGlass(text); err != nil {
		g.damaged = fmt.Sprintf("%s was damaged, so this node has forgotten what was ordered past the store, and which bundles it has taken: %v", g.path, err)
		n.log.Error("break-glass state", "problem", g.damaged)
		return os.Rename(g.path, g.path+".damaged")
	}
	return nil
}

// parseGlass reads what was kept. One byte of it can drain another region, or
// let a bundle be taken twice.
func parseGlass(text []byte) (kept glassKept, err error) {
	if text, err = unseal(glassMagic, glassFormat, text); err != nil {
		return kept, err
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return glassKept{}, err
	}
	return kept, nil
}

// CheckGlass says why the break-glass state of a node is not whole, or nil.
func CheckGlass(text []byte) error {
	_, err := parseGlass(text)
	return err
}

// rules returns what is ordered past the store; nil if nothing is.
func (g *glass) rules() *regions.BreakGlass {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kept.Rules
}

func (g *glass) state() glassKept {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kept
}

// keep puts what rules on the disk, and then in force. g.mu is held.
func (g *glass) keep(next glassKept) error {
	text, err := json.MarshalIndent(next, "", "  ")
	if err == nil {
		err = disk.Replace(g.path, seal(glassMagic, glassFormat, text), 0o600)
	}
	if err == nil {
		g.kept, g.damaged = next, ""
	}
	return err
}

// trouble says what is wrong with what is kept; nothing if all is well.
func (g *glass) trouble() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.damaged
}

// takeBundle carries a bundle out, if it may, and returns what now rules. It
// asks nobody but this node's own copy of what was decided.
func (n *Node) takeBundle(text []byte) (*regions.BreakGlass, error) {
	b, err := recovery.ParseBundle(text)
	if err != nil {
		return nil, err
	}
	n.glass.mu.Lock()
	defer n.glass.mu.Unlock()
	ordered, err := b.Verify(n.decided(), n.glass.kept.Seen)
	if err != nil {
		n.log.Warn("break-glass bundle refused", "bundle", b.ID, "problem", err.Error())
		return nil, err
	}
	next := glassKept{Seen: recovery.Seen{Incarnation: b.Incarnation, Sequence: b.Sequence, ID: b.ID}, Bundle: &b, Rules: ordered}
	next.Unentered = append(slices.Clone(n.glass.kept.Unentered), carriedOut{b, ordered})
	next.Unentered = next.Unentered[max(0, len(next.Unentered)-maxUnentered):]
	if err := n.glass.keep(next); err != nil {
		return nil, fault.Unavailablef("break-glass bundle "+b.ID, "cannot be kept on this node's disk, so it is not carried out: a restart would forget it").
			Because(err).Do("give the data directory room, and hand it in again")
	}
	n.log.Warn("break-glass bundle carried out", "bundle", b.ID, "signed_by", strings.Join(ordered.By, ", "), "orders", b.Sentence(), "reason", b.Reason)
	n.judge.BreakGlass(ordered)
	return ordered, nil
}

// watchGlass takes what is dropped as a file, and enters what was carried out
// into the record as soon as there is a store, until ctx ends.
func (n *Node) watchGlass(ctx context.Context) {
	told := ""
	tick := time.NewTicker(glassEvery)
	defer tick.Stop()
	for {
		n.dropped()
		if err := n.enterGlass(ctx); err != nil && err.Error() != told && ctx.Err() == nil {
			n.log.Warn("break-glass bundle not entered into the record yet", "problem", err.Error())
			told = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// enterGlass enters what waits for the record. Each control node that carried
// a bundle out does, and the record takes it once.
func (n *Node) enterGlass(ctx context.Context) error {
	if !n.settings.Has(config.Control) || !n.store.Status().Reachable {
		return nil
	}
	for _, c := range n.glass.state().Unentered {
		if err := n.store.EnterGlass(ctx, c.Rules, c.Bundle.Record()); err != nil {
			return err
		}
		if err := n.glass.entered(c.Bundle.ID); err != nil {
			return err
		}
	}
	return nil
}

// entered forgets a bundle that stands in the record.
func (g *glass) entered(id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.kept
	next.Unentered = slices.DeleteFunc(slices.Clone(next.Unentered), func(c carriedOut) bool { return c.Bundle.ID == id })
	return g.keep(next)
}

// dropped takes the files that somebody put into the directory for bundles.
// What became of each stands beside it, for who has no other way to ask.
func (n *Node) dropped() {
	dir := filepath.Join(n.settings.DataDir, glassDrop)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		return
	}
	for _, path := range files {
		if beingWritten(path) {
			continue
		}
		text, err := readWhole(path)
		if err == nil {
			_, err = n.takeBundle(text)
		}
		if fault.Is(err, fault.Unavailable) {
			continue // it may be taken once the disk has room, or the fleet is known
		}
		answer, ending := "carried out\n", ".taken"
		if err != nil {
			answer, ending = "refused: "+err.Error()+"\n", ".refused"
		}
		name := strings.TrimSuffix(path, ".json")
		err = errors.Join(os.WriteFile(name+".answer", []byte(answer), 0o600), os.Rename(path, name+ending))
		if err != nil {
			n.log.Error("what became of a bundle cannot be written beside it", "file", path, "problem", err.Error())
		}
	}
}

// beingWritten reports whether a file was written to just now: somebody may be
// copying it, and half of a bundle would be refused for good.
func beingWritten(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < glassEvery
}

// readWhole reads a file of a size that a bundle may have.
func readWhole(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxBundle {
		return nil, fault.Invalidf("break-glass bundle "+path, "is no file that could be one").Do("put the file there that fairlead bundle make wrote")
	}
	return os.ReadFile(path)
}
