package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// theatre is a world in which tests let things fail. Vantage points report at
// once what the test says they see.
type theatre struct {
	t       *testing.T
	now     time.Time
	targets []regions.Target
	nodes   []node
	j       health.Judgement
}

type node struct {
	id     regions.NodeID
	region regions.ID
	heard  time.Time
	seen   map[regions.TargetID]health.Report
}

var check = regions.Check{Kind: regions.HTTP, Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond, Rise: 2, Fall: 3}

// newTheatre has two services in each of the regions a, b and c, and a
// vantage point in each region that is named.
func newTheatre(t *testing.T, vantage ...regions.ID) *theatre {
	th := &theatre{t: t, now: noon}
	for _, r := range []regions.ID{"a", "b", "c"} {
		for _, s := range []regions.ServiceID{"www", "api"} {
			th.targets = append(th.targets, regions.Target{ID: regions.EndpointID(s, r, 1), Region: r, Service: s, Mode: regions.Steer, Check: check})
		}
	}
	for i, r := range vantage {
		n := node{id: regions.NodeID(fmt.Sprintf("n%d-%s", i, r)), region: r, seen: map[regions.TargetID]health.Report{}}
		for _, target := range th.targets {
			n.seen[target.ID] = health.Report{State: regions.Up}
		}
		th.nodes = append(th.nodes, n)
	}
	th.after(time.Second)
	return th
}

// sees lets the vantage points in the regions from (all, if empty) see
// everything of a region, or one target of it, in a state.
func (th *theatre) sees(from, what string, s regions.State) {
	for i := range th.nodes {
		if from != "" && !strings.Contains(from, string(th.nodes[i].region)) {
			continue
		}
		for _, target := range th.targets {
			if string(target.Region) == what || string(target.ID) == what {
				r := health.Report{State: s}
				if s == regions.Down {
					r.Reason = "connection refused"
				}
				th.nodes[i].seen[target.ID] = r
			}
		}
	}
}

// after lets time pass while all reports keep coming, but for those of silent
// regions, and judges every 100 ms.
func (th *theatre) after(d time.Duration, silent ...regions.ID) {
	for end := th.now.Add(d); th.now.Before(end); {
		th.now = th.now.Add(100 * time.Millisecond)
		var tables []health.Table
		for i := range th.nodes {
			n := &th.nodes[i]
			quiet := false
			for _, r := range silent {
				quiet = quiet || r == n.region
			}
			if !quiet {
				n.heard = th.now
			}
			table := health.Table{Node: n.id, Region: n.region, Heard: n.heard, Interval: 200 * time.Millisecond, Reports: map[uint64]health.Report{}}
			for id, r := range n.seen {
				r.Last = n.heard
				table.Reports[id.Hash()] = r
			}
			tables = append(tables, table)
		}
		th.j = th.j.Next(health.Scene{Targets: th.targets, Tables: tables}, th.now)
	}
}

// want compares what is steered by, as "www@a:up api@a:up …" of a region.
func (th *theatre) want(region regions.ID, effective regions.State) {
	th.t.Helper()
	for _, target := range th.targets {
		if target.Region != region {
			continue
		}
		if v := th.j.Verdicts[target.ID]; v.Effective != effective {
			th.t.Errorf("%v after %v: steered by %v, want %v (%s)", target.ID, th.now.Sub(noon), v.Effective, effective, v.Because)
		}
	}
	if v := th.j.Regions[region]; v.State != effective {
		th.t.Errorf("region %v after %v: %v, want %v (%s)", region, th.now.Sub(noon), v.State, effective, v.Because)
	}
}

func (th *theatre) alarm(id string, want bool) {
	th.t.Helper()
	for _, a := range th.j.Alarms {
		if a.ID == id {
			if !want {
				th.t.Errorf("unexpected alarm: %+v", a)
			}
			if a.Sentence == "" || a.Remedy == "" || a.Since.IsZero() {
				th.t.Errorf("alarm without sentence, remedy or time: %+v", a)
			}
			return
		}
	}
	if want {
		th.t.Errorf("no alarm %q among %+v", id, th.j.Alarms)
	}
}

func TestAVerdictSaysWhoSawWhat(t *testing.T) {
	th := newTheatre(t, "a", "b", "c")
	th.want("a", regions.Up)
	th.sees("bc", "www@a", regions.Down)
	th.after(100 * time.Millisecond)
	v := th.j.Verdicts["www@a"]
	if want := "down: 2 of 3 vantage points (b, c): connection refused"; v.Because != want || v.Measured != regions.Down || len(v.Voices) != 3 {
		t.Errorf("got %+v\nwant %q", v, want)
	}
	if r := th.j.Regions["a"]; r.State != regions.Degraded || r.Because != "degraded: 1 of 2 endpoints are down: connection refused" {
		t.Errorf("region a: %+v", r)
	}
	th.after(3*time.Second, "c")
	if v, want := th.j.Verdicts["www@a"], "still down: 1 of 2 vantage points (b): connection refused, 1 silent; too few agree to change that"; v.Measured != regions.Down || v.Because != want {
		t.Errorf("silence changed the verdict: %+v, want %q", v, want)
	}
	th.alarm("silent/n2-c", true)
}

