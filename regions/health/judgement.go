package health

import (
	"maps"
	"slices"
	"time"

	"fairlead/regions"
)

// DefaultWindow is how close together two regions must fail for it to be "at
// once".
const DefaultWindow = 10 * time.Second

// Scene is what a judgement is made from.
type Scene struct {
	Targets []regions.Target
	// Tables holds one table for each node that is expected to report, also
	// those that are silent or were never heard. At most 64 count as witnesses.
	Tables []Table
	Window time.Duration // 0 means DefaultWindow
}

// Judgement is what a node believes of everything, and what it must remember
// to judge again. Treat it as immutable. The zero Judgement has seen nothing.
type Judgement struct {
	Began    time.Time // when the first judgement of this history was made
	Verdicts map[regions.TargetID]regions.Verdict
	Regions  map[regions.ID]regions.RegionVerdict
	Alarms   []regions.Alarm // sorted by ID
	Memory   Memory

	words map[regions.TargetID]wording // what the texts were made of
}

// Memory is what a judgement must know of earlier ones besides the verdicts
// themselves.
type Memory struct {
	Falls  map[regions.TargetID]Fall `json:"falls,omitempty"`  // of what is measured down
	Onsets map[regions.ID]Onset      `json:"onsets,omitempty"` // of regions where nothing answers
}

// Fall is a target's way down.
type Fall struct {
	At   time.Time     `json:"at"`
	From regions.State `json:"from"` // what was steered by before
}

// Onset is the moment from which nothing in a region answered.
type Onset struct {
	At      time.Time `json:"at"`
	Held    bool      `json:"held"`             // in doubt: what was good stays good
	Release time.Time `json:"release,omitzero"` // until when the doubt outlasts its cause
}

// sight is what the vantage points say of one target.
type sight struct {
	target    *regions.Target
	state     regions.State // the quorum's
	fall      Fall
	witnesses uint64 // tables, by index, that say down
	reports   []Report
	tables    []int // whose reports they are
	heard     int
}

// Next judges everything again. It is a pure step: from what was believed
// before, the vantage points' tables and the time.
func (j Judgement) Next(s Scene, now time.Time) Judgement {
	next := Judgement{
		Began:    j.Began,
		Verdicts: make(map[regions.TargetID]regions.Verdict, len(s.Targets)),
		Memory:   Memory{Falls: map[regions.TargetID]Fall{}},
		words:    make(map[regions.TargetID]wording, len(s.Targets)),
	}
	if next.Began.IsZero() {
		next.Began = now
	}
	sights := j.look(s, now)
	places := gather(sights)
	doubts := j.doubt(places, s, now)
	next.Memory.Onsets = doubts.onsets
	for i := range sights {
		si := &sights[i]
		v, w := j.verdict(si, s.Tables, doubts, now)
		next.Verdicts[si.target.ID], next.words[si.target.ID] = v, w
		if si.state == regions.Down {
			next.Memory.Falls[si.target.ID] = si.fall
		}
	}
	next.Regions = j.judgeRegions(places, next.Verdicts, doubts, now)
	next.Alarms = j.alarms(&next, s, sights, doubts, now)
	return next
}

// look hears all vantage points on all targets.
func (j *Judgement) look(s Scene, now time.Time) []sight {
	silent := make([]bool, len(s.Tables))
	for i := range s.Tables {
		silent[i] = s.Tables[i].Silent(now)
	}
	sights := make([]sight, len(s.Targets))
	reports := make([]Report, 0, len(s.Targets)*len(s.Tables))
	indexes := make([]int, 0, len(s.Targets)*len(s.Tables))
	for i := range s.Targets {
		t := &s.Targets[i]
		si := &sights[i]
		si.target = t
		hash, from := t.ID.Hash(), len(reports)
		for k := range s.Tables {
			table := &s.Tables[k]
			r, watches := table.Reports[hash]
			if !watches && !table.Heard.IsZero() {
				continue // it does not check this target: no voice, not a silent one
			}
			r = table.fresh(r, t.Check, silent[k], now)
			if r.State != regions.Unknown {
				si.heard++
			}
			if r.State == regions.Down && k < 64 {
				si.witnesses |= 1 << k
			}
			reports, indexes = append(reports, r), append(indexes, k)
		}
		si.reports, si.tables = reports[from:len(reports):len(reports)], indexes[from:len(indexes):len(indexes)]
		before := j.Verdicts[t.ID]
		si.state = Quorum(si.reports, t.Quorum, before.Measured)
		if si.state == regions.Down {
			si.fall = Fall{At: now, From: before.Effective}
			if f, known := j.Memory.Falls[t.ID]; known && before.Measured == regions.Down {
				si.fall = f
			}
		}
	}
	return sights
}

// verdict puts one target's verdict together.
func (j *Judgement) verdict(si *sight, tables []Table, d doubts, now time.Time) (regions.Verdict, wording) {
	t, before := si.target, j.Verdicts[si.target.ID]
	v := regions.Verdict{Target: t.ID, Region: t.Region, Measured: si.state, Effective: si.state, Since: before.Since}
	if v.Measured != before.Measured || v.Since.IsZero() {
		v.Since = now
	}
	v.Horizon = time.Duration(max(t.Check.Fall, 1)) * t.Check.Interval
	if v.Measured == regions.Down {
		v.Horizon = time.Duration(max(t.Check.Rise, 1)) * t.Check.Interval
	}
	held := v.Measured == regions.Down && d.holds(t.Region, si.fall)
	if held {
		v.Effective = si.fall.From
	}
	w := si.wording(tables, v, held, d.why)
	if old, ok := j.words[t.ID]; ok && old == w {
		v.Because = before.Because
	} else {
		v.Because = w.text(tables)
	}
	v.Voices = make([]regions.Voice, len(si.reports))
	latencies := make([]time.Duration, 0, 8)
	for i, r := range si.reports {
		table := &tables[si.tables[i]]
		v.Voices[i] = regions.Voice{Node: table.Node, Region: table.Region, State: r.State, Because: r.Reason, Latency: r.Latency}
		if !table.Heard.IsZero() {
			v.Voices[i].Age = now.Sub(r.Last)
		}
		if r.State.Serves() && r.Latency > 0 {
			latencies = append(latencies, r.Latency)
		}
	}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		v.Latency = latencies[len(latencies)/2]
	}
	return v, w
}

// Same reports whether two judgements say the same to steering and to people;
// ages and latencies aside, which always move.
func (j *Judgement) Same(o *Judgement) bool {
	return maps.EqualFunc(j.Verdicts, o.Verdicts, func(a, b regions.Verdict) bool {
		return a.Measured == b.Measured && a.Effective == b.Effective && a.Because == b.Because
	}) && maps.Equal(j.Regions, o.Regions) && slices.Equal(j.Alarms, o.Alarms)
}
