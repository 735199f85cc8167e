package runbooks_test

import (
	"strings"
	"testing"
	"time"

	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// move is a switchover in small.
const move = `
runbook: move
version: 1
title: Move
on_failure: undo
steps:
  - {id: check, kind: look}
  - {id: agree, kind: approve}
  - id: fence
    kind: fence
    compensate: {kind: unfence, retries: 1, backoff: 1s}
  - id: replay
    kind: wait
    with:
      lsn: ${fence.lsn}
    retries: 1
    backoff: 1s
  - {id: promote, kind: promote, no_return: true}
  - {id: repoint, kind: repoint}
  - {id: protect, kind: change}
`

func (m *machine) fenced() *machine {
	m.Helper()
	m.does("check", runbooks.Succeeded)
	m.state(runbooks.RunAwaiting)
	m.asks(runbooks.OpApprove, "bert", "")
	r := m.next()
	m.must(intent(r))
	ev := outcome(r, runbooks.Succeeded)
	ev.Values = map[string]string{"lsn": "0/30"}
	m.must(ev)
	return m
}

func TestARunDoesItsStepsInOrderAndEndsDone(t *testing.T) {
	m := started(t, move).fenced()
	if got := m.next().Spec.With["lsn"]; got != "0/30" {
		t.Errorf("the value of fence reaches replay as %q, want 0/30", got)
	}
	m.does("replay", runbooks.Succeeded)
	m.does("promote", runbooks.Succeeded)
	m.does("repoint", runbooks.Succeeded)
	m.does("protect", runbooks.Succeeded)
	m.ends(runbooks.OutcomeDone)
}

func TestFailureBeforeAnythingChangedEndsRefused(t *testing.T) {
	for _, o := range []runbooks.StepOutcome{runbooks.Failed, runbooks.Refused} {
		m := started(t, move)
		m.does("check", o)
		m.ends(runbooks.OutcomeRefused)
	}
}

func TestAFenceThatRefusedChangedNothing(t *testing.T) {
	m := started(t, move)
	m.does("check", runbooks.Succeeded)
	m.asks(runbooks.OpApprove, "bert", "")
	m.does("fence", runbooks.Refused)
	m.ends(runbooks.OutcomeRefused)
}

func TestFailureBetweenFenceAndPromotionIsUndone(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Failed)
	if len(m.runnable()) != 0 {
		t.Fatal("replay is tried again at once, want a pause")
	}
	m.now = m.now.Add(2 * time.Second)
	m.does("replay", runbooks.Failed)
	m.state(runbooks.RunUndoing)
	if r := m.next(); r.Step != "fence" || !r.Compensating || r.Spec.Kind != "unfence" {
		t.Fatalf("Next = %+v, want fence to be compensated by unfence", r)
	}
	m.does("fence", runbooks.Succeeded)
	if got := m.step("fence").State; got != runbooks.StepCompensated {
		t.Errorf("fence is %s, want compensated", got)
	}
	m.ends(runbooks.OutcomeUndone)
}

func TestAFenceThatFailedHalfWayIsUndoneToo(t *testing.T) {
	m := started(t, move)
	m.does("check", runbooks.Succeeded)
	m.asks(runbooks.OpApprove, "bert", "")
	m.does("fence", runbooks.Failed)
	m.state(runbooks.RunUndoing)
	m.does("fence", runbooks.Succeeded)
	m.ends(runbooks.OutcomeUndone)
}

func TestAPromotionThatRefusedIsNoPointOfNoReturn(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	m.does("promote", runbooks.Refused)
	m.state(runbooks.RunUndoing)
	m.does("fence", runbooks.Succeeded)
	m.ends(runbooks.OutcomeUndone)
}

func TestAPromotionThatFailedBeforeItBeganIsNoPointOfNoReturn(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	r := m.next()
	m.must(intent(r))
	ev := outcome(r, runbooks.Failed)
	ev.Untouched = true
	m.must(ev)
	m.state(runbooks.RunUndoing)
	m.does("fence", runbooks.Succeeded)
	m.ends(runbooks.OutcomeUndone)
}

func TestNothingIsUndonePastThePointOfNoReturn(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	m.does("promote", runbooks.Failed)
	m.state(runbooks.RunBlocked)
	if l := m.x.Abort(); !l.Possible || l.Outcome != runbooks.OutcomeStopped {
		t.Errorf("Abort() = %+v, want possible and stopped", l)
	}
	m.asks(runbooks.OpAbort, "bert", "")
	m.ends(runbooks.OutcomeStopped)
}

func TestABlockedStepCanBeRetriedUnderANewKey(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	first := m.next().Key
	m.does("promote", runbooks.Failed)
	m.asks(runbooks.OpRetry, "bert", "promote")
	if r := m.next(); r.Attempt != 2 || r.Key == first || r.Settle {
		t.Errorf("after a failure that was seen Next = %+v, want attempt 2 under a key other than %s", r, first)
	}
	m.does("promote", runbooks.Succeeded)
	m.state(runbooks.RunRunning)
}

