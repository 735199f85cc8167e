package judge

import (
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
	"fairlead/regions/steer"
)

// View is everything that a node believes at one moment. It is immutable.
type View struct {
	At       time.Time        // when it was judged; zero before the first time
	Decided  *regions.Decided // nil as long as none is known
	Verdicts map[regions.TargetID]regions.Verdict
	Regions  map[regions.ID]regions.RegionVerdict
	// Epochs holds the newest epoch of each database, from the decided state
	// or from the feed, whichever is later.
	Epochs map[regions.DatabaseID]regions.SignedEpoch
	World  steer.World // what the plan was made from
	Plan   steer.Plan
	Alarms []regions.Alarm // the plan's
	// Changed are the names whose answers differ from the view before.
	Changed []regions.Name
	Peers   []Peer // other nodes, by name

	memory health.Memory
}

// Peer is another node as it was last heard.
type Peer struct {
	Node   regions.NodeID
	Region regions.ID
	Heard  time.Time // zero if never
	Silent bool
}

// Age returns how long ago the peer was heard; false if it never was.
func (p Peer) Age(now time.Time) (time.Duration, bool) {
	return now.Sub(p.Heard), !p.Heard.IsZero()
}

func peers(tables []health.Table, self regions.NodeID, now time.Time) []Peer {
	var all []Peer
	for i := range tables {
		if t := &tables[i]; t.Node != self {
			all = append(all, Peer{t.Node, t.Region, t.Heard, t.Silent(now)})
		}
	}
	return all
}

// Memory is what a node should remember when it starts again: what it last
// believed, until its eyes are open, and which regions it had taken out, since
// only a person lets those back. It survives JSON.
type Memory struct {
	Verdicts map[regions.TargetID]Remembered      `json:"verdicts,omitempty"`
	Regions  map[regions.ID]regions.RegionVerdict `json:"regions,omitempty"`
	Health   health.Memory                        `json:"health,omitzero"`
	Latched  map[regions.ID]steer.Latch           `json:"latched,omitempty"`
	Waiting  map[regions.TargetID]bool            `json:"waiting,omitempty"`
	Views    []steer.RegionView                   `json:"views,omitempty"`
	Writers  map[regions.DatabaseID]regions.Epoch `json:"writers,omitempty"`
}

// Remembered is the lasting part of a verdict.
type Remembered struct {
	Region    regions.ID    `json:"region"`
	Measured  regions.State `json:"measured"`
	Effective regions.State `json:"effective"`
	Because   string        `json:"because"`
	Since     time.Time     `json:"since"`
}

// Memory returns what the next run should be handed.
func (v *View) Memory() Memory {
	m := Memory{Regions: v.Regions, Health: v.memory, Latched: v.Plan.Latched, Waiting: v.Plan.Waiting, Views: v.Plan.Regions, Writers: v.Plan.Writers,
		Verdicts: make(map[regions.TargetID]Remembered, len(v.Verdicts))}
	for id, x := range v.Verdicts {
		m.Verdicts[id] = Remembered{x.Region, x.Measured, x.Effective, x.Because, x.Since}
	}
	return m
}

func (m Memory) judgement() health.Judgement {
	j := health.Judgement{Regions: m.Regions, Memory: m.Health, Verdicts: make(map[regions.TargetID]regions.Verdict, len(m.Verdicts))}
	for id, r := range m.Verdicts {
		j.Verdicts[id] = regions.Verdict{Target: id, Region: r.Region, Measured: r.Measured, Effective: r.Effective, Because: r.Because, Since: r.Since}
	}
	return j
}

func (m Memory) plan() steer.Plan {
	return steer.Plan{Latched: m.Latched, Waiting: m.Waiting, Regions: m.Views, Writers: m.Writers}
}
