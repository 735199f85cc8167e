package steps_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

func TestTheRPOGate(t *testing.T) {
	lag := func(bytes, seconds string) map[string]string {
		return map[string]string{"bytes_min": "0", "bytes_max": bytes, "seconds_min": "0", "seconds_max": seconds, "age_seconds": "1.5", "source": "the last sample"}
	}
	tests := []struct {
		name     string
		lag      map[string]string
		with     map[string]string
		approved bool
		planned  bool
		want     string // part of the refusal; empty: it passes
	}{
		{"a loss below the ceiling passes", lag("1000", "2"), nil, false, false, ""},
		{"a loss at the ceiling passes", lag("1048576", "30"), nil, false, false, ""},
		{"too many bytes are refused", lag("1048577", "2"), nil, false, false, "above the ceiling of 1.0 MiB"},
		{"too long a time is refused", lag("1000", "31"), nil, false, false, "above the ceiling of 30 s"},
		{"unknown is above every ceiling", lag("unknown", "unknown"), nil, false, false, "cannot be known"},
		{"half unknown is unknown", lag("1000", "unknown"), nil, false, false, "cannot be known"},
		{"no bytes are no loss, whatever the time", lag("0", "unknown"), nil, false, false, ""},
		{"a raised ceiling that people approve counts", lag("2000000", "2"), map[string]string{"max_loss_bytes": "4MiB"}, true, false, ""},
		{"a raised ceiling that nobody approves does not", lag("0", "0"), map[string]string{"max_loss_bytes": "4MiB"}, false, false, "nobody is asked to approve"},
		{"an unknown loss that people accept passes", lag("unknown", "unknown"), map[string]string{"accept_unknown": "true"}, true, false, ""},
		{"a lowered ceiling needs nobody", lag("5000", "0"), map[string]string{"max_loss_bytes": "4096"}, false, false, "above the ceiling of 4.0 KiB"},
		{"a planned move does not mind an unknown time", lag("1000", "unknown"), nil, false, true, ""},
		{"a planned move needs to know the bytes", lag("unknown", "3"), nil, false, true, "cannot be known"},
		{"a planned move does not wait too long", lag("2000000", "2"), nil, false, true, "above the limit of 1.0 MiB"},
		{"a planned move may wait for more without approval", lag("2000000", "2"), map[string]string{"max_loss_bytes": "4MiB"}, false, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutside()
			o.lag = tt.lag
			s := start(o, !tt.planned)
			if tt.approved {
				s.Plan = []runbooks.PlannedStep{{Step: "agree", Approvals: 1}}
			}
			sc, found := scope(o, "key")
			err := o.step(t, runbooks.Spec{Kind: "rpo", With: tt.with}, s).Act(t.Context(), sc)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("gate with lag %v and %v = %v, want %q", tt.lag, tt.with, err, tt.want)
			}
			if err != nil && !runbooks.IsRefusal(err) {
				t.Errorf("%v is no refusal, want one: the gate changes nothing", err)
			}
			v := found.Values()
			if v["bytes_max"] != tt.lag["bytes_max"] || v["age_seconds"] != "1.5" || v[runbooks.ReceiptValue] == "" || v["ceiling_bytes"] == "" {
				t.Errorf("receipt = %v, want what was measured, its age and the ceiling", v)
			}
		})
	}
}