func TestAnInterruptedStepGoesOnUnderItsKey(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	r := m.next()
	m.must(intent(r))
	interrupted := intent(r)
	interrupted.Kind = runbooks.Interrupted
	m.must(interrupted)
	if got := m.step("promote").State; got != runbooks.StepUnknown {
		t.Errorf("promote is %s, want unknown", got)
	}
	again := m.next()
	if again.Key != r.Key || again.Attempt != 1 || !again.Settle {
		t.Errorf("Next = %+v, want attempt 1 under %s again, looking first", again, r.Key)
	}
	m.does("promote", runbooks.Succeeded)
	if v := m.step("promote"); v.Attempts != 1 || v.Interruptions != 1 {
		t.Errorf("promote shows %d attempts and %d interruptions, want 1 and 1", v.Attempts, v.Interruptions)
	}
}

func TestAnUnknownOutcomeIsLookedAtAgainAndThenBlocks(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	key := m.next().Key
	for range 4 {
		if r := m.next(); r.Key != key {
			t.Fatalf("an unknown outcome goes on under %s, want %s", r.Key, key)
		}
		m.does("promote", runbooks.Unclear)
		m.now = m.now.Add(time.Minute)
	}
	m.state(runbooks.RunBlocked)
	m.asks(runbooks.OpRetry, "bert", "promote")
	if r := m.next(); r.Key != key || !r.Settle {
		t.Errorf("retry of an unknown outcome = %+v, want another look under %s", r, key)
	}
}

func TestAValueThatNoStepGaveIsNamed(t *testing.T) {
	m := started(t, move)
	m.does("check", runbooks.Succeeded)
	m.asks(runbooks.OpApprove, "bert", "")
	m.does("fence", runbooks.Succeeded) // without its lsn
	if r := m.next(); len(r.Missing) != 1 || r.Missing[0] != "${fence.lsn}" {
		t.Errorf("Missing = %v, want [${fence.lsn}]", r.Missing)
	}
}

func TestApproval(t *testing.T) {
	tests := []struct {
		name, by, hash string
		want           fault.Kind
		ok             bool
	}{
		{"another person may approve", "bert", "plan", 0, true},
		{"whoever started it may not", "anna", "plan", fault.Denied, false},
		{"nor under another spelling", "Anna", "plan", fault.Denied, false},
		{"a machine may not", "engine@a", "plan", fault.Denied, false},
		{"another plan's approval is void", "bert", "older plan", fault.Conflict, false},
		{"nobody may not", "", "plan", fault.Invalid, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := started(t, move)
			m.does("check", runbooks.Succeeded)
			err := m.x.Apply(runbooks.Event{Kind: runbooks.Approved, At: m.now, Principal: tt.by, Step: "agree", PlanHash: tt.hash})
			if (err == nil) != tt.ok || err != nil && !fault.Is(err, tt.want) {
				t.Errorf("approval by %q of %q = %v, want accepted = %v (or %v)", tt.by, tt.hash, err, tt.ok, tt.want)
			}
		})
	}
}

func TestTwoApprovalsTakeTwoPeople(t *testing.T) {
	m := started(t, "runbook: two\nversion: 1\ntitle: Two\nsteps: [{id: agree, kind: approve, approvals: 2}, {id: act, kind: change}]\n")
	m.asks(runbooks.OpApprove, "bert", "agree")
	if err := m.ask(runbooks.OpApprove, "bert", "agree"); !fault.Is(err, fault.Conflict) {
		t.Errorf("bert's second approval = %v, want a conflict", err)
	}
	m.state(runbooks.RunAwaiting)
	if s := m.x.Sentence(); !strings.Contains(s, "1 of 2") {
		t.Errorf("Sentence() = %q, want it to say 1 of 2", s)
	}
	m.asks(runbooks.OpApprove, "cora", "agree")
	m.does("act", runbooks.Succeeded)
	m.ends(runbooks.OutcomeDone)
}

func TestDecliningChangesNothing(t *testing.T) {
	m := started(t, move)
	m.does("check", runbooks.Succeeded)
	m.asks(runbooks.OpDecline, "bert", "")
	m.ends(runbooks.OutcomeRefused)
}

func TestPauseLandsAtAStepBoundary(t *testing.T) {
	m := started(t, move).fenced()
	r := m.next()
	m.must(intent(r))
	m.asks(runbooks.OpPause, "bert", "")
	m.must(outcome(r, runbooks.Succeeded))
	m.state(runbooks.RunPaused)
	if next := m.x.Next(m.now); len(next) != 0 {
		t.Errorf("a paused run has %v to do", next)
	}
	m.asks(runbooks.OpResume, "bert", "")
	m.does("promote", runbooks.Succeeded)
}

