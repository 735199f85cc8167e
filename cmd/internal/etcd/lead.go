package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fairlead/cmd/internal/store"
)

// Lead implements [store.KV].
func (d *DB) Lead(ctx context.Context, name, who string, f func(context.Context, store.Lease) error) error {
	evict := true
	for ctx.Err() == nil {
		t, err := d.stand(ctx, name, who, evict)
		if err != nil {
			if ctx.Err() == nil {
				d.set.Log.Debug("cannot stand for leadership", "of", name, "problem", err.Error())
			}
			pause(ctx, time.Second/2+rand.N(time.Second))
			continue
		}
		evict = false
		led, err := t.serve(ctx, f)
		if led && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// term is a candidacy, and the leadership that may follow.
type term struct {
	d     *DB
	lease store.Lease
	id    clientv3.LeaseID
	until time.Time // by this machine's monotonic clock: until then etcd keeps the lease for sure
}

// stand makes a lease and puts a key that lives as long. If asked to, it
// deletes the keys of who's earlier, dead self.
func (d *DB) stand(ctx context.Context, name, who string, evict bool) (*term, error) {
	c, err := d.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	began := time.Now()
	grant, err := within(ctx, c, func() (*clientv3.LeaseGrantResponse, error) {
		return c.lease.Grant(ctx, int64((d.set.LeaseTTL+time.Second-1)/time.Second))
	})
	if err != nil {
		return nil, d.asFault(err)
	}
	t := &term{d: d, id: grant.ID, until: began.Add(d.set.LeaseTTL)}
	span := store.LeaderKeys(name)
	var dead []string
	if evict {
		page, err := d.Range(ctx, store.Query{Span: span})
		if err != nil {
			t.withdraw()
			return nil, err
		}
		for _, p := range page.Pairs {
			if string(p.Value) == who {
				dead = append(dead, p.Key)
			}
		}
	}
	key := fmt.Sprintf("%s%016x", span.From, uint64(grant.ID))
	out, err := d.commit(ctx, store.Txn{Put: []store.Pair{{Key: key, Value: []byte(who)}}, Delete: dead}, grant.ID)
	if err != nil {
		t.withdraw()
		return nil, err
	}
	t.lease = store.Lease{Name: name, Who: who, Key: key, Term: out.Revision}
	return t, nil
}

// serve waits until it is this candidate's turn and calls f. It reports
// whether f has returned by its own wish; else the term was lost.
func (t *term) serve(ctx context.Context, f func(context.Context, store.Lease) error) (led bool, err error) {
	ctx, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer t.d.register(t)()
	defer wg.Wait()
	defer t.withdraw()
	defer end()
	won := make(chan struct{})
	wg.Go(func() {
		defer end()
		t.keepAlive(ctx)
	})
	wg.Go(func() {
		defer end()
		t.observe(ctx, won)
	})
	select {
	case <-ctx.Done():
		return false, nil
	case <-won:
	}
	err = f(ctx, t.lease)
	return ctx.Err() == nil, err
}

// observe closes won when no older candidate is left, and returns when the
// candidate's own key is gone.
func (t *term) observe(ctx context.Context, won chan struct{}) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	created := map[string]int64{}
	var once sync.Once
	for from := int64(0); ctx.Err() == nil; {
		_ = t.d.Watch(ctx, store.LeaderKeys(t.lease.Name), from, func(c store.Change) { // out of reach: the lease decides
			if c.Complete {
				clear(created)
			}
			for _, p := range c.Put {
				created[p.Key] = p.Created
			}
			for _, key := range c.Deleted {
				delete(created, key)
			}
			from = c.Revision + 1
			if created[t.lease.Key] != t.lease.Term {
				end()
				return
			}
			for _, other := range created {
				if other < t.lease.Term {
					return
				}
			}
			once.Do(func() { close(won) })
		})
		pause(ctx, time.Second/4)
	}
}

// keepAlive renews the lease until ctx ends or the lease may have ended. The
// lease is counted from before each renewal was sent.
func (t *term) keepAlive(ctx context.Context) {
	every := t.d.set.LeaseTTL / 3
	for wait := every; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(wait, time.Until(t.until))):
		}
		began := time.Now()
		err := t.renew(ctx)
		switch {
		case err == nil:
			t.until, wait = began.Add(t.d.set.LeaseTTL), every
		case errors.Is(err, rpctypes.ErrLeaseNotFound) || !time.Now().Before(t.until):
			return
		default:
			wait = every / 4
		}
	}
}

func (t *term) renew(ctx context.Context) error {
	c, err := t.d.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, t.until)
	defer cancel()
	_, err = within(ctx, c, func() (*clientv3.LeaseKeepAliveResponse, error) { return c.lease.KeepAliveOnce(ctx, t.id) })
	return err
}

// withdraw gives the place free at once. If it cannot, the lease's end does.
func (t *term) withdraw() {
	c, err := t.d.client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = within(ctx, c, func() (*clientv3.LeaseRevokeResponse, error) { return c.lease.Revoke(ctx, t.id) })
	if err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		t.d.set.Log.Debug("could not give up leadership, its lease will end by itself", "of", t.lease.Name, "problem", err.Error())
	}
}

// register makes a closing database wait for t. The function it returns says
// that t has withdrawn.
func (d *DB) register(t *term) (done func()) {
	over := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.terms[t] = over
	return func() {
		close(over)
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.terms, t)
	}
}

// awaitWithdrawals gives leaders, whose context has ended with that of the
// database, time to give their places free, so that others need not wait for
// leases to end.
func (d *DB) awaitWithdrawals() {
	d.mu.Lock()
	var all []chan struct{}
	for _, over := range d.terms {
		all = append(all, over)
	}
	d.mu.Unlock()
	late := time.After(2 * time.Second)
	for _, over := range all {
		select {
		case <-over:
		case <-late:
			return
		}
	}
}
