package steer_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/steer"

	"pgregory.net/rapid"
)

var states = []regions.State{regions.Unknown, regions.Up, regions.Degraded, regions.Down}

// drawFleet draws up to six regions and services of every policy.
func drawFleet(t *rapid.T) *regions.Fleet {
	f := &regions.Fleet{}
	for i := range rapid.IntRange(1, 6).Draw(t, "regions") {
		f.Regions = append(f.Regions, regions.Region{ID: regions.ID(fmt.Sprintf("r%d", i))})
	}
	f.Databases = []regions.Database{{ID: "db", Writer: "r0"}}
	for i := range rapid.IntRange(0, 6).Draw(t, "services") {
		s := regions.Service{ID: regions.ServiceID(fmt.Sprintf("s%d", i)), Mode: regions.Steer}
		s.Name = regions.Name(fmt.Sprintf("%d.example.com.", rapid.IntRange(0, 7).Draw(t, "name")))
		s.Policy.Kind = rapid.SampledFrom([]regions.PolicyKind{regions.Failover, regions.Weighted, regions.All}).Draw(t, "kind")
		s.Policy.Panic = rapid.SampledFrom([]regions.Panic{regions.AnswerAll, regions.AnswerAll, regions.FailClosed}).Draw(t, "panic")
		s.Policy.Weights = map[regions.ID]int{}
		for _, r := range f.Regions {
			for n := range rapid.IntRange(0, 2).Draw(t, "endpoints") {
				s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID(s.ID, r.ID, n+1), Region: r.ID,
					Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, byte(i), byte(len(s.Endpoints))})}})
			}
			s.Policy.Weights[r.ID] = rapid.IntRange(0, 10).Draw(t, "weight")
			s.Policy.Order = append(s.Policy.Order, r.ID)
		}
		if rapid.IntRange(0, 4).Draw(t, "writes") == 0 {
			s.Writes = &regions.Writes{Database: "db"}
		}
		f.Services = append(f.Services, s)
	}
	return f
}