func TestRepoint(t *testing.T) {
	spec := runbooks.Spec{Kind: "repoint", Timeout: time.Minute}
	t.Run("advances the epoch once, however often it is asked", func(t *testing.T) {
		o := newOutside()
		sc, found := scope(o, "key")
		step := o.step(t, spec, start(o, false))
		for range 2 {
			if err := step.Act(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
		}
		if o.epoch.Number != 8 || o.epoch.Writer != "eu-central" || found.Values()["epoch"] != "1.8 eu-central" {
			t.Errorf("epoch = %s, value %q; want 1.8 eu-central", o.epoch, found.Values()["epoch"])
		}
		if seen, err := step.Observe(t.Context(), sc); seen != runbooks.IsDone || err != nil {
			t.Errorf("Observe afterwards = %v, %v; want done", seen, err)
		}
	})
	t.Run("is refused if somebody else moved the writer", func(t *testing.T) {
		o := newOutside()
		sc, _ := scope(o, "key")
		step := o.step(t, spec, start(o, false))
		o.epoch = o.epoch.Next("ap-south")
		if err := step.Act(t.Context(), sc); !runbooks.IsRefusal(err) || !fault.Is(err, fault.Conflict) {
			t.Errorf("Act = %v, want a refusal for a conflict", err)
		}
		if seen, err := step.Observe(t.Context(), sc); seen == runbooks.IsDone || err == nil {
			t.Errorf("Observe = %v, %v; want an error", seen, err)
		}
	})
	t.Run("waits for every node", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOutside()
			sc, found := scope(o, "key")
			began := time.Now()
			o.unconfirmed = func() []regions.NodeID {
				if time.Since(began) < 30*time.Millisecond {
					return []regions.NodeID{"ns3"}
				}
				return nil
			}
			if err := o.step(t, spec, start(o, false)).Verify(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 40*time.Millisecond || found.Values()[runbooks.LeftoverValue] != "" {
				t.Errorf("took %v, leftover %q; want at most 40ms and nothing left over", took, found.Values()[runbooks.LeftoverValue])
			}
		})
	})
	t.Run("names who has not confirmed once the TTL and the limit have passed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := newOutside()
			sc, found := scope(o, "key")
			o.unconfirmed = func() []regions.NodeID { return []regions.NodeID{"ns3", "ns4"} }
			began := time.Now()
			spec := runbooks.Spec{Kind: "repoint", With: map[string]string{"limit": "3s"}}
			if err := o.step(t, spec, start(o, false)).Verify(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
				t.Errorf("took %v, want the TTL of 2 s and the limit of 3 s", took)
			}
			if got := found.Values()[runbooks.LeftoverValue]; got != "2 of 3 nodes unconfirmed: ns3, ns4" {
				t.Errorf("leftover = %q, want both nodes named", got)
			}
		})
	})
}

func TestAnActCarriesTheEpochAndItsKey(t *testing.T) {
	o := newOutside()
	sc, _ := scope(o, "run-1/it/1")
	if err := o.step(t, runbooks.Spec{Kind: "postgres.fence", Timeout: 30 * time.Second}, start(o, false)).Act(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	r := o.requests[len(o.requests)-1]
	if r.Action != "fence" || r.Key != "run-1/it/1" || r.Epoch != o.epoch || r.Region != "us-east" ||
		r.Params["database"] != "orders" || r.Params["from"] != "us-east" || r.Params["to"] != "eu-central" || r.Params["planned"] != "true" || r.Params["within"] != "30s" {
		t.Errorf("request = %+v", r)
	}
}

func TestWhatAnActsErrorSaysAboutTheWorld(t *testing.T) {
	tests := []struct {
		name     string
		err      error
		state    string
		refusal  bool
		notBegun bool
	}{
		{"denied half way: who knows", fault.Deniedf("orders", "no"), "", false, false},
		{"out of reach: who knows", fault.Unavailablef("orders", "no"), "", false, false},
		{"anything else: who knows", errors.New("reset by peer"), "", false, false},
		{"in conflict before anything was begun: refused", fault.Conflictf("orders", "no"), providers.Untouched, true, false},
		{"denied before anything was begun: refused", fault.Deniedf("orders", "no"), providers.Untouched, true, false},
		{"out of reach before anything was begun: worth another try", fault.Unavailablef("orders", "no"), providers.Untouched, false, true},
		{"unexplained before anything was begun: worth another try", errors.New("no such host"), providers.Untouched, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutside()
			o.refuse["promote"], o.result["promote"] = tt.err, providers.Result{State: tt.state}
			sc, _ := scope(o, "key")
			err := o.step(t, runbooks.Spec{Kind: "postgres.promote"}, start(o, false)).Act(t.Context(), sc)
			if err == nil || runbooks.IsRefusal(err) != tt.refusal || runbooks.IsNotBegun(err) != tt.notBegun {
				t.Errorf("Act = %v, refusal %v, not begun %v; want refusal %v, not begun %v", err, runbooks.IsRefusal(err), runbooks.IsNotBegun(err), tt.refusal, tt.notBegun)
			}
		})
	}
}

