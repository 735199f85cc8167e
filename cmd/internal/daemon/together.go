package daemon

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// together runs loops until one of them fails or ctx ends, and returns once
// all of them have ended.
func together(ctx context.Context, loops ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, loop := range loops {
		group.Go(func() error { return loop(ctx) })
	}
	return group.Wait()
}
