package sim

import (
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/health"
	"fairlead/regions/steer"
	"fairlead/runbooks"
)

// Cores is everything that decides something, as function values, so that a
// test can put a broken one in a sound one's place.
type Cores struct {
	Detector func(rise, fall int) Detector
	Judge    func(before health.Judgement, s health.Scene, now time.Time) health.Judgement
	Decide   func(before steer.Plan, w steer.World, now time.Time) steer.Plan
	Compile  func(zones []*zone.Zone, p steer.Plan) (*dns.Snapshot, error)
	With     func(before *dns.Snapshot, p steer.Plan) (*dns.Snapshot, error)
	// Newer says whether a decided state may take another's place on a node.
	Newer func(d, known *regions.Decided) bool
	// Fold makes a run of its journal, for engines, people and the store alike.
	Fold func(id runbooks.ExecutionID, events []runbooks.Event) (Execution, error)
	// Admit puts an override in force, or says why not.
	Admit func(d *regions.Decided, o regions.Override, s store.Safety) (*regions.Decided, error)
	// Append says why a journal that stands at one position does not take an
	// event that was made for another.
	Append func(stands, made runbooks.Position) error
	Manner Manner
}

// Manner is what those owe who are only played here, as mistakes that a test
// can have them make. None is made by the shipped ones.
type Manner struct {
	ActsFirst  bool // an engine acts, and writes down the intent afterwards
	Blind      bool // an engine acts again after a crash without looking
	LateFences bool // an agent carries out a fence that its run has taken back
	Hopeful    bool // a provider takes a writer that writes for one that nobody will fence
	Careless   bool // a provider promotes without asking for the fence once more
}

// Detector is what a node needs of [health.Detector].
type Detector interface {
	Observe(health.Observation) health.Report
	Report() health.Report
}

// Execution is what engines, people and the store need of
// [runbooks.Execution].
type Execution interface {
	Apply(runbooks.Event) error
	Can(runbooks.Event) error
	Next(now time.Time) []runbooks.Command
	InFlight() []runbooks.Flight
	Rebase(now time.Time)
	ID() runbooks.ExecutionID
	Position() runbooks.Position
	Start() *runbooks.Start
	Epoch() regions.Epoch
	Changes(runbooks.StepID) bool
	StartedBy() string
	Reason() string
	Approvers() []string
	Allowed() []runbooks.Operation
	State() runbooks.RunState
	Sentence() string
	Propose(runbooks.Ask, time.Time) (runbooks.Event, error)
	Ended() (runbooks.Outcome, time.Time, bool)
}

// Shipped returns the cores as they are shipped.
func Shipped() Cores {
	return Cores{
		Detector: func(rise, fall int) Detector { return health.NewDetector(rise, fall) },
		Judge: func(before health.Judgement, s health.Scene, now time.Time) health.Judgement {
			return before.Next(s, now)
		},
		Decide:  steer.Decide,
		Compile: func(zones []*zone.Zone, p steer.Plan) (*dns.Snapshot, error) { return dns.Compile(zones, p) },
		With:    (*dns.Snapshot).With,
		Newer:   (*regions.Decided).Newer,
		Fold: func(id runbooks.ExecutionID, events []runbooks.Event) (Execution, error) {
			return runbooks.Fold(id, events)
		},
		Admit: store.ForeseeOverride,
		Append: func(stands, made runbooks.Position) error {
			if stands != made {
				return fault.Conflictf("run", "stands at %d, not at %d", stands, made)
			}
			return nil
		},
	}
}
