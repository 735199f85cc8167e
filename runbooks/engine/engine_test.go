package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

func outcomeOf(t *testing.T, m *memory, id runbooks.ExecutionID) runbooks.Outcome {
	t.Helper()
	x := m.fold(t, id)
	o, _, ended := x.Ended()
	if !ended {
		events, _ := m.Read(t.Context(), id)
		t.Fatalf("run %s has not ended, it is %s: %s%s", id, x.State(), x.Sentence(), story(events))
	}
	return o
}

func TestSwitchoverDoesEachActOnceAndWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.delay = 10 * time.Millisecond
		stop := run(t, m, w, "a")
		defer stop()
		began := time.Now()
		begin(t, m, w, "run-1", "switchover", toCentral)
		time.Sleep(time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone {
			t.Fatalf("outcome = %s, want done", got)
		}
		for _, act := range []string{"fence", "promote", "repoint", "slot", "reprotect"} {
			if n := w.count()[act]; n != 1 {
				t.Errorf("%s happened %d times, want once", act, n)
			}
		}
		x := m.fold(t, "run-1")
		_, ended, _ := x.Ended()
		// Nine acts of 10 ms, one of them the rehearsal of the plan.
		if took := ended.Sub(began); took > 10*w.delay {
			t.Errorf("the run took %v, want no more than its acts: an engine does not sleep between steps", took)
		}
		if e := x.Epoch(); e != (regions.Epoch{Incarnation: 1, Number: 8, Writer: "eu-central"}) {
			t.Errorf("the run knows epoch %s, want 1.8 eu-central", e)
		}
		if r, ok := x.Receipt(); !ok || r.BytesMax == nil || *r.BytesMax != 512 || *r.SecondsMax != 0.2 {
			t.Errorf("receipt = %+v, want 512 bytes and 0.2 s", r)
		}
	})
}

func TestARunWaitsForAnotherPersonAndWakesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		defer run(t, m, w, "a")()
		begin(t, m, w, "run-1", "failover", map[string]string{"database": "orders", "to": "eu-central"})
		time.Sleep(time.Hour)
		if x := m.fold(t, "run-1"); x.State() != runbooks.RunAwaiting || w.count()["fence"] != 0 {
			t.Fatalf("after an hour the run is %s, and fenced %d times; want it to await approval", x.State(), w.count()["fence"])
		}
		m.ask(t, "run-1", runbooks.OpApprove, "bert")
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone {
			t.Errorf("outcome = %s, want done", got)
		}
	})
}

// TestACrashAtEveryJournalPositionLosesAndRepeatsNothing kills the engine
// right after each event it journals, for each shipped runbook, and lets
// another one go on.
func TestACrashAtEveryJournalPositionLosesAndRepeatsNothing(t *testing.T) {
	books := map[string]map[string]string{
		"switchover": toCentral,
		"failover":   toCentral,
		"reprotect":  {"database": "orders", "region": "eu-central"},
	}
	for name, params := range books {
		for position := 2; ; position++ {
			reached := false
			t.Run(fmt.Sprintf("%s/%d", name, position), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { reached = crashAt(t, name, params, position) })
			})
			if !reached {
				break
			}
		}
	}
}

func crashAt(t *testing.T, name string, params map[string]string, position int) (reached bool) {
	m, w := newMemory(), newWorld()
	w.delay = time.Millisecond
	begin(t, m, w, "run-1", name, params)
	m.written = func(at runbooks.Position) {
		if at == runbooks.Position(position) {
			reached = true
			m.depose()
		}
	}
	stop := run(t, m, w, "a")
	time.Sleep(100 * time.Millisecond)
	stop()
	if reached {
		m.written = nil
		began := time.Now()
		stop = run(t, m, w, "b")
		time.Sleep(time.Second)
		stop()
		_, ended, _ := m.fold(t, "run-1").Ended()
		if ended.Sub(began) > time.Second {
			t.Errorf("the run went on for %v after the crash, want less than a second", ended.Sub(began))
		}
	}
	if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone {
		t.Errorf("outcome = %s, want done", got)
	}
	for act, n := range w.count() {
		if changing[act] && n != 1 || act == "repoint" && n != 1 {
			events, _ := m.Read(t.Context(), "run-1")
			t.Errorf("%s happened %d times, want once%s", act, n, story(events))
		}
	}
	return reached
}

func TestAnActThatHappenedBeforeTheCrashIsObservedNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", toCentral)
		w.onAct(func(action string) {
			if action == "promote" {
				m.depose() // the act goes on, its outcome reaches no journal
			}
		})
		stop := run(t, m, w, "a")
		time.Sleep(time.Second)
		stop()
		w.onAct(nil)
		defer run(t, m, w, "b")()
		time.Sleep(time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone {
			t.Fatalf("outcome = %s, want done", got)
		}
		if n := w.count()["promote"]; n != 1 {
			t.Errorf("promoted %d times, want once", n)
		}
		for _, v := range m.fold(t, "run-1").Steps() {
			if v.Step == "promote" && (v.Interruptions != 1 || !strings.Contains(v.Detail, "observed after an interruption")) {
				t.Errorf("promote shows %d interruptions and %q, want one, and that it was observed", v.Interruptions, v.Detail)
			}
		}
	})
}

