package sim_test

import (
	"maps"
	"slices"
	"time"

	"fairlead/cmd/internal/sim"
	"fairlead/cmd/internal/store"
	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/health"
	"fairlead/regions/steer"
	"fairlead/runbooks"
)

// mutant is a core with one mistake in it, of the kind that somebody makes on
// an ordinary afternoon.
type mutant struct {
	core, mistake string
	breaks        string // a promise that it breaks, by some of its words
	make          func(c *sim.Cores)
}

var mutants = []mutant{
	{"Detector", "gives up one failure too early", "often enough in a row", func(c *sim.Cores) {
		c.Detector = func(rise, fall int) sim.Detector { return health.NewDetector(rise, fall-1) }
	}},
	{"Detector", "never gives up", "often enough in a row", func(c *sim.Cores) {
		c.Detector = func(rise, _ int) sim.Detector { return health.NewDetector(rise, 1<<30) }
	}},
	{"Detector", "comes back with the first success", "often enough in a row", func(c *sim.Cores) {
		c.Detector = func(_, fall int) sim.Detector { return health.NewDetector(1, fall) }
	}},

	{"Quorum", "counts silence as failure", "missing reports are not bad reports", func(c *sim.Cores) { c.Judge = silenceIsFailure }},
	{"Quorum", "believes a single voice", "a verdict changes only when enough vantage points agree", func(c *sim.Cores) {
		c.Judge = withTargets(func(t *regions.Target) { t.Quorum = 1 })
	}},
	{"Quorum", "wants everybody to agree", "what enough vantage points agree on", func(c *sim.Cores) {
		c.Judge = withTargets(func(t *regions.Target) { t.Quorum = 99 })
	}},
	{"Judgement", "never doubts itself", "two regions vanish at once", func(c *sim.Cores) { c.Judge = neverDoubts }},

	{"Decide", "plans nothing where nothing serves", "never empty", func(c *sim.Cores) { c.Decide = emptyWhenAllDown }},
	{"Decide", "keeps to the first epoch it saw", "newest epoch", func(c *sim.Cores) { c.Decide = firstEpoch }},
	{"Decide", "takes any epoch, also an older one", "newest epoch", func(c *sim.Cores) { c.Decide = anyEpoch }},
	{"Decide", "ignores health", "nothing that is out is answered", func(c *sim.Cores) { c.Decide = ignoresHealth }},
	{"Decide", "throws dice", "answer the same", func(c *sim.Cores) { c.Decide = throwsDice() }},

	{"Decide", "lets a region back that nobody has restored", "returns when a person says so", func(c *sim.Cores) { c.Decide = forgetsLatches }},
	{"Decide", "never lets a region back", "everything is as it should be", func(c *sim.Cores) { c.Decide = neverRestores }},
	{"Decide", "does not mind a freeze", "while it is frozen", func(c *sim.Cores) { c.Decide = mindsNoFreeze }},
	{"Decide", "answers where it should fail closed", "fails closed", func(c *sim.Cores) { c.Decide = neverFailsClosed }},
	{"Judgement", "doubts and does not say so", "says so", func(c *sim.Cores) { c.Judge = saysNothing }},

	{"Compile", "loses a name", "never empty", func(c *sim.Cores) {
		c.Compile = func(z []*zone.Zone, p steer.Plan) (*dns.Snapshot, error) { return dns.Compile(z, withoutLast(p)) }
		c.With = func(s *dns.Snapshot, p steer.Plan) (*dns.Snapshot, error) { return s.With(withoutLast(p)) }
	}},
	{"Compile", "misses the last name that changed", "what is planned is what is answered", func(c *sim.Cores) { c.With = missesLast() }},

	{"Execution", "forgets what was intended", "looks before it acts", func(c *sim.Cores) { c.Fold = folding(forgetsIntents) }},
	{"Execution", "acts again without looking", "looks before it acts", func(c *sim.Cores) { c.Manner.Blind = true }},
	{"Execution", "takes a fence that failed for one that holds", "no promotion without a proved fence", func(c *sim.Cores) { c.Fold = folding(believesFences) }},
	{"Execution", "is acted on before the intent is written", "no act without a prior intent", func(c *sim.Cores) { c.Manner.ActsFirst = true }},
	{"Execution", "never comes to an end", "everything is as it should be", func(c *sim.Cores) { c.Fold = endless }},
	{"Execution", "takes a fence that failed for one that holds, and nobody asks for it again", "one writer", func(c *sim.Cores) {
		c.Fold, c.Manner.Careless = folding(believesFences), true
	}},
	{"Agent", "carries out a fence that was taken back", "what comes late is refused", func(c *sim.Cores) { c.Manner.LateFences = true }},
	{"Provider", "takes a writer that writes for one that nobody will fence", "what comes late is refused", func(c *sim.Cores) { c.Manner.Hopeful = true }},
	{"Journal", "takes an event made for another position", "has seen all before it", func(c *sim.Cores) {
		c.Append = func(_, _ runbooks.Position) error { return nil }
	}},

	{"Decided", "takes an older generation", "generations never go backwards", func(c *sim.Cores) {
		c.Newer = func(d, known *regions.Decided) bool { return d != nil && d != known }
	}},
	{"Overrides", "let a machine take a second region out", "nothing automatic drains a second region", func(c *sim.Cores) { c.Admit = admitsMachines }},
}

