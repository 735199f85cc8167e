package steer_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/steer"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// stage is a world that a test changes and decides again.
type stage struct {
	t    *testing.T
	w    steer.World
	now  time.Time
	plan steer.Plan
}

// newStage has the regions us, eu and ap with one endpoint each of www
// (failover in that order), of shop (weighted 50:30:20), of any (all), and of
// orders, which follows the writer of a database, now in us.
func newStage(t *testing.T) *stage {
	f := &regions.Fleet{Regions: []regions.Region{{ID: "us"}, {ID: "eu"}, {ID: "ap"}}}
	service := func(id regions.ServiceID, p regions.Policy) {
		s := regions.Service{ID: id, Name: regions.Name(id + ".example.com."), Mode: regions.Steer, TTL: 5 * time.Second, Policy: p}
		s.Policy.Panic = regions.AnswerAll
		for i, r := range f.Regions {
			s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID(id, r.ID, 1), Region: r.ID,
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(len(f.Services)*10 + i)})}})
		}
		f.Services = append(f.Services, s)
	}
	service("www", regions.Policy{Kind: regions.Failover, Order: []regions.ID{"us", "eu", "ap"}})
	service("shop", regions.Policy{Kind: regions.Weighted, Weights: map[regions.ID]int{"us": 50, "eu": 30, "ap": 20}})
	service("any", regions.Policy{Kind: regions.All})
	service("orders", regions.Policy{Kind: regions.Failover})
	f.Services[3].Writes = &regions.Writes{Database: "orders"}
	f.Databases = []regions.Database{{ID: "orders", Engine: "postgres", Writer: "us"}}

	s := &stage{t: t, now: noon, w: steer.World{Incarnation: 1, Generation: 10, Fleet: f,
		Verdicts: map[regions.TargetID]regions.Verdict{}, Regions: map[regions.ID]steer.RegionVerdict{},
		Writers: map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 1, Number: 1, Writer: "us"}}}}
	for _, r := range f.Regions {
		s.region(r.ID, regions.Up)
	}
	s.decide()
	return s
}

// region sets everything in a region, and the region, to a state.
func (s *stage) region(r regions.ID, state regions.State) {
	for _, svc := range s.w.Fleet.Services {
		s.endpoint(regions.EndpointID(svc.ID, r, 1), state)
	}
	s.w.Regions[r] = steer.RegionVerdict{State: state, Because: fmt.Sprintf("%v: as the test says", state), Since: s.now}
}

func (s *stage) endpoint(id regions.TargetID, state regions.State) {
	s.w.Verdicts[id] = regions.Verdict{Target: id, Measured: state, Effective: state, Because: fmt.Sprintf("%v: as the test says", state)}
}

func (s *stage) override(make func() (regions.Override, error)) regions.Override {
	s.t.Helper()
	o, err := make()
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.Overrides = append(slices.Clone(s.w.Overrides), o)
	s.w.Generation++
	return o
}

func (s *stage) drain(scope regions.Scope) regions.Override {
	return s.override(func() (regions.Override, error) {
		return regions.NewDrain(fmt.Sprintf("o%d", len(s.w.Overrides)), scope, "ada", "maintenance", s.now, s.now.Add(time.Hour))
	})
}

func (s *stage) force(scope regions.Scope, state regions.State) regions.Override {
	return s.override(func() (regions.Override, error) {
		return regions.NewForce(fmt.Sprintf("o%d", len(s.w.Overrides)), scope, state, "ada", "I know better", s.now, s.now.Add(time.Hour))
	})
}

func (s *stage) restore(r regions.ID) {
	s.w.Generation++
	restored := map[regions.ID]uint64{r: s.w.Generation}
	for k, v := range s.w.Restored {
		if k != r {
			restored[k] = v
		}
	}
	s.w.Restored = restored
}

func (s *stage) decide() {
	s.now = s.now.Add(time.Second)
	s.plan = steer.Decide(s.plan, s.w, s.now)
}

