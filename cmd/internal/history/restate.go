package history

import (
	"maps"
	"slices"
	"time"
)

// restatement is what holds, as records.
func (h *History) restatement(at time.Time) []Record {
	m := h.state
	var all []Record
	add := func(r Record) {
		r.At, r.Restated = at, true
		all = append(all, r)
	}
	if !m.Since.IsZero() {
		add(Record{Kind: Started, Subject: "process", Began: m.Since})
	}
	if m.Decided != nil {
		add(Record{Kind: Decided, Subject: "decided state", Decided: &Generation{State: m.Decided}})
	}
	for _, id := range slices.Sorted(maps.Keys(m.Verdicts)) {
		v := m.Verdicts[id]
		add(Record{Kind: Verdict, Subject: string(id), Verdict: &v})
	}
	for _, id := range slices.Sorted(maps.Keys(m.Regions)) {
		v := m.Regions[id]
		add(Record{Kind: Region, Subject: string(id), Region: id, Measured: &v})
	}
	if len(m.Latched) > 0 {
		add(Record{Kind: Latched, Subject: "latches", Latched: m.Latched})
	}
	if len(m.Waiting)+len(m.Writers) > 0 {
		add(Record{Kind: Carried, Subject: "plan", Waiting: m.Waiting, Writers: m.Writers})
	}
	if m.Glass != nil {
		add(Record{Kind: Glass, Subject: "break-glass", Glass: m.Glass})
	}
	for _, id := range slices.Sorted(maps.Keys(m.Silent)) {
		add(Record{Kind: Gap, Subject: string(id), Gap: &FeedGap{Peer: id, Silent: true}, Began: m.Silent[id]})
	}
	return all
}
