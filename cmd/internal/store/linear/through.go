package linear

import (
	"context"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
)

// Through decides through a store, about one database.
func Through(s *store.Store, database regions.DatabaseID) Decider { return through{s, database} }

type through struct {
	store    *store.Store
	database regions.DatabaseID
}

const why = "because the others do too"

func (t through) Drain(ctx context.Context, region regions.ID, id string) error {
	now := time.Now()
	o, err := regions.NewDrain(id, regions.Scope{Region: region}, "alice", why, now, now.Add(time.Hour))
	if err != nil {
		return err
	}
	_, err = t.store.PutOverride(ctx, store.Lease{}, o, store.Safety{Force: true})
	return err
}

func (t through) End(ctx context.Context, id string) error {
	_, err := t.store.EndOverride(ctx, store.Lease{}, id, "alice", why)
	return err
}

func (t through) Advance(ctx context.Context, from, to regions.Epoch) error {
	_, _, err := t.store.AdvanceEpoch(ctx, store.Lease{}, t.database, from, to, "", "alice", why)
	return err
}

func (t through) Read(ctx context.Context) (Seen, error) {
	d, err := t.store.Decided(ctx)
	if err != nil {
		return Seen{}, err
	}
	return Of(d, t.database), nil
}

// Of is what a decided state says of what the crowd changes.
func Of(d *regions.Decided, database regions.DatabaseID) Seen {
	seen := Seen{Epoch: d.Writers[database].Epoch}
	for _, o := range d.Overrides {
		seen.Drained = seen.Drained.With(o.Scope().Region, o.ID())
	}
	return seen
}