// answer returns the regions that a client is sent to.
func (s *stage) answer(name string, client string) string {
	x := s.plan.Explain(regions.Name(name+".example.com."), prefix(client))
	var ids []string
	for _, e := range x.Answer {
		ids = append(ids, string(e.Region))
	}
	return strings.Join(ids, ",")
}

func (s *stage) want(name, answer string) {
	s.t.Helper()
	s.decide()
	if got := s.answer(name, "192.0.2.0/24"); got != answer {
		x := s.plan.Explain(regions.Name(name+".example.com."), prefix("192.0.2.0/24"))
		s.t.Errorf("%s answers %q, want %q: %s\n%+v", name, got, answer, x.Because, x.Standing)
	}
}

func (s *stage) alarm(id string, want bool) regions.Alarm {
	s.t.Helper()
	for _, a := range s.plan.Alarms {
		if a.ID == id {
			if !want {
				s.t.Errorf("unexpected alarm %+v", a)
			}
			if a.Sentence == "" || a.Remedy == "" || a.Subject == "" || a.Since.IsZero() {
				s.t.Errorf("an alarm lacks something: %+v", a)
			}
			return a
		}
	}
	if want {
		s.t.Errorf("no alarm %s among %+v", id, s.plan.Alarms)
	}
	return regions.Alarm{}
}

func TestFailoverTakesTheFirstOfTheOrderThatServes(t *testing.T) {
	s := newStage(t)
	s.want("www", "us")
	s.endpoint("www@us", regions.Down)
	s.want("www", "eu")
	s.endpoint("www@eu", regions.Down)
	s.want("www", "ap")
	s.alarm("no-standby/ap", true)
	s.endpoint("www@us", regions.Degraded)
	s.want("www", "us") // an endpoint's failure heals by itself
	s.alarm("no-standby/ap", false)
}

func TestAllAnswersWithEverythingThatServes(t *testing.T) {
	s := newStage(t)
	s.want("any", "us,eu,ap")
	s.endpoint("any@eu", regions.Down)
	s.want("any", "us,ap")
}

func TestWhenNothingServesEverythingIsAnsweredLoudly(t *testing.T) {
	s := newStage(t)
	for _, e := range []regions.TargetID{"www@us", "www@eu", "www@ap"} {
		s.endpoint(e, regions.Down)
	}
	s.want("www", "us,eu,ap")
	if a := s.alarm("panic", true); a.Severity != regions.Critical || a.Subject != "www" {
		t.Errorf("alarm %+v", a)
	}
	s.force(regions.Scope{Region: "eu"}, regions.Down)
	s.want("www", "us,ap") // forced down is not even tried then
	s.endpoint("www@ap", regions.Up)
	s.want("www", "ap")
	s.alarm("panic", false)
}

func TestAPolicyThatFailsClosedAnswersNothing(t *testing.T) {
	s := newStage(t)
	fleet := *s.w.Fleet
	fleet.Services = slices.Clone(fleet.Services)
	fleet.Services[0].Policy.Panic = regions.FailClosed
	s.w.Fleet = &fleet
	for _, e := range []regions.TargetID{"www@us", "www@eu", "www@ap"} {
		s.endpoint(e, regions.Down)
	}
	s.want("www", "")
	s.alarm("fail-closed", true)
}

func TestARegionThatWasDownStaysOutUntilAPersonRestoresIt(t *testing.T) {
	s := newStage(t)
	s.region("us", regions.Down)
	s.want("www", "eu")
	if a := s.alarm("region-down/us", true); !strings.Contains(a.Remedy, `fairlead restore us --reason "…"`) {
		t.Errorf("remedy %q", a.Remedy)
	}
	if got := s.plan.Latched["us"]; got != (steer.Latch{Incarnation: 1, Generation: 10}) {
		t.Errorf("latched at generation %d, want 10", got)
	}
	s.region("us", regions.Up)
	s.want("www", "eu")
	if a := s.alarm("latched/us", true); a.Remedy != `fairlead restore us --reason "…"` {
		t.Errorf("remedy %q", a.Remedy)
	}
	if v := s.plan.Regions[0]; v.Measured != regions.Up || v.Effective != regions.Down || !v.Latched || v.LatchedSince.IsZero() {
		t.Errorf("region view %+v", v)
	}
	s.restore("eu")
	s.want("www", "eu")
	s.restore("us")
	s.want("www", "us")
	s.alarm("latched/us", false)
}

