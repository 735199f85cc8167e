package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// part is something that a node keeps on its disk.
type part string

const (
	decidedPart part = "decided state"
	historyPart part = "history"
	memoryPart  part = "memory"
)

// troubles is what cannot be written to this node's disk. That one part can be
// written again says nothing of the others.
type troubles struct {
	mu sync.Mutex
	of map[part]trouble
}

type trouble struct {
	text  string
	since time.Time
}

// note says that a part cannot be written.
func (t *troubles) note(p part, text string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[part]trouble{}
	}
	if before, known := t.of[p]; known {
		now = before.since
	}
	t.of[p] = trouble{text, now}
}

// over says that a part can be written, and reports whether it could not be.
func (t *troubles) over(p part) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, was := t.of[p]
	delete(t.of, p)
	return was
}

// sentence tells of all parts, and since when the first of them fails; false
// if none does.
func (t *troubles) sentence() (text string, since time.Time, any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var texts []string
	for _, p := range slices.Sorted(maps.Keys(t.of)) {
		one := t.of[p]
		texts = append(texts, one.text)
		if since.IsZero() || one.since.Before(since) {
			since = one.since
		}
	}
	return strings.Join(texts, "; "), since, len(texts) > 0
}

// disk says that a part could not be written, in the log and to people.
func (n *Node) disk(p part, what string, err error) {
	n.log.Error("disk", "what", what, "problem", err.Error())
	n.troubles.note(p, fmt.Sprintf("%s: %v", what, err), time.Now())
}

// healed says that the disk takes a part again.
func (n *Node) healed(p part) {
	if n.troubles.over(p) {
		n.log.Info("disk writes again", "what", string(p))
	}
}