// drawNext changes a world in any way that the parts around may.
func drawNext(t *rapid.T, w steer.World, now time.Time) steer.World {
	if rapid.IntRange(0, 9).Draw(t, "new fleet") == 0 {
		w.Fleet = drawFleet(t)
	}
	verdicts := map[regions.TargetID]regions.Verdict{}
	for _, target := range w.Fleet.Targets() {
		s := rapid.SampledFrom(states).Draw(t, "state")
		verdicts[target.ID] = regions.Verdict{Target: target.ID, Measured: s, Effective: s, Because: s.String()}
	}
	w.Verdicts = verdicts
	w.Regions = map[regions.ID]steer.RegionVerdict{}
	for _, r := range w.Fleet.Regions {
		w.Regions[r.ID] = steer.RegionVerdict{State: rapid.SampledFrom(states).Draw(t, "region")}
	}
	w.Generation += uint64(rapid.IntRange(0, 2).Draw(t, "generations"))
	w.Writers = map[regions.DatabaseID]regions.Epoch{}
	if rapid.Bool().Draw(t, "epoch") {
		w.Writers["db"] = regions.Epoch{Incarnation: 1, Number: uint64(rapid.IntRange(1, 5).Draw(t, "number")), Writer: "r0"}
	}
	w.Restored = map[regions.ID]uint64{"r0": uint64(rapid.IntRange(0, int(w.Generation)).Draw(t, "restored"))}
	w.Freeze = nil
	if rapid.Bool().Draw(t, "freeze") {
		w.Freeze = &regions.Freeze{By: "ada", Why: "calm"}
	}
	w.BreakGlass = nil
	if rapid.IntRange(0, 3).Draw(t, "glass") == 0 {
		act := rapid.SampledFrom([]regions.GlassAct{regions.GlassDrain, regions.GlassDown, regions.GlassUp}).Draw(t, "act")
		w.BreakGlass = &regions.BreakGlass{ID: "b", Incarnation: 1, Sequence: 1, By: []string{"ada"}, Why: "fire", Orders: []regions.GlassOrder{{Act: act, Region: w.Fleet.Regions[0].ID}}}
	}
	w.Overrides = nil
	if r := w.Fleet.Regions[0].ID; rapid.Bool().Draw(t, "override") {
		o, err := regions.NewForce("o", regions.Scope{Region: r}, rapid.SampledFrom([]regions.State{regions.Up, regions.Down}).Draw(t, "forced"), "ada", "why", now, now.Add(time.Hour))
		if rapid.Bool().Draw(t, "drain") {
			o, err = regions.NewDrain("o", regions.Scope{Region: r}, "ada", "why", now, now.Add(time.Hour))
			if rapid.Bool().Draw(t, "lapsed") {
				o = o.Lapsed()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Overrides = []regions.Override{o}
	}
	w.Ramps = nil
	if rapid.Bool().Draw(t, "ramping") {
		w.Ramps = map[regions.ID]int{"r0": rapid.IntRange(0, steer.Buckets).Draw(t, "ramp")}
	}
	return w
}

// stripped returns a plan as it is after a restart: without what only saves
// work.
func stripped(p steer.Plan) steer.Plan {
	return steer.Plan{Incarnation: p.Incarnation, Generation: p.Generation, Names: p.Names, Latched: p.Latched,
		Waiting: p.Waiting, Writers: p.Writers, Freeze: p.Freeze, Regions: p.Regions, Alarms: p.Alarms}
}

// forgotten returns a plan as a node remembers it that starts again, and as
// its history holds it.
func forgotten(p steer.Plan) steer.Plan {
	return steer.Plan{Latched: p.Latched, Waiting: p.Waiting, Writers: p.Writers, Regions: p.Regions}
}

// checkForgotten holds a plan against the one that is made of what is
// remembered. A writer's name that kept its answer for want of an epoch is the
// one that cannot be made again.
func checkForgotten(t *rapid.T, next steer.Plan, w steer.World, now time.Time) {
	again := steer.Decide(forgotten(next), w, now)
	for i := range next.Names {
		n := &next.Names[i]
		in := slices.ContainsFunc(n.Standing, func(st steer.Standing) bool { return st.In })
		if n.Database != "" && !in {
			continue
		}
		if made, ok := again.Name(n.Name); !ok || !made.SameAnswers(n) {
			t.Fatalf("%s is answered by\n%+v\nand made again from what is remembered by\n%+v", n.Name, n, made)
		}
	}
}

func TestPlansKeepTheirPromisesInAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := steer.World{Incarnation: 1, Generation: 1, Fleet: drawFleet(t)}
		var plan steer.Plan
		now := noon
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			now = now.Add(time.Second)
			w = drawNext(t, w, now)
			next := steer.Decide(plan, w, now)
			if again := steer.Decide(plan, w, now); !again.Same(&next) {
				t.Fatalf("equal inputs give\n%+v\nand\n%+v", next, again)
			}
			if plain := steer.Decide(stripped(plan), w, now); !plain.Same(&next) {
				t.Fatalf("what only saves work changed the plan:\n%+v\nwithout it\n%+v", next, plain)
			}
			if twice := steer.Decide(next, w, now); !twice.Same(&next) {
				t.Fatalf("deciding the same twice gives\n%+v\nand then\n%+v", next, twice)
			}
			if old, known := plan.Writers["db"]; known && next.Writers["db"].Compare(old) < 0 {
				t.Fatalf("the writer went back from %v to %v", old, next.Writers["db"])
			}
			if !slices.IsSortedFunc(next.Names, func(a, b steer.Steered) int { return cmpName(a.Name, b.Name) }) {
				t.Fatalf("names out of order: %+v", next.Names)
			}
			checkForgotten(t, next, w, now)
			for i := range next.Names {
				checkName(t, &w, &plan, &next, &next.Names[i])
			}
			plan = next
		}
	})
}