func TestADeclaredLossIsTheWordOfSomebodyWhoAnswersForTheRun(t *testing.T) {
	tests := []struct {
		name      string
		by        string
		approvers []string
		allowed   bool
	}{
		{"who started it", "anna", nil, true},
		{"who started it, written otherwise", "Anna", nil, true},
		{"who approved it", "bert", []string{"carl", "bert"}, true},
		{"who did neither", "bert", []string{"carl"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutside()
			sc, _ := scope(o, "key")
			sc.Approvers = tt.approvers
			step := o.step(t, runbooks.Spec{Kind: "postgres.fence", With: map[string]string{"declared_lost_by": tt.by}}, start(o, true))
			if d := step.Describe(); !strings.Contains(d, tt.by+" declares us-east lost") || !strings.Contains(d, "two servers write") {
				t.Errorf("Describe = %q, want the danger in words", d)
			}
			err := step.Act(t.Context(), sc)
			if allowed := err == nil && len(o.requests) == 1; allowed != tt.allowed || err != nil && (!runbooks.IsRefusal(err) || len(o.requests) > 0) {
				t.Errorf("Act = %v after %d requests, want it allowed: %v, and otherwise refused before the provider is asked", err, len(o.requests), tt.allowed)
			}
			sc.Fresh = false
			if _, err := step.Observe(t.Context(), sc); (err == nil) != tt.allowed {
				t.Errorf("Observe after a crash = %v, want it allowed: %v", err, tt.allowed)
			}
		})
	}
}

func TestAnAgentThatCannotBeToldIsLeftOverAndNamed(t *testing.T) {
	o := newOutside()
	o.result["announce"] = providers.Result{State: providers.NotDone, Detail: "the agent in us-east does not know it"}
	sc, found := scope(o, "key")
	step := o.step(t, runbooks.Spec{Kind: "postgres.announce"}, start(o, false))
	if err := errors.Join(step.Act(t.Context(), sc), step.Verify(t.Context(), sc)); err != nil {
		t.Fatalf("announce = %v, want it to go on", err)
	}
	if got := found.Values()[runbooks.LeftoverValue]; got != "the agent in us-east does not know it" {
		t.Errorf("leftover = %q, want the agent named", got)
	}
	o.refuse["announce"] = fault.Conflictf("orders", "somebody decided anew")
	if err := step.Act(t.Context(), sc); err == nil {
		t.Error("an agent that knows a newer epoch was passed over")
	}
}

func TestAnActUnderAnOldEpochReachesNoProvider(t *testing.T) {
	o := newOutside()
	sc, _ := scope(o, "key")
	step := o.step(t, runbooks.Spec{Kind: "postgres.promote"}, start(o, false))
	o.epoch = o.epoch.Next("ap-south")
	if err := step.Act(t.Context(), sc); !runbooks.IsRefusal(err) {
		t.Errorf("Act = %v, want a refusal", err)
	}
	if len(o.requests) != 0 {
		t.Errorf("the provider was asked: %+v", o.requests)
	}
}

