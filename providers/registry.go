package providers

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Registry finds providers by name and guards them: it refuses a request
// whose epoch is older than the newest it has passed on for that database,
// and logs every act with its key and epoch.
//
// It is the first of several guards. It forgets when its process ends; the
// agents and the databases themselves remember.
type Registry struct {
	log *slog.Logger

	mu        sync.Mutex
	providers map[string]Provider
	newest    map[string]regions.Epoch // by database, or by provider where a request names none
}

// NewRegistry returns an empty registry.
func NewRegistry(log *slog.Logger) *Registry {
	return &Registry{log: log, providers: map[string]Provider{}, newest: map[string]regions.Epoch{}}
}

// Put registers a provider, in place of any of that name: a reload of the
// configuration makes new ones. What is known of epochs stays.
func (r *Registry) Put(name string, p Provider) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.providers[name] = p
}

// Remove forgets a provider. What is known of epochs stays.
func (r *Registry) Remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.providers, name)
}

// Names returns the names of all providers, sorted.
func (r *Registry) Names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.providers))
}

// Provider returns the provider of that name.
func (r *Registry) Provider(name string) (Provider, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.providers[name]; ok {
		return p, nil
	}
	known := slices.Sorted(maps.Keys(r.providers))
	return nil, fault.NotFoundf("provider "+name, "is not configured").Do("configured are: %s", strings.Join(known, ", "))
}

// Observe asks the named provider to look. Looking is free of epochs: an old
// run may still be explained.
func (r *Registry) Observe(ctx context.Context, name string, req Request) (Result, error) {
	p, err := r.Provider(name)
	if err != nil {
		return Result{}, err
	}
	return p.Observe(ctx, req)
}

// Act asks the named provider to act. A request under an older epoch than one
// already seen fails with [fault.Conflict] and reaches nobody.
func (r *Registry) Act(ctx context.Context, name string, req Request) (Result, error) {
	p, err := r.Provider(name)
	if err != nil {
		return Result{State: Untouched}, err
	}
	if err := r.admit(req.Param("database", name), req); err != nil {
		r.log.Warn("act refused", "provider", name, "action", req.Action, "key", req.Key, "epoch", req.Epoch.String(), "because", err.Error())
		return Result{State: Untouched}, err
	}
	began := time.Now()
	log := r.log.With("provider", name, "action", req.Action, "region", string(req.Region), "key", req.Key,
		"epoch", req.Epoch.String(), "dry_run", req.DryRun)
	log.Info("act begins")
	res, err := p.Act(ctx, req)
	if err != nil {
		log.Warn("act failed", "took", time.Since(began), "untouched", res.State == Untouched, "because", err.Error())
		return res, err
	}
	log.Info("act ended", "took", time.Since(began), "state", res.State, "detail", res.Detail)
	return res, nil
}

// admit remembers the newest epoch of each database. A dry run is judged but
// leaves no trace.
func (r *Registry) admit(database string, req Request) error {
	if req.Key == "" && !req.DryRun {
		return fault.Invalidf(req.Action+" on "+database, "carries no key, so a repetition could not be recognised")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := r.newest[database]
	if req.Epoch.Compare(newest) < 0 {
		return Stale(database, req.Epoch, newest)
	}
	if !req.DryRun {
		r.newest[database] = req.Epoch
	}
	return nil
}

// Stale is the fault of a request that comes too late: whoever executes acts
// answers with it, so that it reads the same everywhere.
func Stale(database string, got, newest regions.Epoch) *fault.Error {
	return fault.Conflictf("database "+database, "the request's epoch %s is older than %s, which has been seen here", got, newest).
		Do("do not repeat it: somebody has decided anew; look at the database's current writer")
}