func TestARegionRestoredWhileItIsDownReturnsWhenItIsWell(t *testing.T) {
	s := newStage(t)
	s.region("us", regions.Down)
	s.decide()
	s.restore("us")
	s.want("www", "eu")
	s.want("www", "eu")
	s.region("us", regions.Up)
	s.want("www", "us")
	s.region("us", regions.Down) // and the next time it is out again
	s.want("www", "eu")
	s.region("us", regions.Up)
	s.want("www", "eu")
}

// A store that was begun anew counts its generations from the beginning.
func TestALatchOfAnEarlierIncarnationIsReleasedInThisOne(t *testing.T) {
	s := newStage(t)
	s.w.Generation = 500
	s.region("us", regions.Down)
	s.decide()
	s.region("us", regions.Up)
	s.w.Incarnation, s.w.Generation, s.w.Restored = 2, 3, nil
	s.want("www", "eu")
	s.restore("us")
	s.want("www", "us")

	// And a restore of an incarnation that has passed releases none of this.
	s.region("us", regions.Down)
	s.decide()
	s.region("us", regions.Up)
	s.w.Incarnation, s.w.Restored = 1, map[regions.ID]uint64{"us": 900}
	s.plan = forgotten(s.plan)
	s.want("www", "eu")
}

func TestARestartEndsNoFreeze(t *testing.T) {
	s := newStage(t)
	s.w.Freeze = &regions.Freeze{By: "ada", Why: "the sale"}
	s.endpoint("www@us", regions.Down)
	s.want("www", "eu")
	s.endpoint("www@us", regions.Up)
	s.want("www", "eu")
	for range 2 {
		s.plan = forgotten(s.plan)
		s.want("www", "eu")
	}
	s.w.Freeze = nil
	s.want("www", "us")
	if len(s.plan.Waiting) != 0 {
		t.Errorf("%v still wait for the end of the freeze", s.plan.Waiting)
	}
}

func TestALatchedRegionThatIsWellBeatsDeadOnes(t *testing.T) {
	s := newStage(t)
	s.region("us", regions.Down)
	s.decide()
	s.region("us", regions.Up)
	s.region("eu", regions.Down)
	s.region("ap", regions.Down)
	s.want("www", "us")
	s.want("any", "us")
	s.want("shop", "us")
	s.alarm("reserve", true)
	if x := s.plan.Explain("www.example.com.", prefix("192.0.2.0/24")); x.Decided != steer.ByHealth || !strings.Contains(x.Because, "nothing else is left") || !strings.Contains(x.Because, "www@us") {
		t.Errorf("decided by %v: %s", x.Decided, x.Because)
	}
}

func TestAWithdrawnVerdictTakesItsLatchAlong(t *testing.T) {
	s := newStage(t)
	s.region("us", regions.Down)
	s.decide()
	down := s.w.Regions["us"].Since
	s.region("us", regions.Up)
	s.w.Regions["us"] = steer.RegionVerdict{State: regions.Up, Because: "held", Since: s.now, Withdrawn: down}
	s.want("www", "us")

	// But not the latch of an earlier, real loss.
	s = newStage(t)
	s.region("us", regions.Down)
	s.decide()
	s.region("us", regions.Up)
	s.now = s.now.Add(time.Hour)
	s.w.Regions["us"] = steer.RegionVerdict{State: regions.Up, Because: "held", Since: s.now, Withdrawn: s.now}
	s.want("www", "eu")
}

