package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"fairlead/dns/zone"
	"fairlead/regions"
)

// began is when every history begins. No clock is read.
var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bound is how long after the last fault has ended everything may take to be
// as it should: people included, who look around every second.
const bound = 60 * time.Second

// Broken is a promise that was not kept.
type Broken struct {
	Promise string
	How     string
	At      time.Duration
}

// Report is how a history went.
type Report struct {
	Seed   uint64
	Broken *Broken // nil: every promise was kept
	Lines  []string
	Figures
}

// Figures count what happened, so that a test can demand that something did.
type Figures struct {
	Events, Judgements, Answers             int
	Faults, Crashes, Freezes                int
	Runs, Promotions, Interruptions, Undone int
	TwoLeaders, Lies, LateDecisions         int
	Converged                               time.Duration // after the last fault ended
}

// String is the history as people read it, one line for each thing that
// happened, the broken promise last.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n", r.Seed)
	for _, l := range r.Lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	if r.Broken != nil {
		fmt.Fprintf(&b, "%s  BROKEN  %s: %s\n", stamp(r.Broken.At), r.Broken.Promise, r.Broken.How)
	}
	return b.String()
}

func stamp(d time.Duration) string { return fmt.Sprintf("%9.3f", d.Seconds()) }

// simulation is one history while it is played.
type simulation struct {
	cores  Cores
	dice   *rand.Rand
	agenda agenda
	now    time.Duration
	calm   time.Duration // when the last fault has ended

	fleet  *regions.Fleet // the first; people change it
	zones  []*zone.Zone
	asked  map[regions.Name]question
	net    network
	nodes  []*node
	store  *cluster
	pair   *pair
	people *people
	truth  truth
	watch  *watch

	told    bool   // whether lines are kept
	only    string // the promise that is minded; all if empty
	lines   []string
	figures Figures
	broken  *Broken
	over    bool
}

// Play plays the history of a seed. With told it keeps the lines, which costs
// as much again as the history itself. With only, it minds no other promise
// than the one whose words contain that.
func Play(seed uint64, cores Cores, told bool, only string) Report {
	s := &simulation{cores: cores, dice: rand.New(rand.NewPCG(seed, 0x5eed)), told: told, only: only}
	s.build()
	for s.broken == nil && !s.over {
		e, ok := s.agenda.next()
		if !ok {
			break
		}
		s.now = e.at
		s.figures.Events++
		e.do()
		s.watch.after()
	}
	for _, h := range s.hosts() {
		h.die()
	}
	return Report{Seed: seed, Broken: s.broken, Lines: s.lines, Figures: s.figures}
}

func (s *simulation) after(d time.Duration, do func()) { s.agenda.add(s.now+d, do) }

// tell keeps a line.
func (s *simulation) tell(who, format string, args ...any) {
	if s.told {
		s.lines = append(s.lines, fmt.Sprintf("%s  %-8s %s", stamp(s.now), who, fmt.Sprintf(format, args...)))
	}
}

// breaks notes the first promise that was not kept; the history ends there.
func (s *simulation) breaks(promise, format string, args ...any) {
	if s.broken == nil && strings.Contains(promise, s.only) {
		s.broken = &Broken{promise, fmt.Sprintf(format, args...), s.now}
	}
}

func (s *simulation) hosts() []*host {
	var all []*host
	for _, n := range s.nodes {
		all = append(all, &n.host)
	}
	if s.pair != nil {
		for _, m := range s.pair.members {
			all = append(all, &m.host)
		}
	}
	return all
}

// Dice.

func (s *simulation) below(n int) int { return s.dice.IntN(n) }

func (s *simulation) between(low, high time.Duration) time.Duration {
	return low + time.Duration(s.dice.Int64N(int64(high-low)+1))
}

// chance comes true so many times in a hundred.
func (s *simulation) chance(percent int) bool { return s.dice.IntN(100) < percent }

func oneOf[T any](s *simulation, list []T) T { return list[s.dice.IntN(len(list))] }