func TestDrainIsPutOnceAndWaitsUntilItIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside()
		sc, _ := scope(o, "run-1/it/1")
		step := o.step(t, runbooks.Spec{Kind: "drain", With: map[string]string{"region": "us-east", "for": "1h"}}, start(o, false))
		if seen, _ := step.Observe(t.Context(), sc); seen != runbooks.NotDone {
			t.Errorf("Observe before = %v, want not done", seen)
		}
		for range 2 {
			if err := step.Act(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
		}
		if len(o.overrides) != 1 || !o.overrides[0].IsDrain() || o.overrides[0].By() != "anna" {
			t.Errorf("overrides = %+v, want one drain by anna", o.overrides)
		}
		if seen, _ := step.Observe(t.Context(), sc); seen != runbooks.IsDone {
			t.Errorf("Observe after = %v, want done", seen)
		}
		o.unconfirmed = func() []regions.NodeID { return []regions.NodeID{"ns3"} }
		if err := step.Verify(t.Context(), sc); !runbooks.IsNotYet(err) {
			t.Errorf("Verify with an unconfirmed node = %v, want not yet", err)
		}
		o.unconfirmed = nil
		began := time.Now()
		if err := step.Verify(t.Context(), sc); err != nil || time.Since(began) != 30*time.Second {
			t.Errorf("Verify = %v after %v, want nil after the longest TTL of 30s", err, time.Since(began))
		}
		back := o.step(t, runbooks.Spec{Kind: "restore", With: map[string]string{"region": "us-east"}}, start(o, false))
		if err := back.Act(t.Context(), sc); err != nil || o.overrides[0].Phase() != regions.Ended {
			t.Errorf("restore = %v, the override is %s; want it ended", err, o.overrides[0].Phase())
		}
	})
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutside()
		sc, _ := scope(o, "key")
		began := time.Now()
		if err := o.step(t, runbooks.Spec{Kind: "await", With: map[string]string{"for": "5m"}}, start(o, false)).Act(t.Context(), sc); err != nil || time.Since(began) != 5*time.Minute {
			t.Errorf("await for 5m = %v after %v", err, time.Since(began))
		}
		if err := o.step(t, runbooks.Spec{Kind: "await", With: map[string]string{"region": "us-east", "state": "up"}}, start(o, false)).Verify(t.Context(), sc); err != nil {
			t.Errorf("await of a state that is there = %v", err)
		}
		if err := o.step(t, runbooks.Spec{Kind: "await", With: map[string]string{"region": "us-east", "state": "down"}}, start(o, false)).Verify(t.Context(), sc); !runbooks.IsNotYet(err) {
			t.Errorf("await of a state that is not there = %v, want not yet", err)
		}
		if err := o.step(t, runbooks.Spec{Kind: "await", With: map[string]string{"action": "postgres.reprotect"}}, start(o, false)).Verify(t.Context(), sc); !runbooks.IsNotYet(err) {
			t.Errorf("await of an action that is not done = %v, want not yet", err)
		}
		if _, err := o.set().Step(runbooks.Spec{ID: "it", Kind: "await"}, start(o, false)); !fault.Is(err, fault.Invalid) {
			t.Errorf("await of nothing = %v, want invalid", err)
		}
	})
}

// script stands for the provider that runs programs.
type script struct{ run, verify []string }

func (s script) Observe(context.Context, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Unknown}, nil
}

func (s script) Act(context.Context, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Done, Detail: strings.Join(s.run, " ")}, nil
}

func TestCommand(t *testing.T) {
	o := newOutside()
	spec := runbooks.Spec{ID: "it", Kind: "command", With: map[string]string{"run": `["notify","all of us"]`, "verify": `["notified"]`}}
	set := steps.New(steps.Outside{Providers: o, Steering: o, World: o, Command: func(run, verify []string, _ time.Duration) (providers.Provider, error) {
		return script{run, verify}, nil
	}})
	step, err := set.Step(spec, start(o, false))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := step.Describe(), `run notify all of us, proved by notified`; got != want {
		t.Errorf("Describe = %q, want %q", got, want)
	}
	sc, found := scope(o, "key")
	if err := step.Act(t.Context(), sc); err != nil || found.Detail() != "notify all of us" {
		t.Errorf("Act = %v, %q", err, found.Detail())
	}
	step, _ = o.set().Step(spec, start(o, false))
	if err := step.Act(t.Context(), sc); !runbooks.IsRefusal(err) {
		t.Errorf("Act where no programs may run = %v, want a refusal", err)
	}
}

