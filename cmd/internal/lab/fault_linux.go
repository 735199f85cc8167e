package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/lab/wire"
)

// End ends a fault. It may be called once.
type End func() error

// Lose takes a region away as a whole: its node, its shop and every way to it.
func (l *Lab) Lose(r *Region) End {
	l.History.Note("%s is lost", r.Name)
	l.Net.Isolate(r.Place, true)
	r.Node.Kill()
	r.Shut()
	return func() error {
		l.History.Note("%s is there again", r.Name)
		l.Net.Isolate(r.Place, false)
		return errors.Join(r.Open(), r.Node.Start())
	}
}

// Cut cuts a region off from the other regions, while people outside still
// reach it.
func (l *Lab) Cut(r *Region) End {
	l.History.Note("%s is cut off from the other regions", r.Name)
	l.Net.Isolate(r.Place, true, l.Outside)
	return func() error {
		l.History.Note("%s reaches the others again", r.Name)
		l.Net.Isolate(r.Place, false, l.Outside)
		return nil
	}
}

// Mute lets nothing out of a region to the others, and everything in.
func (l *Lab) Mute(r *Region) End {
	set := func(cut bool) {
		for _, other := range l.Regions {
			if other != r {
				l.Net.Change(r.Place, other.Place, func(p *wire.Path) { p.Cut = cut })
			}
		}
	}
	l.History.Note("%s hears the others, and they do not hear it", r.Name)
	set(true)
	return func() error {
		l.History.Note("%s is heard again", r.Name)
		set(false)
		return nil
	}
}

// Worsen gives the ways between the regions a round trip and a loss in bursts.
func (l *Lab) Worsen(roundTrip time.Duration, loss float64) End {
	set := func(delay time.Duration, loss float64) {
		for i, a := range l.Regions {
			for _, b := range l.Regions[i+1:] {
				l.Net.Both(a.Place, b.Place, func(p *wire.Path) { p.Delay, p.Loss, p.Burst = delay, loss, 4 })
			}
		}
	}
	l.History.Note("between regions: %v there and back, %.0f %% lost", roundTrip, 100*loss)
	set(roundTrip/2, loss)
	return func() error {
		l.History.Note("between regions all is well again")
		set(0, 0)
		return nil
	}
}

// Kill ends nodes, and their shops stay.
func (l *Lab) Kill(which ...*Region) End {
	for _, r := range which {
		l.History.Note("%s is killed", r.Node.Name)
		r.Node.Kill()
	}
	return func() (err error) {
		for _, r := range which {
			l.History.Note("%s is started", r.Node.Name)
			err = errors.Join(err, r.Node.Start())
		}
		return err
	}
}

// Restart kills all nodes at once and starts them at once. Nobody can be
// answered until the first of them is back; it returns how long that took.
func (l *Lab) Restart(ctx context.Context) (dark time.Duration, err error) {
	l.History.Note("all nodes are killed and started at once")
	for _, r := range l.Regions {
		r.Node.Kill()
	}
	began := time.Now()
	for _, r := range l.Regions {
		err = errors.Join(err, r.Node.Start())
	}
	for err == nil {
		for _, r := range l.Regions {
			if l.Knows(ctx, r.Node, Name) {
				return time.Since(began), nil
			}
		}
		if time.Since(began) > time.Minute {
			err = errors.New("no node answers a minute after all were started")
		}
	}
	return 0, err
}

// Shut closes shops.
func (l *Lab) Shut(which ...*Region) End {
	for _, r := range which {
		l.History.Note("the shop of %s is killed", r.Name)
		r.Shut()
	}
	return func() (err error) {
		for _, r := range which {
			l.History.Note("the shop of %s opens", r.Name)
			err = errors.Join(err, r.Open())
		}
		return err
	}
}

// Freeze stops a node in the middle of whatever it does.
func (l *Lab) Freeze(r *Region) (End, error) {
	l.History.Note("%s is frozen", r.Node.Name)
	return func() error {
		l.History.Note("%s is thawed", r.Node.Name)
		return r.Node.Thaw()
	}, r.Node.Freeze()
}

// Leader returns the region whose node leads.
func (l *Lab) Leader(ctx context.Context) (*Region, error) {
	for ; ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		for _, asked := range l.Regions {
			st, err := asked.Node.Status(ctx)
			if err != nil {
				continue
			}
			for _, r := range l.Regions {
				if r.Node.Name == st.Store.Leader {
					return r, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("nobody leads: %w", ctx.Err())
}

// Heal restores every region that is kept out, as people do in the morning,
// and waits until all is calm.
func (l *Lab) Heal(ctx context.Context, limit time.Duration) error {
	until, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for until.Err() == nil {
		if last = l.Calm(until, 2*time.Second); last == nil {
			l.History.Note("all is calm")
			return nil
		}
		for _, r := range l.Regions {
			l.restore(until, r.Node)
		}
	}
	return last
}

// restore lets back what a node says is kept out, and only once it is well.
func (l *Lab) restore(ctx context.Context, n *Node) {
	st, err := n.Status(ctx)
	if err != nil {
		return
	}
	call, err := n.Call(5 * time.Second)
	if err != nil {
		return
	}
	for _, region := range st.Regions {
		if (region.Latched || region.Held) && region.Measured == "up" {
			if err := client.Done(call.RestoreRegion(ctx, region.Id, openapi.RestoreRequest{Reason: "looked at it, it is well"})); err == nil {
				l.History.Note("%s is restored", region.Id)
			}
		}
	}
}
