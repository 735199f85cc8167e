package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Run is what a list shows of an execution. The journal says the rest.
type Run struct {
	ID         runbooks.ExecutionID `json:"id"`
	Runbook    string               `json:"runbook"`
	Title      string               `json:"title"`
	Database   regions.DatabaseID   `json:"database,omitempty"`
	From       regions.ID           `json:"from,omitempty"`
	To         regions.ID           `json:"to,omitempty"`
	Ungraceful bool                 `json:"ungraceful,omitempty"`
	By         string               `json:"by"`
	Why        string               `json:"why"`
	PlanHash   string               `json:"plan_hash"`
	StartedAt  time.Time            `json:"started_at"`

	State    runbooks.RunState `json:"state"`
	Sentence string            `json:"sentence"` // where it stands
	Step     runbooks.StepID   `json:"step,omitempty"`
	Position runbooks.Position `json:"position"` // events in its journal
	Outcome  runbooks.Outcome  `json:"outcome,omitempty"`
	EndedAt  time.Time         `json:"ended_at,omitzero"`
	Touched  int64             `json:"-"` // revision at which this was written
}

// Over reports whether the run has ended.
func (r Run) Over() bool { return r.State == runbooks.RunEnded }

func summary(x *runbooks.Execution) Run {
	start := x.Start()
	r := Run{
		ID: x.ID(), Runbook: start.Runbook.Name, Title: start.Runbook.Title, Database: start.Database, From: start.From, To: start.To,
		Ungraceful: start.Ungraceful, By: x.StartedBy(), Why: x.Reason(), PlanHash: start.PlanHash, StartedAt: x.StartedAt(),
		State: x.State(), Sentence: x.Sentence(), Step: x.Current(), Position: x.Position(),
	}
	r.Outcome, r.EndedAt, _ = x.Ended()
	return r
}

// StartExecution begins a run: its first event, who, why, which plan, and the
// lock of its database, in one transaction. A run on a database that another
// run holds is refused with the holder's name. Starting the same run twice is
// no conflict.
func (s *Store) StartExecution(ctx context.Context, lease Lease, id runbooks.ExecutionID, started runbooks.Event) (runbooks.Position, error) {
	if started.Kind != runbooks.Started {
		return 0, fault.Invalidf("run "+string(id), "its first event is %q, not its start", started.Kind)
	}
	return s.append(ctx, lease, id, 0, started)
}

// Append writes the next event of a run's journal. It fails with
// [fault.Conflict] unless the run still stands at position at, and with
// [ErrDeposed] if the lease is over. An event that cannot follow is refused.
// The event that ends a run releases its database.
func (s *Store) Append(ctx context.Context, lease Lease, id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error) {
	if ev.Kind == runbooks.Started {
		return at, fault.Invalidf("run "+string(id), "it can be started only once")
	}
	return s.append(ctx, lease, id, at, ev)
}

func (s *Store) append(ctx context.Context, lease Lease, id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error) {
	data := encode(ev)
	_, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		journal, err := s.journal(ctx, id)
		if err != nil {
			return nil, err
		}
		if ev.Kind == runbooks.Started && len(journal) > 0 && string(encode(journal[0])) == string(data) {
			return &decision{Nothing: true}, nil
		}
		x, err := runbooks.Fold(id, journal)
		if err != nil {
			return nil, fault.New(fault.Internal, "run "+string(id), "its journal cannot be read").Because(err).Do("verify the audit trail")
		}
		if x.Position() != at {
			return nil, fault.Conflictf("run "+string(id), "it stands at event %d by now, not at %d", x.Position(), at).Because(ErrMoved).Do("look where it stands, then ask again")
		}
		if err := x.Apply(ev); err != nil {
			return nil, err
		}
		key := journalKey(id, at+1)
		d := &decision{
			Entry: Entry{
				Principal: ev.Principal, Act: "run." + string(ev.Kind), Subject: "run " + string(id), Why: ev.Reason,
				Execution: id, Step: ev.Step, DataKey: key, DataHash: digest(data), Sentence: tell(x, ev),
			},
			If:  []Compare{Absent(key)},
			Put: []Pair{{Key: key, Value: data}, {Key: runKey(id), Value: encode(summary(x))}},
		}
		return d, s.lock(ctx, d, x, ev)
	})
	if err != nil {
		return at, fmt.Errorf("journal %s of run %s: %w", ev.Kind, id, err)
	}
	return at + 1, nil
}

