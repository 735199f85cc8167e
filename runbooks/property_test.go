package runbooks_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fairlead/runbooks"
)

// branching has everything that a runbook can have.
const branching = `
runbook: branching
version: 1
title: Branching
on_failure: %s
steps:
  - {id: check, kind: look, retries: 1}
  - {id: agree, kind: approve, approvals: 2}
  - id: fences
    parallel:
      - id: fence
        kind: fence
        compensate: {kind: unfence, retries: 1}
      - {id: idle, kind: wait, retries: 1}
      - id: side
        sequence:
          - {id: ask, kind: approve} # beside others that go on
          - {id: tell, kind: wait}
          - {id: move, kind: change, retries: 1, compensate: {kind: unfence}}
  - {id: promote, kind: promote, no_return: true, retries: 1}
  - {id: repoint, kind: repoint}
  - {id: agree-again, kind: approve}
  - {id: protect, kind: change}
`

var stepIDs = []runbooks.StepID{"", "check", "agree", "fence", "tell", "ask", "idle", "move", "promote", "repoint", "agree-again", "protect", "fences", "nothing"}

var eventKinds = []runbooks.EventKind{runbooks.Started, runbooks.Approved, runbooks.Declined, runbooks.Intended, runbooks.Finished, runbooks.Interrupted,
	runbooks.Paused, runbooks.Resumed, runbooks.Retried, runbooks.Skipped, runbooks.Aborted, runbooks.Ended, "nonsense"}

// random draws an event: mostly one that could follow, sometimes any at all.
func random(t *rapid.T, x *runbooks.Execution, now time.Time) runbooks.Event {
	ev := runbooks.Event{At: now, Principal: rapid.SampledFrom([]string{"anna", "bert", "cora", "dora", "engine@a"}).Draw(t, "by"), Reason: "because", PlanHash: "plan"}
	switch rapid.IntRange(0, 9).Draw(t, "sort") {
	case 0: // anything
		ev.Kind = rapid.SampledFrom(eventKinds).Draw(t, "kind")
		ev.Step = rapid.SampledFrom(stepIDs).Draw(t, "step")
		ev.Attempt = rapid.IntRange(0, 3).Draw(t, "attempt")
		ev.Key = fmt.Sprintf("run-1/%s/%d", ev.Step, ev.Attempt)
		ev.Compensating = rapid.Bool().Draw(t, "compensating")
		ev.Outcome = rapid.SampledFrom([]runbooks.StepOutcome{"", runbooks.Succeeded, runbooks.Failed, runbooks.Refused, runbooks.Unclear}).Draw(t, "outcome")
		ev.Result = rapid.SampledFrom([]runbooks.Outcome{"", runbooks.OutcomeDone, runbooks.OutcomeRefused, runbooks.OutcomeUndone, runbooks.OutcomeStopped}).Draw(t, "result")
	case 1, 2: // a person
		allowed := x.Allowed()
		if len(allowed) == 0 {
			ev.Kind = runbooks.Paused
			break
		}
		op := rapid.SampledFrom(allowed).Draw(t, "op")
		if (op == runbooks.OpAbort || op == runbooks.OpDecline) && rapid.IntRange(0, 7).Draw(t, "really") > 0 {
			op = allowed[0]
		}
		ev, _ = x.Propose(runbooks.Ask{Operation: op, By: ev.Principal, Reason: "because"}, now)
	case 3, 4, 5, 6: // what is in flight ends
		flights := x.InFlight()
		if len(flights) == 0 {
			return offered(x, now, ev)
		}
		f := rapid.SampledFrom(flights).Draw(t, "flight")
		ev.Kind, ev.Step, ev.Attempt, ev.Key, ev.Compensating = runbooks.Finished, f.Step, f.Attempt, f.Key, f.Compensating
		ev.Outcome = rapid.SampledFrom([]runbooks.StepOutcome{runbooks.Succeeded, runbooks.Succeeded, runbooks.Succeeded, runbooks.Failed, runbooks.Refused, runbooks.Unclear}).Draw(t, "outcome")
		ev.Untouched = rapid.Bool().Draw(t, "untouched")
		if rapid.IntRange(0, 5).Draw(t, "crash") == 0 {
			ev.Kind, ev.Outcome = runbooks.Interrupted, ""
		}
	default:
		return offered(x, now, ev)
	}
	return ev
}