func TestOneRegionIsBelievedAtOnceEvenByOneVantagePoint(t *testing.T) {
	th := newTheatre(t, "a")
	th.sees("", "a", regions.Down)
	th.after(100 * time.Millisecond)
	th.want("a", regions.Down)
	th.want("b", regions.Up)
	th.alarm("blind", false)
	if got, want := th.j.Regions["a"].Because, "down: all 2 endpoints: connection refused"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}

	th.after(11 * time.Second)
	th.sees("", "b", regions.Down)
	th.after(100 * time.Millisecond)
	th.want("a", regions.Down)
	th.want("b", regions.Down)
	th.want("c", regions.Up)
}

func TestOneVantagePointThatLosesEverythingDoubtsItself(t *testing.T) {
	th := newTheatre(t, "a")
	th.sees("", "a", regions.Down) // the order in which they fall is chance
	th.after(300 * time.Millisecond)
	th.want("a", regions.Down)
	th.sees("", "b", regions.Down)
	th.after(200 * time.Millisecond)
	th.sees("", "c", regions.Down)
	th.after(time.Minute)
	for _, r := range []regions.ID{"a", "b", "c"} {
		th.want(r, regions.Up)
		if m := th.j.Verdicts[regions.EndpointID("www", r, 1)].Measured; m != regions.Down {
			t.Errorf("measured %v in %v: measurement must never be hidden", m, r)
		}
	}
	th.alarm("blind", true)
	if th.j.Regions["a"].Withdrawn.IsZero() {
		t.Error("what was judged of region a in error is not withdrawn")
	}

	// Sight comes back region by region, and nobody is judged down meanwhile.
	for _, r := range []string{"b", "c", "a"} {
		th.sees("", r, regions.Up)
		th.after(200 * time.Millisecond)
		for _, r := range []regions.ID{"a", "b", "c"} {
			th.want(r, regions.Up)
		}
	}
	th.after(time.Second)
	th.alarm("blind", false)
}

func TestTheRegionThatStaysAwayWhenSightComesBackIsGone(t *testing.T) {
	th := newTheatre(t, "a")
	th.sees("", "a", regions.Down)
	th.sees("", "b", regions.Down)
	th.after(time.Minute)
	th.want("a", regions.Up)
	th.sees("", "a", regions.Up)
	th.after(5 * time.Second)
	th.want("a", regions.Up)
	th.want("b", regions.Down)
}

func TestASecondRegionSoonAfterTheFirstIsDoubtedAndTheFirstStaysOut(t *testing.T) {
	th := newTheatre(t, "c")
	th.sees("", "a", regions.Down)
	th.after(5 * time.Second)
	th.sees("", "b", regions.Down)
	th.after(time.Minute)
	th.want("a", regions.Down)
	th.want("b", regions.Up)
	th.alarm("blind", true)
	if !th.j.Regions["a"].Withdrawn.IsZero() {
		t.Error("region a was believed for 5 s: that is not withdrawn")
	}
}

func TestTwoRegionsAtOnceAreBelievedWhenTwoOthersSawIt(t *testing.T) {
	th := newTheatre(t, "a", "c", "d", "e")
	th.sees("", "a", regions.Down)
	th.sees("", "b", regions.Down)
	th.after(100 * time.Millisecond)
	th.want("a", regions.Down)
	th.want("b", regions.Down)
	th.want("c", regions.Up)
	th.alarm("blind", false)
}

func TestTwoRegionsAtOnceAreNotBelievedWhenOneOtherSawIt(t *testing.T) {
	th := newTheatre(t, "a", "b", "c")
	th.sees("", "a", regions.Down)
	th.sees("", "b", regions.Down)
	th.after(time.Minute)
	th.want("a", regions.Up)
	th.want("b", regions.Up)
}

func TestTheLossOfARegionWithItsVantagePointIsARegionLoss(t *testing.T) {
	th := newTheatre(t, "a", "b", "c")
	th.sees("bc", "a", regions.Down)
	th.after(100*time.Millisecond, "a")
	th.want("a", regions.Down) // its own last word, that all is well, is outvoted
	th.after(time.Minute, "a")
	th.want("a", regions.Down)
	th.want("b", regions.Up)
	th.alarm("blind", false)
	th.alarm("silent/n0-a", true)
}

func TestALastWordDoesNotOutlastItsSpeaker(t *testing.T) {
	th := newTheatre(t, "a", "b")
	th.sees("b", "a", regions.Down)
	th.after(1500*time.Millisecond, "a")
	th.want("a", regions.Up) // one says up, one says down
	th.after(time.Second, "a")
	th.want("a", regions.Down) // and now only one says anything
}

