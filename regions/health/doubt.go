package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
)

// place is all that is watched in one region.
type place struct {
	sights     []*sight
	failing    bool // something is down, and nothing answers
	fall, rise span
}

// span is how long after the fact a change is noticed, at least and at most.
type span struct{ lowest, highest time.Duration }

func (s span) join(o span) span { return span{min(s.lowest, o.lowest), max(s.highest, o.highest)} }

// width is how far apart two changes can be noticed that happened at once.
func (s span) width() time.Duration { return s.highest - s.lowest }

func noticed(c regions.Check, n int) span {
	n = max(n, 1)
	return span{time.Duration(n-1) * c.Interval, time.Duration(n)*c.Interval + c.Jitter + c.Timeout}
}

// gather groups what is seen by region.
func gather(sights []sight) map[regions.ID]*place {
	places := map[regions.ID]*place{}
	for i := range sights {
		t := sights[i].target
		p := places[t.Region]
		if p == nil {
			p = &place{fall: noticed(t.Check, t.Check.Fall), rise: noticed(t.Check, t.Check.Rise)}
			places[t.Region] = p
		}
		p.sights = append(p.sights, &sights[i])
		p.fall, p.rise = p.fall.join(noticed(t.Check, t.Check.Fall)), p.rise.join(noticed(t.Check, t.Check.Rise))
	}
	for _, p := range places {
		for _, s := range p.sights {
			if s.state.Serves() {
				p.failing = false
				break
			}
			p.failing = p.failing || s.state == regions.Down
		}
	}
	return places
}

// doubts is which failures are not believed, and why.
type doubts struct {
	onsets  map[regions.ID]Onset
	windows map[regions.ID]time.Duration
	why     string // in words; empty without doubt
}

// holds reports whether what was good before a fall stays good. Whatever was
// dead long before the doubt began stays dead.
func (d doubts) holds(r regions.ID, f Fall) bool {
	o := d.onsets[r]
	return o.Held && !f.At.Before(o.At.Add(-d.windows[r]))
}

// doubt decides which of the regions that fail are believed to.
//
// A region that fails alone is believed at once. One that fails while another
// has just done so is not, unless vantage points of two healthy regions saw
// it. And if the two failed so close together that the order is chance, the
// first is not believed any longer either.
func (j *Judgement) doubt(places map[regions.ID]*place, s Scene, now time.Time) doubts {
	d := doubts{onsets: map[regions.ID]Onset{}, windows: map[regions.ID]time.Duration{}}
	for id, p := range places {
		if !p.failing {
			continue
		}
		o, known := j.Memory.Onsets[id]
		if !known {
			o = Onset{At: now}
		}
		d.onsets[id] = o
	}
	var held []regions.ID
	for id, o := range d.onsets {
		p := places[id]
		partners, later := d.partners(id, places, s.window())
		d.windows[id] = max(s.window(), p.fall.width())
		switch {
		case len(partners) > 0 && p.witnessed(s.Tables, d.onsets) < 2:
			if later && !o.Held {
				break // believed before the others failed
			}
			o.Held = true
			widest := p.rise
			for _, other := range partners {
				widest = widest.join(places[other].rise)
			}
			o.Release = now.Add(widest.width())
		case len(partners) > 0:
			o.Held = false
		case o.Held && !now.Before(o.Release):
			// The others have long answered again, this one has not: it was
			// not blindness, or is not any more.
			o.Held = false
		}
		d.onsets[id] = o
		if o.Held {
			held = append(held, id)
		}
	}
	if len(held) > 0 {
		d.why = whyDoubt(held, d.onsets, places, s.Tables)
	}
	return d
}

func (s Scene) window() time.Duration {
	if s.Window > 0 {
		return s.Window
	}
	return DefaultWindow
}

// partners returns the regions that began to fail at once with this one, and
// whether this one was first by more than chance.
func (d doubts) partners(id regions.ID, places map[regions.ID]*place, window time.Duration) (with []regions.ID, first bool) {
	first = true
	for other, o := range d.onsets {
		if other == id {
			continue
		}
		chance := places[id].fall.join(places[other].fall).width()
		after := o.At.Sub(d.onsets[id].At) // how much later the other failed
		if after.Abs() > max(window, chance) {
			continue
		}
		with = append(with, other)
		first = first && after > chance
	}
	return with, first
}

// witnessed counts the regions that do not fail themselves and in which a
// vantage point saw something of the place down.
func (p *place) witnessed(tables []Table, failing map[regions.ID]Onset) int {
	var saw uint64
	for _, s := range p.sights {
		saw |= s.witnesses
	}
	from := map[regions.ID]bool{}
	for k := range tables {
		if _, fails := failing[tables[k].Region]; k < 64 && saw&(1<<k) != 0 && !fails {
			from[tables[k].Region] = true
		}
	}
	return len(from)
}

func whyDoubt(held []regions.ID, failing map[regions.ID]Onset, places map[regions.ID]*place, tables []Table) string {
	from := map[regions.ID]bool{}
	for _, id := range held {
		for _, s := range places[id].sights {
			for k := range tables {
				if k < 64 && s.witnesses&(1<<k) != 0 {
					from[tables[k].Region] = true
				}
			}
		}
	}
	all := slices.Sorted(maps.Keys(failing))
	seen := "seen by nobody now"
	if len(from) > 0 {
		seen = "seen only from " + list(slices.Sorted(maps.Keys(from)))
	}
	return fmt.Sprintf("nothing in %s answers, %s, so we may be blind", list(all), seen)
}

// list writes names as people do: "a", "a and b", "a, b and c".
func list[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
	return strings.Join(texts, "")
}