func cmpName(a, b regions.Name) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// checkName holds one name of a plan to what every plan promises.
func checkName(t *rapid.T, w *steer.World, before, plan *steer.Plan, n *steer.Steered) {
	svc, _ := w.Fleet.Service(n.Service)
	_, pinned := svc.Pinned()
	for _, c := range n.Cells {
		if len(c.Thresholds) > steer.MaxThresholds {
			t.Fatalf("%s: %d thresholds", n.Name, len(c.Thresholds))
		}
		last := 0
		for _, th := range c.Thresholds {
			if th.Below <= last || th.Set < 0 || th.Set >= len(n.Sets) || len(n.Sets[th.Set].Endpoints) == 0 {
				t.Fatalf("%s: threshold %+v of %+v, sets %+v", n.Name, th, c.Thresholds, n.Sets)
			}
			last = th.Below
		}
		empty := len(c.Thresholds) == 0
		if !empty && last != steer.Buckets {
			t.Fatalf("%s: the thresholds end at %d", n.Name, last)
		}
		if c.Because == "" || c.Decided == "" {
			t.Fatalf("%s: a cell without a reason: %+v", n.Name, c)
		}
		switch {
		case !empty:
		case len(svc.Endpoints) == 0:
		case pinned:
			if was, ok := before.Name(n.Name); ok && len(was.Sets) > 0 {
				t.Fatalf("%s had an answer and lost it: %+v", n.Name, n)
			}
		case svc.Policy.Panic != regions.FailClosed:
			t.Fatalf("%s is empty: %+v", n.Name, n)
		default:
			for _, st := range n.Standing {
				if st.In {
					t.Fatalf("%s fails closed though %s is in", n.Name, st.Endpoint)
				}
			}
		}
	}
	for _, st := range n.Standing {
		if st.Because == "" || st.Decided == "" {
			t.Fatalf("%s: an endpoint without a reason: %+v", n.Name, st)
		}
		if pinned && st.Decided != steer.ByInterlock {
			t.Fatalf("%s follows a writer, but %v decides on %s", n.Name, st.Decided, st.Endpoint)
		}
	}
}

func TestNobodyMovesWhoseRegionServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 8).Draw(t, "regions")
		f := &regions.Fleet{}
		s := regions.Service{ID: "s", Name: "s.", Mode: regions.Steer, Policy: regions.Policy{Kind: regions.Weighted, Panic: regions.AnswerAll, Weights: map[regions.ID]int{}}}
		for i := range n {
			r := regions.ID(fmt.Sprintf("r%d", i))
			f.Regions = append(f.Regions, regions.Region{ID: r})
			s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID("s", r, 1), Region: r, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}})
			s.Policy.Weights[r] = rapid.IntRange(1, regions.MaxWeight).Draw(t, "weight")
		}
		f.Services = []regions.Service{s}
		owner := func(away ...int) []regions.ID {
			w := steer.World{Fleet: f, Verdicts: map[regions.TargetID]regions.Verdict{}}
			for i, e := range s.Endpoints {
				v := regions.Verdict{Measured: regions.Up, Effective: regions.Up, Because: "up"}
				if slices.Contains(away, i) {
					v = regions.Verdict{Measured: regions.Down, Effective: regions.Down, Because: "down"}
				}
				w.Verdicts[e.ID] = v
			}
			plan := steer.Decide(steer.Plan{}, w, noon)
			var owners []regions.ID
			cell := plan.Names[0].Cells[0]
			if len(cell.Thresholds) > steer.MaxThresholds {
				t.Fatalf("%d thresholds: %+v", len(cell.Thresholds), cell.Thresholds)
			}
			for _, th := range cell.Thresholds {
				for len(owners) < th.Below {
					owners = append(owners, plan.Names[0].Sets[th.Set].Endpoints[0].Region)
				}
			}
			return owners
		}
		all := owner()
		a := rapid.IntRange(0, n-1).Draw(t, "first away")
		one := owner(a)
		for b, was := range all {
			if was != f.Regions[a].ID && one[b] != was {
				t.Fatalf("without %d bucket %d moved from %v to %v", a, b, was, one[b])
			}
			if one[b] == f.Regions[a].ID {
				t.Fatalf("bucket %d still goes to %v", b, one[b])
			}
		}
		if n < 3 {
			return
		}
		second := (a + 1 + rapid.IntRange(0, n-2).Draw(t, "second away")) % n
		two := owner(a, second)
		for b, was := range all {
			if was != f.Regions[a].ID && was != f.Regions[second].ID && two[b] != was {
				t.Fatalf("without %d and %d bucket %d moved from %v to %v", a, second, b, was, two[b])
			}
			if n <= 3 && one[b] != f.Regions[second].ID && two[b] != one[b] {
				t.Fatalf("the second loss moved bucket %d from %v to %v", b, one[b], two[b])
			}
		}
		// What is left over is shared by weight, as far as eight runs allow.
		if n <= 5 {
			lost, gained := 0, map[regions.ID]int{}
			for b := range all {
				if all[b] == f.Regions[a].ID {
					lost++
					gained[one[b]]++
				}
			}
			total := 0
			for i := range n {
				if i != a {
					total += s.Policy.Weights[f.Regions[i].ID]
				}
			}
			for i := range n {
				r := f.Regions[i].ID
				if want := lost * s.Policy.Weights[r] / total; i != a && abs(gained[r]-want) > 2 {
					t.Fatalf("%v gained %d of %d, want %d", r, gained[r], lost, want)
				}
			}
		}
	})
}