func TestADrainTakesOutAndAnEndedDrainHolds(t *testing.T) {
	s := newStage(t)
	o := s.drain(regions.Scope{Region: "us", Service: "www"})
	s.want("www", "eu")
	s.want("any", "us,eu,ap")
	s.w.Overrides = []regions.Override{o.Lapsed()}
	s.w.Generation++
	s.want("www", "eu")
	if a := s.alarm("held/us/www", true); a.Remedy != `fairlead restore us --service www --reason "…"` {
		t.Errorf("remedy %q", a.Remedy)
	}
	s.endpoint("www@eu", regions.Down)
	s.endpoint("www@ap", regions.Down)
	s.want("www", "us") // held but healthy beats dead
	s.w.Overrides = []regions.Override{o.Lapsed().EndedNow("grace")}
	s.w.Generation++
	s.endpoint("www@eu", regions.Up)
	s.want("www", "us")
	s.alarm("held/us/www", false)
}

func TestAWritersNameFollowsTheEpochAndNothingElse(t *testing.T) {
	s := newStage(t)
	s.want("orders", "us")
	s.endpoint("orders@us", regions.Down)
	s.want("orders", "us")
	s.alarm("writer-down/orders", true)
	s.region("us", regions.Down)
	s.want("orders", "us")
	s.drain(regions.Scope{Region: "us"})
	s.want("orders", "us")
	s.w.Writers = map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 1, Number: 2, Writer: "eu"}}
	s.want("orders", "eu")
	s.alarm("writer-down/orders", false)

	s.w.Writers = map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 1, Number: 1, Writer: "us"}}
	s.w.Generation++
	s.want("orders", "eu") // an older epoch never moves it back
	s.w.Writers = nil
	s.want("orders", "eu")
	s.w.Writers = map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 2, Number: 1, Writer: "us"}}
	s.want("orders", "us") // a higher incarnation does
}

func TestAWritersNameWithoutAnEpochKeepsWhatItAnswered(t *testing.T) {
	s := newStage(t)
	s.plan = steer.Plan{}
	s.w.Writers = nil
	s.want("orders", "")
	s.alarm("no-writer", true)
	s.w.Writers = map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 1, Number: 1, Writer: "eu"}}
	s.want("orders", "eu")
	s.w.Writers = map[regions.DatabaseID]regions.Epoch{"orders": {Incarnation: 1, Number: 2, Writer: "mars"}}
	s.want("orders", "eu") // mars has no endpoint
	s.want("orders", "eu")
	s.alarm("no-writer", true)
}

func TestANameThatWritesAcrossRegionsIsNotPinned(t *testing.T) {
	s := newStage(t)
	fleet := *s.w.Fleet
	fleet.Services = slices.Clone(fleet.Services)
	fleet.Services[3].Writes = &regions.Writes{Database: "orders", Remote: true}
	fleet.Services[3].Policy.Order = []regions.ID{"eu", "us", "ap"}
	s.w.Fleet = &fleet
	s.want("orders", "eu")
}

func TestAFreezeTakesOutButLetsNothingBack(t *testing.T) {
	s := newStage(t)
	s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm", From: noon, Until: noon.Add(time.Hour)}
	s.endpoint("www@us", regions.Down)
	s.want("www", "eu")
	s.endpoint("www@us", regions.Up)
	s.want("www", "eu")
	s.want("www", "eu")
	x := s.plan.Explain("www.example.com.", prefix("192.0.2.0/24"))
	if x.Decided != steer.ByFreeze || !strings.Contains(x.Because, "frozen by ada: calm") {
		t.Errorf("decided by %v: %s", x.Decided, x.Because)
	}
	s.endpoint("www@eu", regions.Down)
	s.want("www", "ap")
	s.endpoint("www@ap", regions.Down)
	s.want("www", "us") // frozen but healthy beats dead
	s.w.Freeze = nil
	s.want("www", "us")
	s.endpoint("www@eu", regions.Up)
	s.want("any", "us,eu,ap")
}

