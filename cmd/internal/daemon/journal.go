package daemon

import (
	"context"

	"fairlead/cmd/internal/store"
	"fairlead/runbooks"
)

// journal is the engine's view of the store under one leadership: what it
// writes is refused as soon as another node leads.
type journal struct {
	store *store.Store
	lease store.Lease
}

// Append implements [engine.Journal].
func (j journal) Append(ctx context.Context, id runbooks.ExecutionID, at runbooks.Position, ev runbooks.Event) (runbooks.Position, error) {
	return j.store.Append(ctx, j.lease, id, at, ev)
}

// Read implements [engine.Journal].
func (j journal) Read(ctx context.Context, id runbooks.ExecutionID) ([]runbooks.Event, error) {
	return j.store.Execution(ctx, id)
}

// Watch implements [engine.Journal].
func (j journal) Watch(ctx context.Context) <-chan map[runbooks.ExecutionID]runbooks.Position {
	out := make(chan map[runbooks.ExecutionID]runbooks.Position)
	go func() {
		defer close(out)
		for runs := range j.store.WatchExecutions(ctx) {
			open := map[runbooks.ExecutionID]runbooks.Position{}
			for _, r := range runs {
				if !r.Over() {
					open[r.ID] = r.Position
				}
			}
			select {
			case out <- open:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
