package history

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// Moment is what this node knew at one instant: all that a decision then
// depended on.
type Moment struct {
	At       time.Time // of the last record before the instant
	Position Position  // of it
	Since    time.Time // when the process that knew this began
	Verdicts map[regions.TargetID]regions.Verdict
	Regions  map[regions.ID]steer.RegionVerdict
	Latched  map[regions.ID]steer.Latch
	Waiting  map[regions.TargetID]bool            // see [steer.Plan]
	Writers  map[regions.DatabaseID]regions.Epoch // likewise
	Silent   map[regions.NodeID]time.Time         // peers whose feed was silent, since when
	Glass    *regions.BreakGlass                  // what was ordered past the store; nil: nothing
	Decided  *regions.Decided                     // nil if none had been seen
	hash     string                               // of Decided
}

func newMoment() *Moment {
	m := &Moment{}
	m.forget()
	return m
}

// forget is what the start of a process does.
func (m *Moment) forget() {
	m.Verdicts = map[regions.TargetID]regions.Verdict{}
	m.Regions = map[regions.ID]steer.RegionVerdict{}
	m.Latched = map[regions.ID]steer.Latch{}
	m.Waiting, m.Writers, m.Glass = nil, nil, nil
	m.Silent = map[regions.NodeID]time.Time{}
}

// World returns the moment as a decision saw it.
func (m *Moment) World() steer.World {
	w := steer.World{Verdicts: m.Verdicts, Regions: m.Regions, BreakGlass: m.Glass, Writers: map[regions.DatabaseID]regions.Epoch{}}
	if d := m.Decided; d != nil {
		w.Incarnation, w.Generation, w.Fleet = d.Incarnation, d.Generation, d.Fleet
		w.Overrides, w.Restored, w.Freeze = d.Overrides, d.Restored, d.Freeze
		for db, e := range d.Writers {
			w.Writers[db] = e.Epoch
		}
	}
	return w
}

// Plan returns the plan that was made at the moment, as far as deciding again
// needs it: with it, [steer.Decide] answers [Moment.World] as it did then.
func (m *Moment) Plan() steer.Plan {
	p := steer.Plan{Latched: m.Latched, Waiting: m.Waiting, Writers: m.Writers}
	for _, id := range slices.Sorted(maps.Keys(m.Regions)) {
		p.Regions = append(p.Regions, steer.RegionView{Region: id, Measured: m.Regions[id].State})
	}
	return p
}

// fold adds a record. Blobs maps the hashes of decided states that were
// stored to where they were.
func (m *Moment) fold(r Record, blobs map[string]*Generation) error {
	m.At, m.Position = r.At, r.Position
	began := r.At
	if !r.Began.IsZero() {
		began = r.Began
	}
	switch {
	case r.Kind == Started:
		if !r.Restated {
			m.forget()
		}
		m.Since = began
	case r.Kind == Verdict && r.Verdict != nil:
		m.Verdicts[r.Verdict.Target] = *r.Verdict
	case r.Kind == Region && r.Measured != nil:
		m.Regions[r.Region] = *r.Measured
	case r.Kind == Latched:
		m.Latched = maps.Clone(r.Latched)
		if m.Latched == nil {
			m.Latched = map[regions.ID]steer.Latch{}
		}
	case r.Kind == Carried:
		m.Waiting, m.Writers = r.Waiting, r.Writers
	case r.Kind == Glass:
		m.Glass = r.Glass
	case r.Kind == Gap && r.Gap != nil && r.Gap.Silent:
		m.Silent[r.Gap.Peer] = began
	case r.Kind == Gap && r.Gap != nil:
		delete(m.Silent, r.Gap.Peer)
	case r.Kind == Decided && r.Decided != nil:
		return m.foldDecided(r, blobs)
	}
	return nil
}

func (m *Moment) foldDecided(r Record, blobs map[string]*Generation) error {
	g := r.Decided
	if g.Blob != nil {
		blobs[g.Hash] = g
	}
	stored, ok := blobs[g.Hash]
	if !ok {
		return fmt.Errorf("record %d refers to a decided state that is not stored", r.Position)
	}
	if stored.State == nil {
		state, err := stored.unpack()
		if err != nil {
			return fmt.Errorf("record %d: the decided state: %w", r.Position, err)
		}
		stored.State = state
	}
	m.Decided, m.hash = stored.State, g.Hash
	return nil
}

// At returns what this node knew at an instant. It fails with
// [fault.NotFound] if the history does not reach back so far.
func (h *History) At(t time.Time) (*Moment, error) {
	segments := h.list()
	i := len(segments) - 1
	for i >= 0 && (segments[i].began.After(t) || segments[i].began.IsZero()) {
		i--
	}
	if i < 0 {
		subject := "what was known at " + t.UTC().Format("2006-01-02 15:04:05Z")
		if horizon := h.Horizon(); !horizon.IsZero() {
			return nil, fault.NotFoundf(subject, "this node remembers back to %s", horizon.Format("2006-01-02 15:04:05Z")).
				Do("ask for a later instant, or another node")
		}
		return nil, fault.NotFoundf(subject, "this node remembers nothing yet").Do("ask another node")
	}
	m, blobs := newMoment(), map[string]*Generation{}
	var bad error
	_, err := read(segments[i].path, segments[i].size, func(payload []byte) bool {
		r, err := decode(payload)
		if err == nil && r.At.After(t) {
			return false
		}
		if err == nil {
			err = m.fold(r, blobs)
		}
		bad = err
		return err == nil
	})
	if bad != nil {
		err = bad
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "history", "%s cannot be read", segments[i].path).Because(err).Do("ask another node")
	}
	return m, nil
}

// Horizon is the instant back to which the history reaches; zero if it is
// empty.
func (h *History) Horizon() time.Time {
	if s := h.list(); len(s) > 0 {
		return s[0].began
	}
	return time.Time{}
}
