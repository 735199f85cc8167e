package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// History is what happened in a run, in the order of its times.
type History struct {
	began time.Time

	mu      sync.Mutex
	events  []event
	answers []Judged
}

type event struct {
	at   time.Duration
	text string
}

// Judged is one question of the observer, and what it thinks of the answer.
type Judged struct {
	Asked   time.Duration // since the run began
	Took    time.Duration
	Region  string // that the answer names; empty if none did
	Tries   int
	Verdict Verdict
	Detail  string
}

// Verdict is what the observer thinks of an answer.
type Verdict byte

const (
	Right      Verdict = iota
	Late               // names a shop that is gone, within the time that finding out may take
	Wrong              // names one that has been gone for longer, or nothing
	Unanswered         // no listed server replied within a second
)

// NewHistory begins one.
func NewHistory() *History { return &History{began: time.Now()} }

// Note writes down what was done, or seen.
func (h *History) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{time.Since(h.began), fmt.Sprintf(format, args...)})
}

func (h *History) answered(j Judged) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = append(h.answers, j)
}

// Since returns what was asked from a moment of the run on.
func (h *History) Since(from time.Duration) []Judged {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Judged
	for _, j := range h.answers {
		if j.Asked >= from {
			out = append(out, j)
		}
	}
	return out
}

// Now is how long the run has lasted.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// column is how much time a line of the picture stands for.
const column = 250 * time.Millisecond

// Draw writes the picture: for each line of time how many answers named each
// region, and below it what was done then. Lines that look like the one before
// are left out.
func (h *History) Draw(w io.Writer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	count := map[int]map[string]int{}
	last := 0
	for _, j := range h.answers {
		at := int(j.Asked / column)
		last = max(last, at)
		if count[at] == nil {
			count[at] = map[string]int{}
		}
		key := j.Region
		switch {
		case j.Verdict == Unanswered:
			key = "UNANSWERED"
		case j.Verdict == Wrong:
			key = "WRONG"
		}
		if !slices.Contains(names, key) {
			names = append(names, key)
		}
		count[at][key]++
	}
	slices.Sort(names)
	events := slices.Clone(h.events)
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range events {
		last = max(last, int(e.at/column))
	}
	before := ""
	for at := range last + 1 {
		var line strings.Builder
		for _, name := range names {
			fmt.Fprintf(&line, "  %s %s", name, bar(count[at][name]))
		}
		spoke := false
		for len(events) > 0 && int(events[0].at/column) <= at {
			if _, err := fmt.Fprintf(w, "%7.2f s  ── %s\n", events[0].at.Seconds(), events[0].text); err != nil {
				return err
			}
			events, spoke = events[1:], true
		}
		if picture := line.String(); picture != before || spoke {
			if _, err := fmt.Fprintf(w, "%7.2f s%s\n", (time.Duration(at) * column).Seconds(), picture); err != nil {
				return err
			}
			before = picture
		}
	}
	return nil
}

// bar is a number as a length, which grows with its logarithm: one question
// that went wrong must be seen beside a hundred that did not.
func bar(n int) string {
	length := 0
	for ; n > 0; n >>= 1 {
		length++
	}
	return fmt.Sprintf("%-8s", strings.Repeat("▪", length))
}