func abs(n int) int { return max(n, -n) }

// bigWorld has ten thousand failover names in three regions.
func bigWorld() steer.World {
	f := &regions.Fleet{Regions: []regions.Region{{ID: "us"}, {ID: "eu"}, {ID: "ap"}}}
	w := steer.World{Incarnation: 1, Generation: 1, Fleet: f, Verdicts: map[regions.TargetID]regions.Verdict{}, Regions: map[regions.ID]steer.RegionVerdict{}}
	for i := range 10_000 {
		s := regions.Service{ID: regions.ServiceID(fmt.Sprintf("s%05d", i)), Mode: regions.Steer, TTL: 30 * time.Second,
			Policy: regions.Policy{Kind: regions.Failover, Order: []regions.ID{"us", "eu", "ap"}, Panic: regions.AnswerAll}}
		s.Name = regions.Name(s.ID + ".example.com.")
		for k, r := range f.Regions {
			id := regions.EndpointID(s.ID, r.ID, 1)
			s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: id, Region: r.ID, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(k), byte(i >> 8), byte(i)})}})
			w.Verdicts[id] = regions.Verdict{Target: id, Region: r.ID, Measured: regions.Up, Effective: regions.Up, Because: "up: 3 of 3 vantage points"}
		}
		f.Services = append(f.Services, s)
	}
	return w
}

func BenchmarkDecideOneFlipOf10000(b *testing.B) {
	w := bigWorld()
	down := regions.Verdict{Measured: regions.Down, Effective: regions.Down, Because: "down: 3 of 3 vantage points: connection refused"}
	up := w.Verdicts["s05000@us"]
	plan := steer.Decide(steer.Plan{}, w, noon)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Verdicts["s05000@us"] = []regions.Verdict{down, up}[i%2]
		next := steer.Decide(plan, w, noon)
		if changed := next.Changed(&plan); len(changed) != 1 {
			b.Fatalf("changed %v", changed)
		}
		plan = next
	}
}

func BenchmarkDecideARegionOf10000(b *testing.B) {
	w := bigWorld()
	worlds := [2]steer.World{w, w}
	worlds[0].Verdicts = map[regions.TargetID]regions.Verdict{}
	for id, v := range w.Verdicts {
		if v.Region == "us" {
			v.Measured, v.Effective, v.Because = regions.Down, regions.Down, "down: 3 of 3 vantage points: connection refused"
		}
		worlds[0].Verdicts[id] = v
	}
	plan := steer.Decide(steer.Plan{}, w, noon)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		plan = steer.Decide(plan, worlds[i%2], noon)
	}
}
