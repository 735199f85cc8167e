package judge_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
	"fairlead/regions/judge"
)

type healthTable = health.Table

func TestThreeNodesTakeADeadRegionOutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		died := time.Now()
		c.kill("a")
		c.after(10 * time.Second)
		c.want("www", "b")
		c.want("orders", "a") // only an epoch moves a writer
		for _, n := range c.nodes {
			took, err := n.when("www", "b", died)
			if bound := 3*check.Interval + 250*time.Millisecond; err != nil || took > bound {
				t.Errorf("%v answered otherwise %v after the death, want at most %v: %v", n.id, took, bound, err)
			}
			v := n.judge.View()
			if v.Plan.Latched["a"].Generation != 1 || v.Regions["a"].State != regions.Down {
				t.Errorf("%v: latched %v, region a %+v", n.id, v.Plan.Latched, v.Regions["a"])
			}
			if got := v.Verdicts["www@a"].Because; !strings.HasPrefix(got, "down: 3 of 3 vantage points (a, b, c): connection refused") {
				t.Errorf("%v: %q", n.id, got)
			}
		}
		c.end()
	})
}

func TestARegionLostWithItsNodeStaysOutUntilItIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		died := time.Now()
		c.kill("a")
		c.nodes["n1"].stop()
		c.after(10 * time.Second)
		c.want("www", "b")
		for _, n := range c.nodes {
			if took, err := n.when("www", "b", died); err != nil || took > 3*check.Interval+250*time.Millisecond {
				t.Errorf("%v: after %v, %v", n.id, took, err)
			}
			if !hasAlarm(n.judge.View(), "region-down/a") || hasAlarm(n.judge.View(), "blind") {
				t.Errorf("%v: alarms %+v", n.id, n.judge.View().Alarms)
			}
		}
		c.revive("a")
		c.start("n1", "a", c.decided(1), judge.Memory{}, "n2", "n3")
		c.after(time.Minute)
		c.want("www", "b", "n2", "n3")
		d := c.decided(2)
		d.Restored = map[regions.ID]uint64{"a": 2}
		for _, n := range c.nodes {
			n.judge.Decided(d)
		}
		c.after(time.Second)
		c.want("www", "a")
		c.end()
	})
}

func hasAlarm(v *judge.View, id string) bool {
	return slices.ContainsFunc(v.Alarms, func(a regions.Alarm) bool { return a.ID == id })
}

func TestANodeThatIsCutOffHoldsWhatWasGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		c.isolate("a")
		c.after(time.Minute)
		c.want("www", "a", "n1") // it still sees a, and holds what it believed of b and c
		v := c.nodes["n1"].judge.View()
		for _, r := range []regions.ID{"a", "b", "c"} {
			if s := v.Regions[r].State; s != regions.Up {
				t.Errorf("the node cut off believes %v %v: %s", r, s, v.Regions[r].Because)
			}
		}
		if !hasAlarm(v, "silent/n2") || !hasAlarm(v, "silent/n3") {
			t.Errorf("alarms %+v", v.Alarms)
		}
		c.want("www", "b", "n2", "n3") // for the others a is gone
		c.heal()
		c.after(time.Minute)
		c.want("www", "b", "n2", "n3") // and comes back when a person says so
		if v := c.nodes["n1"].judge.View(); hasAlarm(v, "silent/n2") {
			t.Errorf("alarms after the link is back: %+v", v.Alarms)
		}
		c.end()
	})
}

func TestSilenceChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		c.nodes["n2"].stop()
		c.nodes["n3"].stop()
		c.after(10 * time.Minute)
		if got := c.nodes["n1"].changes("www"); !slices.Equal(got, []string{"a"}) {
			t.Errorf("answers went %v", got)
		}
		c.kill("a") // and the voice that is left still takes out what is dead
		c.after(5 * time.Second)
		c.want("www", "b")
		c.start("n2", "b", c.decided(1), judge.Memory{}, "n1", "n3")
		c.after(10 * time.Second)
		c.want("www", "b")
		c.end()
	})
}

func TestAFlappingEndpointMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		for range 100 {
			c.kill("www@a")
			c.after(700 * time.Millisecond) // two failures at most
			c.revive("www@a")
			c.after(1100 * time.Millisecond)
		}
		for _, n := range c.nodes {
			if got := n.changes("www"); !slices.Equal(got, []string{"a"}) {
				t.Errorf("%v: answers went %v", n.id, got)
			}
		}
		c.kill("www@a")
		c.after(5 * time.Second)
		c.want("www", "b")
		c.want("shop", "a")
		c.revive("www@a")
		c.after(5 * time.Second)
		c.want("www", "a") // an endpoint heals by itself
		c.end()
	})
}

func TestANodeAloneJudgesARegionAtOnceAndASecondOneLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		n := c.start("n1", "a", c.decided(1), judge.Memory{})
		c.after(10 * time.Second)
		c.want("www", "a")
		died := time.Now()
		c.kill("a")
		c.after(11*time.Second + 500*time.Millisecond)
		if took, err := n.when("www", "b", died); err != nil || took > 3*check.Interval+50*time.Millisecond {
			t.Errorf("after %v, %v; want no more than three intervals", took, err)
		}
		died = time.Now()
		c.kill("b")
		c.after(5 * time.Second)
		if took, err := n.when("www", "c", died); err != nil || took > 3*check.Interval+50*time.Millisecond {
			t.Errorf("the second: after %v, %v", took, err)
		}
		if v := n.judge.View(); !hasAlarm(v, "region-down/a") || !hasAlarm(v, "region-down/b") || !hasAlarm(v, "no-standby/c") {
			t.Errorf("alarms %+v", v.Alarms)
		}
		c.end()
	})
}

