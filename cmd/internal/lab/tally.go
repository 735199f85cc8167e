package lab

import (
	"fmt"
	"time"
)

// Tally is what the observer saw between two moments of a run.
type Tally struct {
	Questions, Unanswered, Wrong int
	LastLate                     time.Duration // since the first moment; 0 if nothing was late
	Retried                      int           // that needed more than one packet
	First                        string        // the first thing that was wrong or unanswered, in words
}

// Tally counts from a moment on.
func (h *History) Tally(from time.Duration) (t Tally) {
	for _, j := range h.Since(from) {
		t.Questions++
		if j.Tries > 1 {
			t.Retried++
		}
		switch j.Verdict {
		case Unanswered:
			t.Unanswered++
		case Wrong:
			t.Wrong++
		case Late:
			t.LastLate = max(t.LastLate, j.Asked-from)
		}
		if t.First == "" && (j.Verdict == Wrong || j.Verdict == Unanswered) {
			t.First = fmt.Sprintf("at %.2f s: %s", j.Asked.Seconds(), j.Detail)
		}
	}
	return t
}
