package steer_test

import (
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/steer"
)

// glass breaks it on a stage.
func (s *stage) glass(orders ...regions.GlassOrder) {
	s.w.BreakGlass = &regions.BreakGlass{ID: "b-1", Incarnation: 1, Sequence: 1, By: []string{"alice", "bob"}, Why: "fire in us", Orders: orders}
}

func TestBreakGlassStandsAboveAllButTheInterlock(t *testing.T) {
	const us, eu = regions.ID("us"), regions.ID("eu")
	order := func(act regions.GlassAct, r regions.ID) regions.GlassOrder {
		return regions.GlassOrder{Act: act, Region: r}
	}
	tests := []struct {
		name  string
		world func(*stage)
		glass []regions.GlassOrder
		want  string // of www
		by    steer.Precedence
	}{
		{"a drain takes a healthy region out", nil, []regions.GlassOrder{order(regions.GlassDrain, us)}, "eu", steer.ByBreakGlass},
		{"a force down too", nil, []regions.GlassOrder{order(regions.GlassDown, us)}, "eu", steer.ByBreakGlass},
		{"a force up beats a measurement", func(s *stage) { s.region(us, regions.Down) }, []regions.GlassOrder{order(regions.GlassUp, us)}, "us", steer.ByBreakGlass},
		{"a force up beats a drain that was decided", func(s *stage) { s.drain(regions.Scope{Region: us}) }, []regions.GlassOrder{order(regions.GlassUp, us)}, "us", steer.ByBreakGlass},
		{"a force up beats an override of the service itself", func(s *stage) { s.force(regions.Scope{Region: us, Service: "www"}, regions.Down) },
			[]regions.GlassOrder{order(regions.GlassUp, us)}, "us", steer.ByBreakGlass},
		{"a drain beats a force up that was decided", func(s *stage) { s.force(regions.Scope{Region: us}, regions.Up) }, []regions.GlassOrder{order(regions.GlassDrain, us)}, "eu", steer.ByBreakGlass},
		{"a freeze keeps nothing in that it takes out", func(s *stage) { s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm"} }, []regions.GlassOrder{order(regions.GlassDrain, us)}, "eu", steer.ByBreakGlass},
		{"an order about the service beats one about the region", nil,
			[]regions.GlassOrder{order(regions.GlassDown, us), {Act: regions.GlassUp, Region: us, Service: "www"}}, "us", steer.ByBreakGlass},
		{"an order about another service says nothing", nil, []regions.GlassOrder{{Act: regions.GlassDown, Region: us, Service: "shop"}}, "us", steer.ByPolicy},
		{"a bundle without orders says nothing", nil, nil, "us", steer.ByPolicy},
		{"what is drained answers if all else is dead", func(s *stage) { s.region(eu, regions.Down); s.region("ap", regions.Down) },
			[]regions.GlassOrder{order(regions.GlassDrain, us)}, "us,eu,ap", steer.ByPolicy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			if tt.world != nil {
				tt.world(s)
			}
			s.glass(tt.glass...)
			s.decide()
			s.want("www", tt.want)
			s.want("orders", "us") // a writer is moved by nothing but an epoch
			x := s.plan.Explain("www.example.com.", prefix("192.0.2.0/24"))
			if x.Decided != tt.by {
				t.Errorf("decided by %q (%s), want %q", x.Decided, x.Because, tt.by)
			}
			if tt.by == steer.ByBreakGlass && !strings.Contains(x.Because, "b-1, signed by alice and bob: fire in us") {
				t.Errorf("because %q, which names no signers", x.Because)
			}
			again := steer.Decide(s.plan, s.w, s.now.Add(time.Second))
			if len(again.Changed(&s.plan)) > 0 {
				t.Errorf("deciding twice changes %v", again.Changed(&s.plan))
			}
		})
	}
}

func TestBrokenGlassIsLoudAndEndsWhole(t *testing.T) {
	s := newStage(t)
	before := s.answer("www", "192.0.2.0/24")
	s.glass(regions.GlassOrder{Act: regions.GlassDrain, Region: "us"})
	s.decide()
	alarm := func() string {
		for _, a := range s.plan.Alarms {
			if a.ID == "break-glass/b-1" {
				return string(a.Severity) + " " + a.Sentence
			}
		}
		return ""
	}
	if got := alarm(); !strings.Contains(got, "critical") || !strings.Contains(got, "drain us") || !strings.Contains(got, "alice and bob") {
		t.Errorf("alarm %q, want a critical one that says what rules and who signed", got)
	}
	s.w.Freeze = &regions.Freeze{By: "ada", Why: "calm"} // a person ended it: a freeze does not undo that
	s.w.BreakGlass = s.w.BreakGlass.After(&regions.GlassEnd{Incarnation: 1, Sequence: 1})
	s.decide()
	if got := alarm(); got != "" {
		t.Errorf("after the end there is still an alarm: %s", got)
	}
	s.want("www", before)
}
