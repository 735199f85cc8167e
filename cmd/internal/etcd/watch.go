package etcd

import (
	"context"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// Watch implements [store.KV].
func (d *DB) Watch(ctx context.Context, span store.Span, from int64, f func(store.Change)) error {
	for {
		if from == 0 {
			page, err := d.Range(ctx, store.Query{Span: span})
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			}
			f(store.Change{Revision: page.Revision, Complete: true, Put: page.Pairs})
			from = page.Revision + 1
		}
		compacted, err := d.follow(ctx, span, from, f)
		switch {
		case ctx.Err() != nil:
			return nil
		case !compacted:
			return err
		}
		from = 0
	}
}

// proof is the answer to the question which revision a quorum has reached.
type proof struct {
	revision int64
	err      error
}

// follow reports changes until ctx ends, the past is compacted away, or the
// watch falls behind what a quorum knows. The last happens to a member that
// is cut off from the others, and etcd does not tell (etcd-io/etcd #8980,
// #17611), so we ask. A server tells the progress of a stream only when all
// its watches have begun, which one that waits for the next change has not;
// so each watch has a stream of its own, by a name that only the client reads.
func (d *DB) follow(ctx context.Context, span store.Span, from int64, f func(store.Change)) (compacted bool, err error) {
	c, err := d.client()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "fairlead-watch", strconv.FormatUint(d.streams.Add(1), 10))
	changes := c.watcher.Watch(ctx, keyspace+span.From, clientv3.WithRange(keyspace+span.To), clientv3.WithRev(from))
	tick := time.NewTicker(d.set.Progress)
	defer tick.Stop()
	proofs := make(chan proof, 1)
	asking, seen, owed := false, from-1, int64(0)
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case resp, open := <-changes:
			switch {
			case !open:
				return false, fault.Unavailablef("store", "the watch on %s ended", d.where())
			case resp.CompactRevision > 0:
				return true, nil
			case resp.Err() != nil:
				return false, d.asFault(resp.Err())
			}
			if change, ok := collapse(resp); ok {
				seen = max(seen, change.Revision)
				f(change)
			}
			if resp.IsProgressNotify() {
				seen = max(seen, resp.Header.Revision)
			}
		case p := <-proofs:
			asking = false
			if p.err != nil {
				return false, p.err
			}
			if owed = p.revision; seen < owed {
				if err := c.watcher.RequestProgress(ctx); err != nil {
					return false, d.asFault(err)
				}
			}
		case <-tick.C:
			if asking {
				continue // bounded by the call's own time limit
			}
			if seen < owed {
				return false, fault.Unavailablef("store", "the watch on %s has fallen behind", d.where())
			}
			asking = true
			go func() {
				revision, err := d.revision(ctx)
				proofs <- proof{revision, err}
			}()
		}
	}
}

// collapse keeps the last state of each key of a response, which may span
// several transactions.
func collapse(resp clientv3.WatchResponse) (store.Change, bool) {
	var c store.Change
	last := map[string]int{}
	for i, e := range resp.Events {
		last[string(e.Kv.Key)] = i
		c.Revision = max(c.Revision, e.Kv.ModRevision)
	}
	for i, e := range resp.Events {
		switch {
		case last[string(e.Kv.Key)] != i:
		case e.Type == clientv3.EventTypeDelete:
			c.Deleted = append(c.Deleted, ours(e.Kv))
		default:
			c.Put = append(c.Put, pair(e.Kv))
		}
	}
	return c, len(resp.Events) > 0
}