func TestAbortWaitsForWhatIsInFlight(t *testing.T) {
	m := started(t, move)
	m.does("check", runbooks.Succeeded)
	m.asks(runbooks.OpApprove, "bert", "")
	r := m.next()
	m.must(intent(r))
	m.asks(runbooks.OpAbort, "bert", "")
	if next := m.x.Next(m.now); len(next) != 0 {
		t.Fatalf("while fence is in flight an aborted run has %v to do, want nothing", next)
	}
	m.must(outcome(r, runbooks.Succeeded))
	m.does("fence", runbooks.Succeeded)
	m.ends(runbooks.OutcomeUndone)
}

func TestAbortPastThePointOfNoReturnSaysWhatToDoInstead(t *testing.T) {
	m := started(t, move).fenced()
	m.does("replay", runbooks.Succeeded)
	m.must(intent(m.next()))
	err := m.ask(runbooks.OpAbort, "bert", "")
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "let it finish") {
		t.Errorf("abort while promote is in flight = %v, want a conflict that says what to do", err)
	}
}

func TestWhatOthersRelyOnIsNeverSkipped(t *testing.T) {
	m := started(t, strings.ReplaceAll(move, "on_failure: undo", "on_failure: block"))
	if err := m.ask(runbooks.OpSkip, "bert", "check"); !fault.Is(err, fault.Denied) {
		t.Errorf("skip of check = %v, want denied", err)
	}
	m.does("check", runbooks.Succeeded)
	if err := m.ask(runbooks.OpSkip, "bert", "agree"); !fault.Is(err, fault.Denied) {
		t.Errorf("skip of an approval = %v, want denied", err)
	}
	m.asks(runbooks.OpApprove, "bert", "")
	m.does("fence", runbooks.Failed)
	m.state(runbooks.RunBlocked)
	if err := m.ask(runbooks.OpSkip, "bert", "fence"); !fault.Is(err, fault.Denied) {
		t.Errorf("skip of the fence = %v, want denied", err)
	}
}

func TestAStepThatOnlyWaitsCanBeSkippedWhileItWaits(t *testing.T) {
	m := started(t, move).fenced()
	r := m.next()
	m.must(intent(r))
	m.asks(runbooks.OpSkip, "bert", "replay")
	if err := m.x.Apply(outcome(r, runbooks.Succeeded)); !fault.Is(err, fault.Conflict) {
		t.Errorf("the late outcome of a skipped step = %v, want a conflict", err)
	}
	m.does("promote", runbooks.Succeeded)
}

func TestACompensationThatFailsForGoodBlocksAndThenStops(t *testing.T) {
	for _, op := range []runbooks.Operation{runbooks.OpSkip, runbooks.OpAbort} {
		m := started(t, move).fenced()
		m.asks(runbooks.OpAbort, "bert", "")
		m.does("fence", runbooks.Failed)
		m.now = m.now.Add(time.Minute)
		m.does("fence", runbooks.Failed)
		m.state(runbooks.RunBlocked)
		m.asks(op, "bert", "fence")
		m.ends(runbooks.OutcomeStopped)
	}
}

func TestStepsOfAParallelGroupRunAtOnceAndTheGroupWaitsForAll(t *testing.T) {
	m := started(t, `
runbook: group
version: 1
title: Group
steps:
  - id: both
    parallel:
      - {id: left, kind: change, compensate: {kind: unfence}}
      - id: right
        sequence:
          - {id: first, kind: change, compensate: {kind: unfence}}
          - {id: second, kind: wait}
  - {id: after, kind: wait}
`)
	steps := m.runnable()
	if len(steps) != 2 || steps[0].Step != "left" || steps[1].Step != "first" {
		t.Fatalf("Next = %+v, want left and first", steps)
	}
	m.must(intent(steps[0]))
	m.must(intent(steps[1]))
	m.must(outcome(steps[1], runbooks.Succeeded))
	m.does("second", runbooks.Succeeded)
	if next := m.x.Next(m.now); len(next) != 0 {
		t.Fatalf("while left is in flight Next = %v, want nothing", next)
	}
	m.must(outcome(steps[0], runbooks.Succeeded))
	if got := m.next().Step; got != "after" {
		t.Fatalf("Next runs %s, want after", got)
	}
	m.asks(runbooks.OpAbort, "bert", "")
	m.does("first", runbooks.Succeeded) // undone backwards: it was begun last
	m.does("left", runbooks.Succeeded)
	m.ends(runbooks.OutcomeUndone)
}

func TestAfterATakeOverNoWaitDependsOnAnotherMachinesClock(t *testing.T) {
	m := started(t, move).fenced()
	m.now = m.now.Add(time.Hour) // the clock of the node that failed was an hour ahead
	m.does("replay", runbooks.Failed)
	m.now = m.now.Add(-time.Hour)
	m.x.Rebase(m.now)
	m.now = m.now.Add(2 * time.Second)
	if got := m.next().Step; got != "replay" {
		t.Errorf("Next runs %q, want replay after its own pause", got)
	}
}
