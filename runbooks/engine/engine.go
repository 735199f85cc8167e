package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Journal is the engine's memory and the audit trail: one record, not two.
//
// Append fails with fault.Conflict unless the execution still stands at the
// position given, so two engines that both believe they lead cannot both
// write step 4; and it fails, with whatever error, once the leadership under
// which the Journal was made is over. An error other than Conflict may mean
// that the event was written all the same.
type Journal interface {
	Append(ctx context.Context, id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error)
	// Read returns all events of an execution.
	Read(ctx context.Context, id runbooks.ExecutionID) ([]runbooks.Event, error)
	// Watch yields every unfinished execution and where it stands, now and
	// whenever one of them moves. A slow reader misses some, never the newest.
	// The channel is closed when ctx ends or the watch is lost.
	Watch(ctx context.Context) <-chan map[runbooks.ExecutionID]runbooks.Position
}

// Steps makes the steps that specs ask for.
type Steps interface {
	Step(spec runbooks.Spec, start *runbooks.Start) (runbooks.Step, error)
}

// Engine runs all unfinished executions of a journal.
type Engine struct {
	journal   Journal
	steps     Steps
	principal string
	log       *slog.Logger
}

// New returns an engine that signs as engine@node.
func New(node regions.NodeID, journal Journal, steps Steps, log *slog.Logger) (*Engine, error) {
	if node == "" || journal == nil || steps == nil || log == nil {
		return nil, fault.Invalidf("engine", "needs a node, a journal, steps and a log")
	}
	return &Engine{journal: journal, steps: steps, principal: runbooks.EnginePrefix + string(node), log: log}, nil
}

// Run runs executions until ctx ends, which is when the leadership does. It
// returns nil then, and an error if the journal can no longer be watched.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		all     sync.WaitGroup
		runs    = map[runbooks.ExecutionID]*run{}
		left    = map[runbooks.ExecutionID]runbooks.Position{} // where runs stood that cannot be followed
		ended   = make(chan runbooks.ExecutionID)
		updates = e.journal.Watch(ctx)
		latest  map[runbooks.ExecutionID]runbooks.Position
	)
	defer all.Wait()
	defer cancel()
	e.log.Info("engine leads", "principal", e.principal)
	for {
		select {
		case list, open := <-updates:
			if !open {
				if ctx.Err() != nil {
					return nil
				}
				return errors.New("the watch of the journal has ended")
			}
			latest = list
		case id := <-ended:
			delete(runs, id)
			if at, still := latest[id]; still {
				left[id] = at // the list is older than the end, or the journal is broken
			}
			continue
		case <-ctx.Done():
			return nil
		}
		for id, at := range latest {
			if r, ok := runs[id]; ok {
				r.tell(at)
				continue
			}
			if was, ok := left[id]; ok && at <= was {
				continue
			}
			r := newRun(e, id)
			runs[id] = r
			all.Go(func() {
				r.follow(ctx)
				select {
				case ended <- id:
				case <-ctx.Done():
				}
			})
		}
	}
}