func TestWhatCannotBeSeenAfterACrashIsLookedAtUntilAPersonIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", toCentral)
		w.onAct(func(action string) {
			if action == "promote" {
				m.depose()
			}
		})
		stop := run(t, m, w, "a")
		time.Sleep(time.Second)
		stop()
		w.onAct(nil)
		w.hide("promote", true)
		defer run(t, m, w, "b")()
		time.Sleep(time.Minute)
		if x := m.fold(t, "run-1"); x.State() != runbooks.RunBlocked || x.Current() != "promote" {
			t.Fatalf("the run is %s at %s, want blocked at promote", x.State(), x.Current())
		}
		w.hide("promote", false)
		m.ask(t, "run-1", runbooks.OpRetry, "bert")
		time.Sleep(time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone || w.count()["promote"] != 1 {
			t.Errorf("outcome = %s after %d promotions, want done after one", got, w.count()["promote"])
		}
	})
}

func TestIfReplayNeverComesTheOldWriterIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.fail["wait_replay"] = fault.Conflictf("orders", "the last checkpoint does not come")
		defer run(t, m, w, "a")()
		begin(t, m, w, "run-1", "switchover", toCentral)
		time.Sleep(time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeUndone {
			t.Fatalf("outcome = %s, want undone", got)
		}
		if c := w.count(); c["unfence"] != 1 || c["promote"] != 0 {
			t.Errorf("unfenced %d times, promoted %d times; want once and never", c["unfence"], c["promote"])
		}
	})
}

func TestAFenceThatIsRefusedEndsTheRunWithNothingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.fail["fence"] = fault.Deniedf("orders", "the agent does not know this node")
		defer run(t, m, w, "a")()
		begin(t, m, w, "run-1", "switchover", toCentral)
		time.Sleep(time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeRefused {
			t.Errorf("outcome = %s, want refused", got)
		}
	})
}

func TestAPromotionThatBeganNothingGivesTheOldWriterBack(t *testing.T) {
	for name, why := range map[string]error{
		"refused":      fault.Conflictf("orders", "the old writer is not fenced"),
		"out of reach": fault.Unavailablef("orders", "the standby does not answer"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, w := newMemory(), newWorld()
				w.fail["promote"] = why
				w.hide("promote", true) // there is nobody to ask, and no need to
				defer run(t, m, w, "a")()
				begin(t, m, w, "run-1", "switchover", toCentral)
				time.Sleep(time.Second)
				if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeUndone || w.is("fence") {
					t.Errorf("outcome = %s, fenced: %v; want undone, and the old writer free", got, w.is("fence"))
				}
			})
		})
	}
}

func TestAFenceThatBeganNothingIsTriedAgainAndThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.fail["fence"] = fault.Unavailablef("orders", "another verb is still under way")
		tries := 0
		w.onAct(func(action string) {
			if action == "fence" {
				tries++
			}
		})
		defer run(t, m, w, "a")()
		begin(t, m, w, "run-1", "failover", toCentral)
		time.Sleep(time.Minute)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeRefused || tries != 3 {
			t.Errorf("outcome = %s after %d tries, want refused after three: nothing was changed", got, tries)
		}
	})
}

func TestAFailedVerificationIsRetriedWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.fail["verify_writable"] = errors.New("connection refused")
		var tries []time.Time
		w.onAct(func(action string) {
			if action == "verify_writable" {
				tries = append(tries, time.Now())
			}
		})
		defer run(t, m, w, "a")()
		begin(t, m, w, "run-1", "switchover", toCentral)
		time.Sleep(time.Minute)
		if x := m.fold(t, "run-1"); x.State() != runbooks.RunBlocked || x.Current() != "verify-writable" {
			t.Fatalf("the run is %s at %s, want blocked at verify-writable", x.State(), x.Current())
		}
		if len(tries) != 4 {
			t.Fatalf("tried %d times, want once and three retries", len(tries))
		}
		for i, base := 1, 100*time.Millisecond; i < len(tries); i, base = i+1, base*2 {
			if pause := tries[i].Sub(tries[i-1]); pause < base*3/4 || pause > base*5/4 {
				t.Errorf("pause %d was %v, want %v give or take a quarter", i, pause, base)
			}
		}
	})
}

func TestAStepEndsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		w.delay = time.Hour
		rb, problems := runbooks.Parse("t.yaml", "runbook: slow\nversion: 1\ntitle: Slow\nparams: {database: {type: database, required: true}, to: {type: region}}\nsteps: [{id: look, kind: postgres.status, timeout: 3s}]\n", steps.Kinds())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		defer run(t, m, w, "a")()
		began := time.Now()
		beginBook(t, m, w, "run-1", rb, map[string]string{"database": "orders", "to": "eu-central"})
		time.Sleep(time.Minute)
		x := m.fold(t, "run-1")
		o, ended, _ := x.Ended()
		if took := ended.Sub(began); o != runbooks.OutcomeRefused || took != 3*time.Second {
			t.Errorf("ended as %s after %v, want refused after exactly 3s", o, took)
		}
		if s := x.Sentence(); !strings.Contains(s, "its time of 3s is up") {
			t.Errorf("Sentence() = %q, want it to say that its time was up", s)
		}
	})
}

func TestALostLeadershipStopsTheStepAndWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", toCentral)
		w.delay = 10 * time.Second
		stop := run(t, m, w, "a")
		time.Sleep(time.Second)
		before := m.fold(t, "run-1").Position()
		began := time.Now()
		stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("Run returned %v after its leadership ended, want at once", took)
		}
		if after := m.fold(t, "run-1").Position(); after != before {
			t.Errorf("%d events were written after the leadership ended", after-before)
		}
		if w.inUse != 0 {
			t.Errorf("%d acts are still going on", w.inUse)
		}
	})
}

func TestAnAppendWhoseAnswerWasLostIsNotDoneTwice(t *testing.T) {
	for failing := 1; failing <= 20; failing++ {
		for _, lost := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				m, w := newMemory(), newWorld()
				begin(t, m, w, "run-1", "switchover", toCentral)
				m.failures = make([]error, failing)
				m.failures[failing-1] = fault.Unavailablef("store", "no quorum")
				m.lost = lost
				if !lost {
					m.failures = m.failures[failing-1:]
				}
				defer run(t, m, w, "a")()
				time.Sleep(10 * time.Second)
				if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeDone {
					t.Fatalf("append %d failed (written all the same: %v): outcome = %s, want done", failing, lost, got)
				}
				if n := w.count()["promote"]; n != 1 {
					t.Errorf("append %d failed (written all the same: %v): promoted %d times, want once", failing, lost, n)
				}
			})
		}
	}
}

func TestRunsDoNotWaitForEachOtherAndParallelStepsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		rb, problems := runbooks.Parse("t.yaml", `
runbook: group
version: 1
title: Group
params: {database: {type: database, required: true}, to: {type: region}}
steps:
  - id: both
    parallel:
      - {id: left, kind: postgres.status}
      - {id: right, kind: postgres.status}
`, steps.Kinds())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, id := range []runbooks.ExecutionID{"run-1", "run-2", "run-3"} {
			beginBook(t, m, w, id, rb, map[string]string{"database": "orders", "to": "eu-central"})
		}
		w.delay = time.Second
		defer run(t, m, w, "a")()
		time.Sleep(time.Second + time.Millisecond)
		for _, id := range []runbooks.ExecutionID{"run-1", "run-2", "run-3"} {
			if got := outcomeOf(t, m, id); got != runbooks.OutcomeDone {
				t.Errorf("%s = %s, want done after one second", id, got)
			}
		}
		if w.most != 6 {
			t.Errorf("%d acts went on at once, want 6", w.most)
		}
	})
}

func TestAbortDuringTheFenceTakesItBackOnceItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", toCentral)
		w.delay = 100 * time.Millisecond
		defer run(t, m, w, "a")()
		w.onAct(func(action string) {
			if action == "fence" {
				go func() {
					if err := m.try("run-1", runbooks.OpAbort, "bert"); err != nil {
						t.Errorf("abort: %v", err)
					}
				}()
			}
		})
		time.Sleep(10 * time.Second)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeUndone {
			t.Errorf("outcome = %s, want undone", got)
		}
		if c := w.count(); c["fence"] != 1 || c["unfence"] != 1 || w.is("fence") {
			t.Errorf("fenced %d times, unfenced %d times, fenced now: %v", c["fence"], c["unfence"], w.is("fence"))
		}
	})
}

func TestAStaleRunIsRefusedByItsEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", map[string]string{"database": "orders", "to": "eu-central"})
		stop := run(t, m, w, "a")
		time.Sleep(time.Second)
		stop() // frozen for ten minutes, while somebody else moves the writer
		w.epoch = w.epoch.Next("eu-central")
		time.Sleep(10 * time.Minute)
		defer run(t, m, w, "a")()
		m.ask(t, "run-1", runbooks.OpApprove, "bert")
		time.Sleep(time.Minute)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeRefused {
			t.Errorf("outcome = %s, want refused", got)
		}
		if c := w.count(); c["fence"]+c["promote"] != 0 {
			t.Errorf("a run of an older epoch fenced %d times and promoted %d times", c["fence"], c["promote"])
		}
	})
}

func TestAPanickingStepDoesNotTakeTheNodeWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(), newWorld()
		begin(t, m, w, "run-1", "switchover", toCentral)
		w.onAct(func(action string) {
			if action == "quiesce" {
				panic("a bug")
			}
		})
		defer run(t, m, w, "a")()
		time.Sleep(time.Minute)
		if got := outcomeOf(t, m, "run-1"); got != runbooks.OutcomeRefused {
			t.Errorf("outcome = %s, want refused", got)
		}
	})
}