// lock takes the database's lock with the first event of a run and releases
// it with the last.
func (s *Store) lock(ctx context.Context, d *decision, x *runbooks.Execution, ev runbooks.Event) error {
	database := x.Start().Database
	if database == "" || ev.Kind != runbooks.Started && ev.Kind != runbooks.Ended {
		return nil
	}
	key := lockKey(database)
	var holder runbooks.ExecutionID
	held, err := s.load(ctx, key, &holder)
	switch {
	case err != nil:
		return err
	case ev.Kind == runbooks.Ended:
		if held && holder == x.ID() {
			d.Delete = append(d.Delete, key)
		}
	case held:
		by := fmt.Sprintf("run %s holds it", holder)
		if other, ok, err := s.run(ctx, holder); err == nil && ok {
			by = fmt.Sprintf("run %s of %s holds it, started by %s at %s: %s", holder, other.Runbook, other.By, stamp(other.StartedAt), other.Why)
		}
		return fault.Conflictf("database "+string(database), "%s", by).Do("let that run end, or abort it: fairlead execution show %s", holder)
	default:
		d.Put = append(d.Put, Pair{Key: key, Value: encode(x.ID())})
	}
	return nil
}

// tell is an event in a sentence, for the trail.
func tell(x *runbooks.Execution, ev runbooks.Event) string {
	what := string(ev.Kind)
	if ev.Compensating {
		what += " the undoing of"
	}
	if ev.Step != "" {
		what += " step " + string(ev.Step)
	}
	switch ev.Kind {
	case runbooks.Started:
		what = fmt.Sprintf("started %s", x.Start().Runbook.Name)
		if x.Start().Database != "" {
			what += fmt.Sprintf(" of %s from %s to %s", x.Start().Database, x.Start().From, x.Start().To)
		}
	case runbooks.Finished:
		what += ": " + string(ev.Outcome)
	case runbooks.Ended:
		what = "ended: " + string(ev.Result)
	}
	if ev.Detail != "" {
		what += ": " + ev.Detail
	}
	return fmt.Sprintf("%s %s", ev.Principal, what)
}

func (s *Store) run(ctx context.Context, id runbooks.ExecutionID) (Run, bool, error) {
	var r Run
	ok, err := s.load(ctx, runKey(id), &r)
	return r, ok, err
}

// Executions returns all runs, the newest first.
func (s *Store) Executions(ctx context.Context) ([]Run, error) {
	page, err := s.kv.Range(ctx, Query{Span: Prefix(runsAt)})
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	return runsOf(page.Pairs)
}

func runsOf(pairs []Pair) ([]Run, error) {
	var runs []Run
	for _, p := range pairs {
		if !strings.HasPrefix(p.Key, runsAt) {
			continue
		}
		var r Run
		if err := parse(p, &r); err != nil {
			return nil, err
		}
		r.Touched = p.Modified
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(a, b Run) int {
		if c := b.StartedAt.Compare(a.StartedAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return runs, nil
}

// Execution returns a run's journal.
func (s *Store) Execution(ctx context.Context, id runbooks.ExecutionID) ([]runbooks.Event, error) {
	journal, err := s.journal(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the journal of run %s: %w", id, err)
	}
	if len(journal) == 0 {
		return nil, fault.NotFoundf("run "+string(id), "there is no such run").Do("see fairlead execution list")
	}
	return journal, nil
}

func (s *Store) journal(ctx context.Context, id runbooks.ExecutionID) ([]runbooks.Event, error) {
	page, err := s.kv.Range(ctx, Query{Span: Prefix(journalOf(id))})
	if err != nil {
		return nil, err
	}
	events := make([]runbooks.Event, len(page.Pairs))
	for i, p := range page.Pairs {
		if p.Key != journalKey(id, runbooks.Position(i+1)) {
			return nil, fault.New(fault.Internal, "run "+string(id), "its journal lacks event %d", i+1).Do("verify the audit trail")
		}
		if err := parse(p, &events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}