func silenceIsFailure(j health.Judgement, s health.Scene, now time.Time) health.Judgement {
	s.Tables = slices.Clone(s.Tables)
	for i := range s.Tables {
		if t := &s.Tables[i]; t.Silent(now) {
			t.Heard, t.Reports = now, maps.Clone(t.Reports)
			if t.Reports == nil {
				t.Reports = map[uint64]health.Report{}
			}
			for _, target := range s.Targets {
				t.Reports[target.ID.Hash()] = health.Report{State: regions.Down, Reason: "silent", Last: now}
			}
		}
	}
	return j.Next(s, now)
}

func withTargets(change func(*regions.Target)) func(health.Judgement, health.Scene, time.Time) health.Judgement {
	return func(j health.Judgement, s health.Scene, now time.Time) health.Judgement {
		s.Targets = slices.Clone(s.Targets)
		for i := range s.Targets {
			change(&s.Targets[i])
		}
		return j.Next(s, now)
	}
}

func neverDoubts(j health.Judgement, s health.Scene, now time.Time) health.Judgement {
	next := j.Next(s, now)
	for id, v := range next.Verdicts {
		v.Effective = v.Measured
		next.Verdicts[id] = v
	}
	return next
}

// remade is a plan whose names are changed by f. It shares nothing with the
// plan that it was made from.
func remade(p steer.Plan, f func(*steer.Steered)) steer.Plan {
	p.Names = slices.Clone(p.Names)
	for i := range p.Names {
		f(&p.Names[i])
	}
	return p
}

func emptyWhenAllDown(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	return remade(steer.Decide(before, w, now), func(n *steer.Steered) {
		if slices.ContainsFunc(n.Standing, func(st steer.Standing) bool { return st.In }) {
			return
		}
		n.Sets, n.Cells = nil, slices.Clone(n.Cells)
		for i := range n.Cells {
			n.Cells[i].Thresholds = nil
		}
	})
}

func firstEpoch(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	if len(before.Writers) > 0 {
		w.Writers = before.Writers
	}
	return steer.Decide(before, w, now)
}

func anyEpoch(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	before.Writers = nil
	// What a node is told may be of any age: half of the time it is what it
	// began with.
	if w.Generation%2 == 0 {
		w.Writers = nil
	}
	return steer.Decide(before, w, now)
}

func ignoresHealth(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	verdicts := map[regions.TargetID]regions.Verdict{}
	for id, v := range w.Verdicts {
		v.Measured, v.Effective, v.Because = regions.Up, regions.Up, "up, surely"
		verdicts[id] = v
	}
	w.Verdicts = verdicts
	return steer.Decide(before, w, now)
}

// throwsDice answers with one set or another as it likes.
func throwsDice() func(steer.Plan, steer.World, time.Time) steer.Plan {
	thrown := 0
	return func(before steer.Plan, w steer.World, now time.Time) steer.Plan {
		thrown++
		return remade(steer.Decide(before, w, now), func(n *steer.Steered) {
			if len(n.Sets) > 1 {
				n.Cells = slices.Clone(n.Cells)
				n.Cells[0].Thresholds = []steer.Threshold{{Below: steer.Buckets, Set: thrown % len(n.Sets)}}
			}
		})
	}
}

func forgetsLatches(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	before.Latched = nil
	return steer.Decide(before, w, now)
}

func neverRestores(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	w.Restored = nil
	return steer.Decide(before, w, now)
}

