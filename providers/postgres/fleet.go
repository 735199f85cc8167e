package postgres

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Fleet is the provider of all PostgreSQL databases of a fleet: it passes a
// request on to the database that the parameter database names. It follows
// the configuration: [Fleet.Set] makes providers for what is new or changed and
// keeps the others, with their connections and what they have measured.
type Fleet struct {
	opts Options
	log  *slog.Logger

	mu        sync.Mutex
	running   context.Context // of Run while it runs
	watches   sync.WaitGroup
	databases map[regions.DatabaseID]*watched
}

type watched struct {
	*Provider
	stop context.CancelFunc // of its watch; nil before Run
}

// NewFleet returns a fleet without databases.
func NewFleet(opts Options, log *slog.Logger) *Fleet {
	return &Fleet{opts: opts, log: log, databases: map[regions.DatabaseID]*watched{}}
}

// Set makes the fleet consist of these databases; those of other engines are
// not its own. One that cannot be made is reported and left as it was.
func (f *Fleet) Set(dbs []regions.Database) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	wanted := map[regions.DatabaseID]bool{}
	for _, db := range dbs {
		if db.Engine != "postgres" {
			continue
		}
		wanted[db.ID] = true
		if old := f.databases[db.ID]; old != nil && reflect.DeepEqual(old.db, db) {
			continue
		}
		p, err := New(db, f.opts)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f.drop(db.ID)
		f.databases[db.ID] = &watched{Provider: p}
		f.watch(f.databases[db.ID])
	}
	for id := range f.databases {
		if !wanted[id] {
			f.drop(id)
		}
	}
	return errors.Join(errs...)
}

// Run watches the databases until ctx ends.
func (f *Fleet) Run(ctx context.Context) error {
	f.mu.Lock()
	f.running = ctx
	for _, w := range f.databases {
		f.watch(w)
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.running = nil // nobody begins another watch
	f.mu.Unlock()
	f.watches.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.databases {
		f.databases[id].Close()
	}
	return nil
}

// watch starts sampling a database, if Run has begun. f.mu is held.
func (f *Fleet) watch(w *watched) {
	if f.running == nil {
		return
	}
	ctx, stop := context.WithCancel(f.running)
	w.stop = stop
	f.watches.Go(func() {
		if err := w.Watch(ctx); err != nil && ctx.Err() == nil {
			f.log.Error("database is no longer watched", "database", string(w.db.ID), "because", err.Error())
		}
	})
}

// drop forgets a database. f.mu is held.
func (f *Fleet) drop(id regions.DatabaseID) {
	w := f.databases[id]
	if w == nil {
		return
	}
	if w.stop != nil {
		w.stop()
	}
	w.Close()
	delete(f.databases, id)
}

// Database returns the provider of one database.
func (f *Fleet) Database(id regions.DatabaseID) (*Provider, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w := f.databases[id]; w != nil {
		return w.Provider, nil
	}
	return nil, fault.NotFoundf("database "+string(id), "is no PostgreSQL database of the fleet").Do("name one in the parameter database")
}

// Observe implements [providers.Provider].
func (f *Fleet) Observe(ctx context.Context, r providers.Request) (providers.Result, error) {
	p, err := f.Database(regions.DatabaseID(r.Params["database"]))
	if err != nil {
		return providers.Result{}, err
	}
	return p.Observe(ctx, r)
}

// Act implements [providers.Provider].
func (f *Fleet) Act(ctx context.Context, r providers.Request) (providers.Result, error) {
	p, err := f.Database(regions.DatabaseID(r.Params["database"]))
	if err != nil {
		return providers.Result{}, err
	}
	return p.Act(ctx, r)
}