func TestANodeCutOffFromAllOthersTakesNothingOut(t *testing.T) {
	th := newTheatre(t, "a", "b", "c")
	th.sees("a", "b", regions.Down) // what the cut off node in a sees
	th.sees("a", "c", regions.Down)
	th.after(time.Minute, "b", "c")
	for _, r := range []regions.ID{"a", "b", "c"} {
		th.want(r, regions.Up)
	}
}

func TestOneServiceThatFailsEverywhereIsNotBlindness(t *testing.T) {
	th := newTheatre(t, "a")
	for _, r := range []string{"a", "b", "c"} {
		th.sees("", "api@"+r, regions.Down)
	}
	th.after(100 * time.Millisecond)
	for _, r := range []regions.ID{"a", "b", "c"} {
		if v := th.j.Verdicts[regions.EndpointID("api", r, 1)]; v.Effective != regions.Down {
			t.Errorf("api in %v is steered by as %v, want down: www beside it answers", r, v.Effective)
		}
	}
	th.alarm("blind", false)
}

func TestWhatWasDeadLongAgoStaysDeadInADoubt(t *testing.T) {
	th := newTheatre(t, "a")
	th.sees("", "www@b", regions.Down)
	th.after(time.Hour / 10)
	th.sees("", "b", regions.Down)
	th.sees("", "c", regions.Down)
	th.after(time.Second)
	if v := th.j.Verdicts["www@b"]; v.Effective != regions.Down {
		t.Errorf("www@b is steered by as %v, want down", v.Effective)
	}
	if v := th.j.Verdicts["api@b"]; v.Effective != regions.Up {
		t.Errorf("api@b is steered by as %v, want up", v.Effective)
	}
}

func TestEverybodySilentChangesNothingButTheAlarms(t *testing.T) {
	th := newTheatre(t, "b", "c")
	th.sees("", "a", regions.Down)
	th.after(time.Second)
	th.after(time.Hour/20, "b", "c")
	th.want("a", regions.Down)
	th.want("b", regions.Up)
	th.alarm("unwatched", true)
	if got, want := th.j.Verdicts["www@a"].Because, "still down: no vantage point is heard"; got != want {
		t.Errorf("because %q, want %q", got, want)
	}
}

func TestAVantagePointThatIsHeardButNoLongerChecksHasNoVoice(t *testing.T) {
	table := health.Table{Node: "n", Region: "b", Heard: noon, Interval: time.Second}
	target := regions.Target{ID: "www@a", Region: "a", Service: "www", Mode: regions.Steer, Check: check}
	j := health.Judgement{}
	for _, step := range []struct {
		age  time.Duration
		want regions.State
	}{{0, regions.Up}, {time.Hour, regions.Up}} {
		state := regions.Up
		if step.age > 0 {
			state = regions.Down // it once thought so, and has not looked since
		}
		table.Reports = map[uint64]health.Report{target.ID.Hash(): {State: state, Last: noon.Add(-step.age)}}
		j = j.Next(health.Scene{Targets: []regions.Target{target}, Tables: []health.Table{table}}, noon)
		if got := j.Verdicts["www@a"].Measured; got != step.want {
			t.Errorf("with a report %v old: %v, want %v", step.age, got, step.want)
		}
	}
}

func TestARuleThatCannotBeMetIsToldToPeople(t *testing.T) {
	th := newTheatre(t, "a")
	for i := range th.targets {
		th.targets[i].Quorum = 2
	}
	th.after(3 * time.Second)
	th.alarm("quorum", true)
}

func TestJudgingIsDeterministicAndChangesNothingThatWas(t *testing.T) {
	th := newTheatre(t, "a", "b", "c")
	before := th.j
	th.sees("", "a", regions.Down)
	th.sees("", "b", regions.Down)
	th.after(time.Second)
	if before.Verdicts["www@a"].Effective != regions.Up || !before.Same(&before) {
		t.Error("an old judgement was changed by a new one")
	}
	again := newTheatre(t, "a", "b", "c")
	again.sees("", "a", regions.Down)
	again.sees("", "b", regions.Down)
	again.after(time.Second)
	if !again.j.Same(&th.j) {
		t.Errorf("the same history gives\n%+v\nand\n%+v", again.j, th.j)
	}
}

func BenchmarkJudge(b *testing.B) {
	var s health.Scene
	for i := range 10_000 {
		for _, r := range []regions.ID{"a", "b", "c"} {
			svc := regions.ServiceID(fmt.Sprintf("s%d", i))
			s.Targets = append(s.Targets, regions.Target{ID: regions.EndpointID(svc, r, 1), Region: r, Service: svc, Mode: regions.Steer, Check: check})
		}
	}
	for _, r := range []regions.ID{"a", "b", "c"} {
		t := health.Table{Node: regions.NodeID(r), Region: r, Heard: noon, Interval: time.Second, Reports: map[uint64]health.Report{}}
		for _, target := range s.Targets {
			t.Reports[target.ID.Hash()] = health.Report{State: regions.Up, Last: noon}
		}
		s.Tables = append(s.Tables, t)
	}
	j := health.Judgement{}.Next(s, noon)
	b.ReportAllocs()
	for b.Loop() {
		j = j.Next(s, noon)
	}
}