func TestTheEndOfAFreezeAloneBringsBackWhatIsWell(t *testing.T) {
	s := newStage(t)
	s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm", From: noon, Until: noon.Add(time.Hour)}
	s.endpoint("www@us", regions.Down)
	s.want("www", "eu")
	s.endpoint("www@us", regions.Up)
	s.want("www", "eu")
	s.w.Freeze = nil
	s.want("www", "us")
}

func TestWhatAPersonRestoresReturnsInAFreeze(t *testing.T) {
	s := newStage(t)
	o := s.drain(regions.Scope{Region: "us"})
	s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm", From: noon, Until: noon.Add(time.Hour)}
	s.want("www", "eu")
	s.w.Overrides = []regions.Override{o.EndedNow("grace")}
	s.w.Generation++
	s.want("www", "us")
	s.region("us", regions.Down)
	s.want("www", "eu")
	s.region("us", regions.Up)
	s.want("www", "eu")
	s.restore("us")
	s.want("www", "us")
}

func TestPrecedence(t *testing.T) {
	scope := regions.Scope{Region: "us"}
	tests := []struct {
		name    string
		arrange func(*stage)
		who     string
		answer  string
		decided steer.Precedence
	}{
		{"nothing but policy", func(s *stage) {}, "www", "us", steer.ByPolicy},
		{"health beats policy", func(s *stage) { s.endpoint("www@us", regions.Down) }, "www", "eu", steer.ByHealth},
		{"override beats health, up", func(s *stage) { s.endpoint("www@us", regions.Down); s.force(scope, regions.Up) }, "www", "us", steer.ByOverride},
		{"override beats health, down", func(s *stage) { s.force(scope, regions.Down) }, "www", "eu", steer.ByOverride},
		{"override beats a latch", func(s *stage) { s.region("us", regions.Down); s.decide(); s.force(scope, regions.Up) }, "www", "us", steer.ByOverride},
		{"override beats freeze", func(s *stage) {
			s.endpoint("www@us", regions.Down)
			s.decide()
			s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm"}
			s.endpoint("www@us", regions.Up)
			s.force(scope, regions.Up)
		}, "www", "us", steer.ByOverride},
		{"an override of a service beats one of its region", func(s *stage) {
			s.drain(scope)
			s.force(regions.Scope{Region: "us", Service: "www"}, regions.Up)
		}, "www", "us", steer.ByOverride},
		{"and the later one an earlier", func(s *stage) {
			s.force(scope, regions.Up)
			s.now = s.now.Add(time.Second)
			s.force(scope, regions.Down)
		}, "www", "eu", steer.ByOverride},
		{"the interlock beats all", func(s *stage) { s.region("us", regions.Down); s.drain(scope); s.force(scope, regions.Down) }, "orders", "us", steer.ByInterlock},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			tt.arrange(s)
			s.want(tt.who, tt.answer)
			x := s.plan.Explain(regions.Name(tt.who+".example.com."), prefix("192.0.2.0/24"))
			if x.Decided != tt.decided {
				t.Errorf("decided by %q, want %q: %s", x.Decided, tt.decided, x.Because)
			}
			last := 0
			for i, r := range x.Rules {
				if r.Says == "" || r.Rule != steer.PrecedenceOrder()[i] {
					t.Errorf("rule %d: %+v", i, r)
				}
				last += b2i(r.Decided)
			}
			if len(x.Rules) != 6 || last != 1 {
				t.Errorf("%d rules, %d of which had the last word: %+v", len(x.Rules), last, x.Rules)
			}
		})
	}
}

