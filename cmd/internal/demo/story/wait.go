package story

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fairlead/regions/fault"
)

// eventually asks f until it is satisfied. The error says what never
// happened, and the last reason why not.
func eventually(ctx context.Context, limit, every time.Duration, what string, f func(context.Context) error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Now().After(deadline) {
			return fault.New(fault.Unavailable, "demo", "waited %v in vain until %s", limit, what).Because(err)
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func notYet(format string, args ...any) error { return fmt.Errorf(format, args...) }

func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return -1
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func longest(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return -1
	}
	return slices.Max(times)
}