// mindsNoFreeze decides as if nothing were frozen, and says that it is.
func mindsNoFreeze(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	frozen := w.Freeze
	w.Freeze = nil
	p := steer.Decide(before, w, now)
	p.Freeze = frozen
	return p
}

func neverFailsClosed(before steer.Plan, w steer.World, now time.Time) steer.Plan {
	f := *w.Fleet
	f.Services = slices.Clone(f.Services)
	for i := range f.Services {
		f.Services[i].Policy.Panic = regions.AnswerAll
	}
	w.Fleet = &f
	return steer.Decide(before, w, now)
}

func saysNothing(j health.Judgement, s health.Scene, now time.Time) health.Judgement {
	next := j.Next(s, now)
	next.Alarms = slices.DeleteFunc(next.Alarms, func(a regions.Alarm) bool { return a.ID == "blind" })
	return next
}

// tireless is an execution that goes on for ever.
type tireless struct{ *runbooks.Execution }

func (t tireless) Next(now time.Time) []runbooks.Command {
	return slices.DeleteFunc(t.Execution.Next(now), func(c runbooks.Command) bool {
		_, stop := c.(runbooks.Stop)
		return stop
	})
}

func endless(id runbooks.ExecutionID, events []runbooks.Event) (sim.Execution, error) {
	x, err := runbooks.Fold(id, events)
	return tireless{x}, err
}

func withoutLast(p steer.Plan) steer.Plan {
	p.Names = p.Names[:max(len(p.Names)-1, 0)]
	return p
}

// missesLast compiles all names that changed but the last.
func missesLast() func(*dns.Snapshot, steer.Plan) (*dns.Snapshot, error) {
	return func(s *dns.Snapshot, p steer.Plan) (*dns.Snapshot, error) {
		after, err := s.With(p)
		if err != nil {
			return nil, err
		}
		changed := after.Changed(s)
		if len(changed) == 0 {
			return after, nil
		}
		return after.Holding(s, map[regions.Name]string{changed[len(changed)-1]: "forgotten"}), nil
	}
}

// misread is an execution that is folded from another journal than the one
// that lies in the store.
type misread struct {
	*runbooks.Execution
	at   runbooks.Position
	read func(events []runbooks.Event) []runbooks.Event
}

func (m *misread) Position() runbooks.Position { return m.at }

func (m *misread) Apply(ev runbooks.Event) error {
	for _, ev := range m.read([]runbooks.Event{ev}) {
		if err := m.Execution.Apply(ev); err != nil {
			return err
		}
	}
	m.at++
	return nil
}

func folding(mutate func(events []runbooks.Event) (fold, later func([]runbooks.Event) []runbooks.Event)) func(runbooks.ExecutionID, []runbooks.Event) (sim.Execution, error) {
	return func(id runbooks.ExecutionID, events []runbooks.Event) (sim.Execution, error) {
		fold, later := mutate(events)
		x, err := runbooks.Fold(id, fold(slices.Clone(events)))
		return &misread{x, runbooks.Position(len(events)), later}, err
	}
}

// forgetsIntents drops an intent that nothing has followed yet.
func forgetsIntents([]runbooks.Event) (fold, later func([]runbooks.Event) []runbooks.Event) {
	same := func(events []runbooks.Event) []runbooks.Event { return events }
	return func(events []runbooks.Event) []runbooks.Event {
		if n := len(events); n > 0 && events[n-1].Kind == runbooks.Intended {
			return events[:n-1]
		}
		return events
	}, same
}

// believesFences reads any outcome of a fence as a success.
func believesFences([]runbooks.Event) (fold, later func([]runbooks.Event) []runbooks.Event) {
	read := func(events []runbooks.Event) []runbooks.Event {
		for i := range events {
			if ev := &events[i]; ev.Kind == runbooks.Finished && ev.Step == "fence" && !ev.Compensating {
				ev.Outcome = runbooks.Succeeded
				if len(ev.Values) == 0 {
					ev.Values = map[string]string{"fence": "fenced", "lsn": "0"}
				}
			}
		}
		return events
	}
	return read, read
}

func admitsMachines(d *regions.Decided, o regions.Override, s store.Safety) (*regions.Decided, error) {
	person, err := regions.NewDrain(o.ID(), o.Scope(), "anna", o.Why(), o.From(), o.Until())
	if err != nil || !o.IsDrain() {
		return store.ForeseeOverride(d, o, s)
	}
	s.Force = true
	return store.ForeseeOverride(d, person, s)
}
