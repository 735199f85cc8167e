package etcd

import (
	"context"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// chooseLimit is how long one server may take to show that it is the right one.
const chooseLimit = 2 * time.Second

// Choose asks each server that the settings name by itself, and goes on with
// those that sound does not refuse with [fault.Conflict]: those who lost a
// quorum and those who went on without them look alike to a client, which would
// stay with whoever it met first. Those that do not answer are kept if silent
// says so, or if nobody is sound: a member that was told that it was removed
// answers no more, and its streams may stay open all the same. It does nothing
// on an embedded member.
func (d *DB) Choose(ctx context.Context, silent bool, sound func(context.Context, store.KV) error) {
	if len(d.set.Endpoints) == 0 {
		return
	}
	var good, quiet []string // in the order of the settings
	for _, endpoint := range d.set.Endpoints {
		err := d.try(ctx, endpoint, sound)
		if err == nil {
			good = append(good, endpoint)
		}
		if !fault.Is(err, fault.Conflict) {
			quiet = append(quiet, endpoint)
		}
	}
	if silent || len(good) == 0 {
		good = quiet
	}
	if ctx.Err() != nil || len(good) == 0 {
		return
	}
	d.mu.Lock()
	same := slices.Equal(good, d.using)
	d.mu.Unlock()
	if same {
		return
	}
	select {
	case d.chosen <- good:
	case <-ctx.Done():
	}
}

// try asks one server.
func (d *DB) try(ctx context.Context, endpoint string, sound func(context.Context, store.KV) error) error {
	ctx, cancel := context.WithTimeout(ctx, chooseLimit)
	defer cancel()
	c, err := clientv3.New(d.clientConfig([]string{endpoint}, newCasualty()))
	if err != nil {
		return err
	}
	defer c.Close()
	one, err := New(Settings{Endpoints: []string{endpoint}, TLS: d.set.TLS, Log: d.set.Log})
	if err != nil {
		return err
	}
	one.conn.Store(newConn(c, nil))
	return sound(ctx, one)
}