func TestANodeAloneThatGoesBlindHoldsAndNeedsNoPersonAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		n := c.start("n1", "a", c.decided(1), judge.Memory{})
		c.after(10 * time.Second)
		for _, r := range []string{"a", "b", "c"} {
			c.kill(r)
		}
		c.after(time.Minute)
		c.want("www", "a")
		if v := n.judge.View(); !hasAlarm(v, "blind") || len(v.Plan.Latched) > 0 {
			t.Errorf("latched %v, alarms %+v", v.Plan.Latched, v.Alarms)
		}
		for _, r := range []string{"a", "b", "c"} {
			c.revive(r)
		}
		c.after(time.Minute)
		c.want("www", "a")
		if v := n.judge.View(); len(v.Plan.Latched) > 0 || len(v.Alarms) > 0 {
			t.Errorf("afterwards: latched %v, alarms %+v", v.Plan.Latched, v.Alarms)
		}
		c.end()
	})
}

func TestAnEpochReachesANodeThatTheStoreDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.three()
		c.want("orders", "a")
		d := c.decided(2)
		d.Writers = map[regions.DatabaseID]regions.SignedEpoch{"orders": epoch(2, "b")}
		c.nodes["n1"].judge.Decided(d) // the store reaches this node alone
		c.after(time.Second)
		c.want("orders", "b")
		if got := c.nodes["n3"].judge.Epochs(); len(got) != 1 || got[0].Epoch.Number != 2 {
			t.Errorf("n3 passes on %+v", got)
		}
		late := c.decided(3)
		late.Writers = map[regions.DatabaseID]regions.SignedEpoch{"orders": epoch(1, "a")}
		for _, n := range c.nodes {
			n.judge.Decided(late)
		}
		c.after(time.Second)
		c.want("orders", "b")
		c.end()
	})
}

func TestAnEpochThatIsForgedMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		j, err := judge.New(judge.Config{Node: "n1", Log: slog.New(slog.DiscardHandler),
			Epochs: func() []regions.SignedEpoch {
				e := epoch(9, "b")
				e.Signature = []byte("bad")
				return []regions.SignedEpoch{e}
			},
			Verify: func(e regions.SignedEpoch) error {
				if string(e.Signature) == "bad" {
					return errForged
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		j.Decided(c.decided(1))
		go j.Run(t.Context())
		c.after(3 * time.Second)
		if got := j.View().Plan.Writers["orders"]; got.Writer != "a" {
			t.Errorf("the writer is %v", got)
		}
	})
}

var errForged = &forged{}

type forged struct{}

func (*forged) Error() string { return "forged" }

func TestAnOlderDecisionIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		n := c.start("n1", "a", c.decided(5), judge.Memory{})
		n.judge.Decided(c.decided(4))
		n.judge.Decided(nil)
		c.after(3 * time.Second)
		if g := n.judge.View().Plan.Generation; g != 5 {
			t.Errorf("generation %d, want 5", g)
		}
		c.end()
	})
}

func TestANodeRemembersAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		n := c.start("n1", "a", c.decided(1), judge.Memory{})
		c.after(10 * time.Second)
		c.kill("a")
		c.after(10 * time.Second)
		c.want("www", "b")
		c.revive("a")
		c.after(10 * time.Second)
		c.want("www", "b") // latched
		text, err := json.Marshal(n.judge.View().Memory())
		if err != nil {
			t.Fatal(err)
		}
		var m judge.Memory
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		n.stop()
		n = c.start("n1", "a", c.decided(1), m)
		c.after(time.Minute)
		if got := n.changes("www"); !slices.Equal(got, []string{"b"}) {
			t.Errorf("after the restart answers went %v, want b alone", got)
		}
		c.end()
	})
}

func TestANodeWithoutADecidedStateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := judge.New(judge.Config{Node: "n1", Sink: func(v *judge.View) { t.Errorf("told %+v", v) }})
		if err != nil {
			t.Fatal(err)
		}
		if j.View() == nil || len(j.Epochs()) != 0 {
			t.Error("no view at all before the first judgement")
		}
		go j.Run(t.Context())
		time.Sleep(time.Minute)
		synctest.Wait()
		if v := j.View(); v.Decided != nil || time.Since(v.At) > calm {
			t.Errorf("view %+v", v)
		}
	})
	if _, err := judge.New(judge.Config{}); err == nil {
		t.Error("a judge without a name was made")
	}
}

const calm = time.Second

func TestAStormOfPokesIsJudgedAtMostEvery20ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		asked := 0
		j, err := judge.New(judge.Config{Node: "n1", Own: func() health.Table { asked++; return health.Table{} }, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		j.Decided(c.decided(1))
		go j.Run(t.Context())
		time.Sleep(5500 * time.Millisecond) // between two of the judgements of calm
		synctest.Wait()
		if asked < 5 || asked > 8 {
			t.Errorf("%d judgements in 5 s of calm, want one a second", asked)
		}
		asked = 0
		j.Poke()
		synctest.Wait()
		if asked != 1 {
			t.Errorf("%d judgements at once after a poke, want 1", asked)
		}
		for range 1000 {
			j.Poke()
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if asked < 45 || asked > 52 {
			t.Errorf("%d judgements in a second of storm, want 50", asked)
		}
	})
}