func TestPlan(t *testing.T) {
	plan := func(t *testing.T, o *outside, name string, params map[string]string) (runbooks.Start, []steps.Refusal) {
		t.Helper()
		s, refusals, err := o.set().Plan(t.Context(), book(t, name), steps.Ask{Params: params})
		if err != nil {
			t.Fatal(err)
		}
		return s, refusals
	}
	move := map[string]string{"database": "orders", "to": "eu-central"}
	t.Run("says what each step does, with real names", func(t *testing.T) {
		s, refusals := plan(t, newOutside(), "switchover", move)
		if len(refusals) > 0 {
			t.Fatalf("refusals = %+v", refusals)
		}
		want := map[runbooks.StepID][]string{
			"fence":   {"orders", "us-east", "127.10.0.1:5433"},
			"promote": {"orders", "eu-central", "127.20.0.1:5434"},
			"repoint": {"eu-central", "orders.example.com", "2s"},
			"approve": {"another person"},
		}
		for _, p := range s.Plan {
			for _, word := range want[p.Step] {
				if !strings.Contains(p.Description, word) {
					t.Errorf("%s: %q does not name %s", p.Step, p.Description, word)
				}
			}
			delete(want, p.Step)
			if p.Abort == "" || strings.Contains(p.Description, "%!") || strings.Contains(p.Description, "fairlead") {
				t.Errorf("%s: %+v", p.Step, p)
			}
		}
		if len(want) > 0 {
			t.Errorf("the plan lacks %v", want)
		}
	})
	t.Run("leaves out what is not wanted", func(t *testing.T) {
		s, _ := plan(t, newOutside(), "switchover", map[string]string{"database": "orders", "to": "eu-central", "approval": "false"})
		if slices.ContainsFunc(s.Plan, func(p runbooks.PlannedStep) bool { return p.Step == "approve" || p.Step == "hold" }) {
			t.Errorf("plan = %+v, want neither approve nor hold", s.Plan)
		}
	})
	t.Run("has the hash of what it says", func(t *testing.T) {
		first, _ := plan(t, newOutside(), "switchover", move)
		again, _ := plan(t, newOutside(), "switchover", move)
		if first.PlanHash != again.PlanHash {
			t.Error("the same plan twice has two hashes")
		}
		for name, change := range map[string]func(*outside){
			"another epoch":        func(o *outside) { o.epoch.Number++ },
			"another server":       func(o *outside) { o.dsn = "host=127.10.0.9 port=5433" },
			"another time to live": func(o *outside) { o.ttl = time.Minute },
		} {
			o := newOutside()
			change(o)
			if other, _ := plan(t, o, "switchover", move); other.PlanHash == first.PlanHash {
				t.Errorf("%s gives the same hash", name)
			}
		}
	})
	t.Run("knows what would refuse it now, and changes nothing", func(t *testing.T) {
		o := newOutside()
		o.refuse["preflight"] = fault.Conflictf("database orders", "not ready")
		o.result["preflight"] = providers.Result{State: providers.NotDone, Values: map[string]string{
			"checks": `[{"name":"slot","ok":false,"detail":"missing","remedy":"create it"},{"name":"role","ok":true},{"name":"lag","ok":false,"detail":"too much","remedy":"wait"}]`}}
		o.lag["bytes_max"], o.lag["seconds_max"] = "99999999", "1"
		o.running = "run-0"
		_, refusals := plan(t, o, "failover", move)
		var got []string
		for _, r := range refusals {
			got = append(got, r.Problem)
		}
		if len(refusals) != 4 || !strings.Contains(strings.Join(got, "|"), "run run-0 has it in hand|slot: missing|lag: too much|a promotion would lose") {
			t.Errorf("refusals = %q, want the lock, both failed checks, and the loss", got)
		}
		for _, r := range o.requests {
			if !r.DryRun && r.Action != "lag" {
				t.Errorf("planning acted: %+v", r)
			}
		}
	})
	t.Run("refuses the writer as its own successor", func(t *testing.T) {
		_, refusals := plan(t, newOutside(), "failover", map[string]string{"database": "orders", "to": "us-east"})
		if len(refusals) == 0 || !strings.Contains(refusals[0].Problem, "writer already") {
			t.Errorf("refusals = %+v", refusals)
		}
	})
	for name, tt := range map[string]struct {
		runbook string
		ask     steps.Ask
		want    fault.Kind
		says    string
	}{
		"a database that is not there":  {"switchover", steps.Ask{Params: map[string]string{"database": "carts", "to": "eu-central"}}, fault.NotFound, "use one of orders"},
		"a region that is not there":    {"switchover", steps.Ask{Params: map[string]string{"database": "orders", "to": "mars"}}, fault.NotFound, "us-east"},
		"a region without a member":     {"switchover", steps.Ask{Params: map[string]string{"database": "orders", "to": "ap-south"}}, fault.NotFound, "no member in ap-south"},
		"a missing parameter":           {"switchover", steps.Ask{}, fault.Invalid, "database is missing; to is missing"},
		"a lost writer that must agree": {"switchover", steps.Ask{Params: move, Ungraceful: true}, fault.Invalid, "failover"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, _, err := newOutside().set().Plan(t.Context(), book(t, tt.runbook), tt.ask)
			if !fault.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Plan = %v, want %v that says %q", err, tt.want, tt.says)
			}
		})
	}
}

func TestEveryKindSaysWhatItIs(t *testing.T) {
	for name, k := range steps.Kinds() {
		if k.About == "" {
			t.Errorf("%s says nothing about itself", name)
		}
	}
}