// offered is what an engine would journal now.
func offered(x *runbooks.Execution, now time.Time, ev runbooks.Event) runbooks.Event {
	for _, c := range x.Next(now.Add(time.Hour)) {
		switch c := c.(type) {
		case runbooks.RunStep:
			return runbooks.Event{Kind: runbooks.Intended, At: now, Principal: "engine@a", Step: c.Step, Attempt: c.Attempt, Key: c.Key, Compensating: c.Compensating}
		case runbooks.Stop:
			return runbooks.Event{Kind: runbooks.Ended, At: now, Principal: "engine@a", Result: c.Outcome, Detail: c.Sentence}
		}
	}
	ev.Kind = runbooks.Resumed
	return ev
}

// fingerprint is everything that can be seen of an execution.
func fingerprint(x *runbooks.Execution, now time.Time) []any {
	return []any{x.Position(), x.State(), x.Steps(), x.Next(now), x.Allowed(), x.InFlight(), x.Sentence(), x.Abort(), x.Current()}
}

func TestWhateverHappensTheFoldIsSound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := fmt.Sprintf(branching, rapid.SampledFrom([]string{"undo", "block"}).Draw(rt, "on_failure"))
		x, now := runbooks.New("run-1"), t0
		first := written(t, text, nil)
		journal := []runbooks.Event{first}
		if err := x.Apply(first); err != nil {
			rt.Fatal(err)
		}
		intended := map[string]bool{}
		promoted := false
		for range rapid.IntRange(1, 80).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond)
			ev := random(rt, x, now)
			before := fingerprint(x, now)
			if !reflect.DeepEqual(before, fingerprint(x, now)) {
				rt.Fatalf("looking twice shows two things: %+v", before)
			}
			can := x.Can(ev)
			err := x.Apply(ev)
			switch {
			case (can == nil) != (err == nil):
				rt.Fatalf("Can(%+v) = %v, but Apply = %v", ev, can, err)
			case err != nil:
				if !reflect.DeepEqual(before, fingerprint(x, now)) {
					rt.Fatalf("refused event %+v changed the execution", ev)
				}
				continue
			}
			journal = append(journal, ev)
			check(rt, x, ev, intended, &promoted)
		}
		again, err := runbooks.Fold("run-1", journal)
		if err != nil {
			rt.Fatalf("the journal that was accepted does not fold: %v", err)
		}
		if got, want := fingerprint(again, now), fingerprint(x, now); !reflect.DeepEqual(got, want) {
			rt.Fatalf("folded again it is another execution:\n got %+v\nwant %+v", got, want)
		}
	})
}

// check holds after each event.
func check(t *rapid.T, x *runbooks.Execution, ev runbooks.Event, intended map[string]bool, promoted *bool) {
	switch ev.Kind {
	case runbooks.Intended:
		intended[ev.Key] = true
	case runbooks.Finished:
		if !intended[ev.Key] {
			t.Fatalf("%s finished under %s without a prior intent", ev.Step, ev.Key)
		}
		*promoted = *promoted || ev.Step == "promote" && !ev.Compensating && ev.Outcome == runbooks.Succeeded
	case runbooks.Ended:
		if ev.Result == runbooks.OutcomeUndone && *promoted {
			t.Fatalf("ended as undone after the promotion")
		}
	}
	sequential, compensating := 0, 0
	for _, f := range x.InFlight() {
		switch {
		case f.Compensating:
			compensating++
		case f.Step != "fence" && f.Step != "tell" && f.Step != "move" && f.Step != "idle":
			sequential++
		}
		if f.Compensating && *promoted {
			t.Fatalf("%s is being undone after the promotion", f.Step)
		}
	}
	if sequential > 1 || compensating > 1 || sequential > 0 && len(x.InFlight()) > 1 {
		t.Fatalf("in flight at once: %+v", x.InFlight())
	}
	states := map[runbooks.StepID]runbooks.StepView{}
	for _, v := range x.Steps() {
		states[v.Step] = v
	}
	if ev.Kind == runbooks.Intended && ev.Step == "promote" && states["fence"].State != runbooks.StepSucceeded {
		t.Fatalf("promote was begun while fence is %s", states["fence"].State)
	}
	if x.State() != runbooks.RunEnded && len(x.Allowed()) == 0 && len(x.InFlight()) == 0 && len(x.Next(ev.At)) == 0 {
		t.Fatalf("stuck: nothing in flight, nothing to do, nothing allowed in %s", x.State())
	}
}

