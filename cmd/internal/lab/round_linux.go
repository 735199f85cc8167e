package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Play begins the faults of a round, holds them, ends them all, the last begun
// first, and heals.
func (l *Lab) Play(ctx context.Context, r Round, healing time.Duration) error {
	var ends []End
	var errs []error
	for _, f := range r.Faults {
		end, err := l.begins(ctx, f)
		if err != nil {
			errs = append(errs, fmt.Errorf("begin %s: %w", f.Kind, err))
			break
		}
		ends = append(ends, end)
	}
	if len(errs) == 0 {
		pause(ctx, r.Hold)
	}
	for i := len(ends) - 1; i >= 0; i-- {
		errs = append(errs, ends[i]())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return l.Heal(ctx, healing)
}

func (l *Lab) begins(ctx context.Context, f Fault) (End, error) {
	r := l.Regions[f.Region]
	switch f.Kind {
	case LoseRegion:
		return l.Lose(r), nil
	case KillNode:
		return l.Kill(r), nil
	case FreezeNode:
		return l.Freeze(r)
	case ShutShop:
		return l.Shut(r), nil
	case CutOff:
		return l.Cut(r), nil
	case Muted:
		return l.Mute(r), nil
	case Worse:
		return l.Worsen(f.Trip, f.Loss), nil
	case Blackout:
		return l.Shut(l.Regions...), nil
	case Quorum:
		nodes := l.Kill(l.Regions[1:]...)
		pause(ctx, time.Second)
		shop := l.Shut(l.Regions[0])
		return func() error { return errors.Join(shop(), nodes()) }, nil
	}
	return nil, fmt.Errorf("there is no fault %q", f.Kind)
}
