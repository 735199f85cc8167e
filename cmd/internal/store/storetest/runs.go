package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// started is the first event of a run with one step.
func started(by string, database regions.DatabaseID) runbooks.Event {
	return runbooks.Event{
		Kind: runbooks.Started, At: time.Now().UTC(), Principal: by, Reason: "a test",
		Start: &runbooks.Start{
			Runbook:  runbooks.Runbook{Name: "switchover", Title: "Switch over", Steps: []runbooks.Spec{{ID: "look", Kind: "look"}}},
			Database: database, From: "us-east", To: "eu-central", PlanHash: "plan",
			Plan: []runbooks.PlannedStep{{Step: "look", Kind: "look"}},
		},
	}
}

func paused() runbooks.Event {
	return runbooks.Event{Kind: runbooks.Paused, At: time.Now().UTC(), Principal: "alice", Reason: "wait"}
}

func resumed() runbooks.Event {
	return runbooks.Event{Kind: runbooks.Resumed, At: time.Now().UTC(), Principal: "alice"}
}

func aborted() runbooks.Event {
	return runbooks.Event{Kind: runbooks.Aborted, At: time.Now().UTC(), Principal: "alice", Reason: "enough"}
}

// ending is the event that the run's own fold asks for.
func ending(t *testing.T, s *store.Store, id runbooks.ExecutionID) runbooks.Event {
	t.Helper()
	journal, err := s.Execution(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	x, err := runbooks.Fold(id, journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Next(time.Now()) {
		if stop, ok := c.(runbooks.Stop); ok {
			return runbooks.Event{Kind: runbooks.Ended, At: time.Now().UTC(), Principal: "engine@control-1", Result: stop.Outcome}
		}
	}
	t.Fatalf("run %s is %s and does not stop", id, x.State())
	panic("unreachable")
}

func runLocksDatabase(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	begin := started("alice", "orders")
	at, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", begin)
	if err != nil || at != 1 {
		t.Fatalf("start = %d, %v", at, err)
	}
	if at, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", begin); err != nil || at != 1 {
		t.Errorf("starting the same run again = %d, %v", at, err)
	}
	_, err = s.StartExecution(t.Context(), store.Lease{}, "run-1", started("bob", "orders"))
	wants(t, "another run of the same name", err, fault.Conflict)
	_, err = s.StartExecution(t.Context(), store.Lease{}, "run-2", started("bob", "orders"))
	wants(t, "a contrary run", err, fault.Conflict, "orders", "run-1", "alice")
	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-3", started("bob", "")); err != nil {
		t.Errorf("a run on no database: %v", err)
	}
	for _, step := range []func() runbooks.Event{aborted, func() runbooks.Event { return ending(t, s, "run-1") }} {
		if at, err = s.Append(t.Context(), store.Lease{}, "run-1", at, step()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-2", started("bob", "orders")); err != nil {
		t.Errorf("a run after the first has ended: %v", err)
	}
	runs, err := s.Executions(t.Context())
	if err != nil || len(runs) != 3 {
		t.Fatalf("runs = %+v, %v", runs, err)
	}
	for _, r := range runs {
		switch r.ID {
		case "run-1":
			if !r.Over() || r.Outcome != runbooks.OutcomeRefused || r.Position != 3 || r.By != "alice" || r.Database != "orders" || r.EndedAt.IsZero() {
				t.Errorf("the run that ended is listed as %+v", r)
			}
		default:
			if r.Over() {
				t.Errorf("%s is listed as over", r.ID)
			}
		}
	}
	mustVerify(t, s)
}

func journalPositions(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders")); err != nil {
		t.Fatal(err)
	}
	_, err := s.Append(t.Context(), store.Lease{}, "run-1", 0, paused())
	wants(t, "an event before the end", err, fault.Conflict, "stands at event 1")
	if !errors.Is(err, store.ErrMoved) {
		t.Errorf("an event before the end = %v, want ErrMoved", err)
	}
	_, err = s.Append(t.Context(), store.Lease{}, "run-1", 7, paused())
	wants(t, "an event beyond the end", err, fault.Conflict)
	_, err = s.Append(t.Context(), store.Lease{}, "run-9", 0, paused())
	wants(t, "an event of a run that is not there", err, fault.Conflict)
	_, err = s.Append(t.Context(), store.Lease{}, "run-1", 1, resumed())
	wants(t, "an event that cannot follow", err, fault.Conflict)
	for i, ev := range []runbooks.Event{paused(), resumed(), paused()} {
		at, err := s.Append(t.Context(), store.Lease{}, "run-1", runbooks.Position(i+1), ev)
		if err != nil || at != runbooks.Position(i+2) {
			t.Fatalf("event %d = %d, %v", i, at, err)
		}
	}
	journal, err := s.Execution(t.Context(), "run-1")
	if err != nil || len(journal) != 4 || journal[3].Kind != runbooks.Paused || journal[0].Start.PlanHash != "plan" {
		t.Errorf("journal = %+v, %v", journal, err)
	}
	_, err = s.Execution(t.Context(), "run-9")
	wants(t, "the journal of a run that is not there", err, fault.NotFound)
	if _, err := s.Record(t.Context(), store.Entry{Principal: "bob", Act: "note", Sentence: "something else"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), store.Lease{}, "run-1", 4, resumed()); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Journal(t.Context(), "run-1")
	if err != nil || len(sealed) != 5 {
		t.Fatalf("sealed journal = %+v, %v", sealed, err)
	}
	for i, want := range []uint64{3, 4, 5, 6, 8} {
		entries, _, err := s.Audit(t.Context(), int64(sealed[i].Number), 1)
		if err != nil || sealed[i].Number != want || entries[0].Hash != sealed[i].Hash || entries[0].Execution != "run-1" {
			t.Errorf("event %d is sealed by entry %d (%+v, %v), want %d", i+1, sealed[i].Number, entries, err, want)
		}
	}
	_, err = s.Journal(t.Context(), "run-9")
	wants(t, "the sealed journal of a run that is not there", err, fault.NotFound)
	if n := mustVerify(t, s); n != 2+4+2 {
		t.Errorf("%d entries, want the beginning, the fleet, a note and 5 events", n)
	}
}

func racingEngines(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	if _, err := s.StartExecution(t.Context(), store.Lease{}, "run-1", started("alice", "orders")); err != nil {
		t.Fatal(err)
	}
	const engines = 4
	errs := make(chan error)
	for i := range engines {
		engine := node(kv, fmt.Sprint("control-", i))
		go func() {
			_, err := engine.Append(t.Context(), store.Lease{}, "run-1", 1, paused())
			errs <- err
		}()
	}
	won := 0
	for range engines {
		if err := <-errs; err == nil {
			won++
		} else {
			wants(t, "the others", err, fault.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d wrote event 2, want 1", won)
	}
	if journal, err := s.Execution(t.Context(), "run-1"); err != nil || len(journal) != 2 {
		t.Errorf("journal of %d events, %v", len(journal), err)
	}
}