func TestTheTableIsWhatApplyAccepts(t *testing.T) {
	rows := runbooks.Table()
	kinds := map[runbooks.Operation]runbooks.EventKind{runbooks.OpApprove: runbooks.Approved, runbooks.OpDecline: runbooks.Declined,
		runbooks.OpPause: runbooks.Paused, runbooks.OpResume: runbooks.Resumed, runbooks.OpRetry: runbooks.Retried,
		runbooks.OpSkip: runbooks.Skipped, runbooks.OpAbort: runbooks.Aborted}
	seen := map[string]bool{}
	unreached := func() (left []string) {
		for _, r := range rows {
			for _, op := range r.Allowed {
				if !seen[fmt.Sprint(r.State, op)] {
					left = append(left, fmt.Sprintf("%s in %s", op, r.State))
				}
			}
		}
		return left
	}
	histories := func(rt *rapid.T) {
		x, now := runbooks.New("run-1"), t0
		if err := x.Apply(written(t, fmt.Sprintf(branching, rapid.SampledFrom([]string{"undo", "block"}).Draw(rt, "on_failure")), nil)); err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(30, 150).Draw(rt, "events") {
			now = now.Add(time.Minute)
			if x.Apply(random(rt, x, now)) != nil {
				continue // nothing has changed
			}
			open := x.Allowed()
			for op, kind := range kinds {
				accepted := slices.ContainsFunc(stepIDs, func(s runbooks.StepID) bool {
					return x.Can(runbooks.Event{Kind: kind, At: now, Principal: "zoe", Reason: "because", Step: s, PlanHash: "plan"}) == nil
				})
				if allowed := slices.Contains(open, op); allowed != accepted {
					rt.Fatalf("%s in %s: allowed = %v, but accepted = %v", op, x.State(), allowed, accepted)
				}
				i := slices.IndexFunc(rows, func(r runbooks.Row) bool { return r.State == x.State() && slices.Contains(r.Allowed, op) })
				if accepted && i < 0 {
					rt.Fatalf("%s is accepted in %s, which is in no row of the table", op, x.State())
				}
				if accepted {
					seen[fmt.Sprint(x.State(), op)] = true
				}
			}
		}
	}
	// A hundred histories reach most of the table, but not always all of it.
	for range 10 {
		if rapid.Check(t, histories); len(unreached()) == 0 {
			return
		}
	}
	t.Errorf("the table allows what no history has reached: %v", unreached())
}

func TestWhereAnAbortLeavesTheWorldIsKnownBeforehand(t *testing.T) {
	plan := written(t, move, nil).Start.Plan
	for i, p := range plan {
		t.Run(string(p.Step), func(t *testing.T) {
			want := runbooks.WhereAbortLeaves(plan, p.Step)
			m := started(t, move)
			for _, done := range plan[:i+1] {
				if done.Kind == runbooks.ApproveKind {
					m.asks(runbooks.OpApprove, "bert", done.Step)
					continue
				}
				r := m.next()
				m.must(intent(r))
				ev := outcome(r, runbooks.Succeeded)
				ev.Values = map[string]string{"lsn": "0/30"}
				m.must(ev)
			}
			err := m.ask(runbooks.OpAbort, "bert", "")
			if (err == nil) != want.Possible {
				t.Fatalf("abort after %s = %v, want possible = %v (%s)", p.Step, err, want.Possible, want.Sentence)
			}
			if err != nil {
				return
			}
			var undone []runbooks.StepID
			for len(m.runnable()) > 0 {
				r := m.next()
				undone = append(undone, r.Step)
				m.must(intent(r))
				m.must(outcome(r, runbooks.Succeeded))
			}
			if !slices.Equal(undone, want.Undo) {
				t.Errorf("abort after %s undid %v, want %v as said beforehand", p.Step, undone, want.Undo)
			}
			m.ends(want.Outcome)
		})
	}
}