func TestAnObservedNameIsPlannedAndMarked(t *testing.T) {
	s := newStage(t)
	fleet := *s.w.Fleet
	fleet.Services = slices.Clone(fleet.Services)
	fleet.Services[0].Mode = regions.Observe
	s.w.Fleet = &fleet
	for _, e := range []regions.TargetID{"www@us", "www@eu"} {
		s.endpoint(e, regions.Down)
	}
	s.want("www", "ap")
	n, _ := s.plan.Name("www.example.com.")
	if n.Mode != regions.Observe {
		t.Errorf("mode %q", n.Mode)
	}
	s.alarm("no-standby/ap", false) // nobody is sent there
	if x := s.plan.Explain(n.Name, prefix("192.0.2.0/24")); !strings.HasPrefix(x.Because, "only observed") {
		t.Errorf("because %q", x.Because)
	}
}

func TestANewEndpointWaitsForItsFirstVerdictAndANewNodeDoesNot(t *testing.T) {
	s := newStage(t)
	s.plan = steer.Plan{}
	s.w.Verdicts = map[regions.TargetID]regions.Verdict{}
	s.want("www", "us") // nothing is known: policy alone
	s.endpoint("www@eu", regions.Up)
	s.want("www", "us") // still not a bad report of us

	s = newStage(t)
	fleet := *s.w.Fleet
	fleet.Services = slices.Clone(fleet.Services)
	fleet.Services[2].Endpoints = append(slices.Clone(fleet.Services[2].Endpoints), regions.Endpoint{ID: "any@us/2", Region: "us", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.99")}})
	s.w.Fleet = &fleet
	s.want("any", "us,eu,ap")
	s.endpoint("any@us/2", regions.Up)
	s.want("any", "us,eu,ap,us")
}

func TestClientGroupsHaveTheirOwnOrder(t *testing.T) {
	s := newStage(t)
	fleet := *s.w.Fleet
	fleet.Services = slices.Clone(fleet.Services)
	fleet.Services[0].Policy.Groups = []regions.ClientGroup{{Name: "europe", Prefixes: []netip.Prefix{prefix("198.51.100.0/24")}, Order: []regions.ID{"eu"}}}
	fleet.Services[1].Policy.Groups = []regions.ClientGroup{{Name: "europe", Prefixes: []netip.Prefix{prefix("198.51.100.0/24")}, Weights: map[regions.ID]int{"us": 0, "eu": 1, "ap": 0}}}
	s.w.Fleet = &fleet
	s.decide()
	for _, step := range []struct {
		down regions.TargetID
		want string // www here, www elsewhere, shop here
	}{{"", "eu us eu"}, {"www@eu", "us us eu"}, {"www@us", "ap ap eu"}, {"shop@eu", "ap ap us|ap"}} {
		if step.down != "" {
			s.endpoint(step.down, regions.Down)
			s.decide()
		}
		got := s.answer("www", "198.51.100.7/32") + " " + s.answer("www", "192.0.2.7/32") + " " + s.answer("shop", "198.51.100.7/32")
		if ok := strings.Contains(step.want, "|") && strings.HasPrefix(got, "ap ap ") && got != "ap ap eu"; got != step.want && !ok {
			t.Errorf("after %q: %q, want %q", step.down, got, step.want)
		}
	}
}

func TestARampGivesAReturningRegionSoMuch(t *testing.T) {
	s := newStage(t)
	s.w.Ramps = map[regions.ID]int{"us": 2500}
	s.decide()
	n, _ := s.plan.Name("www.example.com.")
	want := []steer.Threshold{{Below: 2500, Set: 0}, {Below: steer.Buckets, Set: 1}}
	if got := n.Cells[0].Thresholds; !slices.Equal(got, want) {
		t.Errorf("www: %v, want %v", got, want)
	}
	if got := shares(&s.plan, "shop"); got["us"] != 1250 {
		t.Errorf("shop gives us %v of its half, want a quarter: 1250", got)
	}
}

// shares counts the buckets of each region, in the cell of everyone.
func shares(p *steer.Plan, service string) map[regions.ID]int {
	n, _ := p.Name(regions.Name(service + ".example.com."))
	counts, from := map[regions.ID]int{}, 0
	for _, th := range n.Cells[len(n.Cells)-1].Thresholds {
		counts[n.Sets[th.Set].Endpoints[0].Region] += th.Below - from
		from = th.Below
	}
	return counts
}

func TestWeightsDivideClientsAndTheLossOfOneMovesOnlyItsOwn(t *testing.T) {
	s := newStage(t)
	if got := shares(&s.plan, "shop"); !reflect.DeepEqual(got, map[regions.ID]int{"us": 5000, "eu": 3000, "ap": 2000}) {
		t.Errorf("shares %v", got)
	}
	s.endpoint("shop@us", regions.Down)
	s.decide()
	if got := shares(&s.plan, "shop"); got["us"] != 0 || got["eu"] != 6000 || got["ap"] != 4000 {
		t.Errorf("shares without us %v, want 6000 and 4000", got)
	}
}

func TestAnOlderWorldIsNeverApplied(t *testing.T) {
	s := newStage(t)
	before := s.plan
	s.w.Generation--
	s.endpoint("www@us", regions.Down)
	s.decide()
	if !s.plan.Same(&before) {
		t.Errorf("generation %d was applied over %d", s.w.Generation, before.Generation)
	}
	s.w.Incarnation++
	s.want("www", "eu")
	s.w.Fleet = nil
	s.want("www", "eu")
}

func TestWhatDidNotChangeIsShared(t *testing.T) {
	s := newStage(t)
	before := s.plan
	s.decide()
	if &s.plan.Names[0] != &before.Names[0] || s.plan.Changed(&before) != nil {
		t.Error("nothing changed, and yet the names were made anew")
	}
	s.endpoint("www@us", regions.Down)
	s.decide()
	if got := s.plan.Changed(&before); !slices.Equal(got, []regions.Name{"www.example.com."}) {
		t.Errorf("changed: %v", got)
	}
	before = s.plan
	v := s.w.Verdicts["www@ap"]
	v.Because = "up: in other words"
	s.w.Verdicts["www@ap"] = v
	s.decide()
	if got := s.plan.Changed(&before); got != nil {
		t.Errorf("changed words changed the answers of %v", got)
	}
	if s.plan.Same(&before) {
		t.Error("changed words are a change for people")
	}
	fleet := *s.w.Fleet
	fleet.Services = fleet.Services[1:]
	s.w.Fleet, before = &fleet, s.plan
	s.decide()
	if got := s.plan.Changed(&before); !slices.Equal(got, []regions.Name{"www.example.com."}) {
		t.Errorf("a service is gone; changed: %v", got)
	}
	if got := before.Changed(&s.plan); !slices.Equal(got, []regions.Name{"www.example.com."}) {
		t.Errorf("a service is new; changed: %v", got)
	}
}

func TestAPlanSurvivesJSON(t *testing.T) {
	s := newStage(t)
	s.region("us", regions.Down)
	s.decide()
	b, err := json.Marshal(s.plan)
	if err != nil {
		t.Fatal(err)
	}
	var back steer.Plan
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !back.Same(&s.plan) {
		t.Errorf("read back %+v\nwant      %+v", back, s.plan)
	}
	wb, err := json.Marshal(s.w)
	if err != nil {
		t.Fatal(err)
	}
	var w steer.World
	if err := json.Unmarshal(wb, &w); err != nil {
		t.Fatal(err)
	}
	a, c := steer.Decide(back, w, noon), steer.Decide(s.plan, s.w, noon)
	if !a.Same(&c) {
		t.Error("a world read back from history gives another plan")
	}
}

func TestAnUnknownNameIsExplainedAsSuch(t *testing.T) {
	s := newStage(t)
	if x := s.plan.Explain("nowhere.example.com.", prefix("192.0.2.0/24")); x.Found || x.Because == "" {
		t.Errorf("%+v", x)
	}
}
