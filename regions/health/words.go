package health

import (
	"fmt"
	"slices"
	"strings"

	"fairlead/regions"
)

// wording is what a verdict's text is made of. It is comparable, so that the
// text is written only when it would read differently.
type wording struct {
	state        regions.State
	from         regions.State // what a doubt holds
	doubt        string
	kept         bool   // too few agree on anything, so it is what it was
	agree        uint64 // tables, by index
	voices       int    // that agree
	heard, known int
	reason       string
	node         string // of the only vantage point, if there is but one
}

func (s *sight) wording(tables []Table, v regions.Verdict, held bool, why string) wording {
	const nobody = regions.State(255)
	w := wording{state: s.state, heard: s.heard, known: len(s.reports), kept: Quorum(s.reports, s.target.Quorum, nobody) == nobody}
	if held {
		w.doubt, w.from = why, v.Effective
	}
	var reasons []string
	for i, r := range s.reports {
		if r.State == s.state || s.state.Serves() && r.State.Serves() {
			w.voices++
			if k := s.tables[i]; k < 64 {
				w.agree |= 1 << k
			}
			if r.Reason != "" {
				reasons = append(reasons, r.Reason)
			}
		}
	}
	w.reason = commonest(reasons)
	return w
}

// text reads like "down: 2 of 3 vantage points (eu-central, ap-south):
// connection refused".
func (w wording) text(tables []Table) string {
	var b strings.Builder
	if w.doubt != "" {
		fmt.Fprintf(&b, "held %v: %s; measured ", w.from, w.doubt)
	}
	switch {
	case w.state == regions.Unknown && w.heard == 0:
		b.WriteString("unknown: not checked yet")
		return b.String()
	case w.heard == 0:
		fmt.Fprintf(&b, "still %v: no vantage point is heard", w.state)
		return b.String()
	case w.state == regions.Unknown:
		fmt.Fprintf(&b, "unknown: %d of %d vantage points are heard, too few or too divided to judge", w.heard, w.known)
		return b.String()
	}
	if w.kept {
		b.WriteString("still ")
	}
	fmt.Fprintf(&b, "%v: %d of %d vantage point%s", w.state, w.voices, w.heard, plural(w.heard))
	if where := w.where(tables); where != "" {
		fmt.Fprintf(&b, " (%s)", where)
	}
	if w.reason != "" {
		b.WriteString(": " + w.reason)
	}
	if silent := w.known - w.heard; silent > 0 {
		fmt.Fprintf(&b, ", %d silent", silent)
	}
	if w.kept {
		b.WriteString("; too few agree to change that")
	}
	return b.String()
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// where names the regions of those that agree on what is not well.
func (w wording) where(tables []Table) string {
	if w.state.Serves() {
		return ""
	}
	var names []string
	for k := range min(len(tables), 64) {
		if w.agree&(1<<k) == 0 {
			continue
		}
		name := string(tables[k].Region)
		if name == "" {
			name = string(tables[k].Node)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// commonest returns what is said most often; of several, the first by name.
func commonest(words []string) string {
	slices.Sort(words)
	best, most := "", 0
	for i := 0; i < len(words); {
		n := i
		for n < len(words) && words[n] == words[i] {
			n++
		}
		if n-i > most {
			best, most = words[i], n-i
		}
		i = n
	}
	return best
}
