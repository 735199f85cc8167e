package etcd

import (
	"bytes"
	"context"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// Range implements [store.KV].
func (d *DB) Range(ctx context.Context, q store.Query) (store.Page, error) {
	c, err := d.client()
	if err != nil {
		return store.Page{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	opts := []clientv3.OpOption{clientv3.WithRange(keyspace + q.To), clientv3.WithRev(q.At), clientv3.WithLimit(int64(q.Limit))}
	if q.Backward {
		opts = append(opts, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	}
	resp, err := within(ctx, c, func() (*clientv3.GetResponse, error) { return c.kv.Get(ctx, keyspace+q.From, opts...) })
	if err != nil {
		return store.Page{}, d.asFault(err)
	}
	page := store.Page{Revision: resp.Header.Revision, More: resp.More}
	for _, kv := range resp.Kvs {
		page.Pairs = append(page.Pairs, pair(kv))
	}
	return page, nil
}

// pair copies what etcd returned: within one process it is etcd's own memory.
func pair(kv *mvccpb.KeyValue) store.Pair {
	return store.Pair{Key: ours(kv), Value: bytes.Clone(kv.Value), Created: kv.CreateRevision, Modified: kv.ModRevision}
}

func ours(kv *mvccpb.KeyValue) string { return strings.TrimPrefix(string(kv.Key), keyspace) }

// Commit implements [store.KV].
func (d *DB) Commit(ctx context.Context, t store.Txn) (store.Outcome, error) {
	if err := t.Check(); err != nil {
		return store.Outcome{}, fault.Invalidf("store", "impossible").Because(err)
	}
	return d.commit(ctx, t, 0)
}

// commit writes t, its keys bound to a lease unless that is 0.
func (d *DB) commit(ctx context.Context, t store.Txn, lease clientv3.LeaseID) (store.Outcome, error) {
	c, err := d.client()
	if err != nil {
		return store.Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return store.Outcome{}, d.asFault(err)
	}
	var compares []clientv3.Cmp
	var then, otherwise []clientv3.Op
	for _, cmp := range t.If {
		compares = append(compares, comparison(cmp))
		otherwise = append(otherwise, clientv3.OpGet(keyspace+cmp.Key))
	}
	for _, p := range t.Put {
		then = append(then, clientv3.OpPut(keyspace+p.Key, string(p.Value), clientv3.WithLease(lease)))
	}
	for _, key := range t.Delete {
		then = append(then, clientv3.OpDelete(keyspace+key))
	}
	resp, err := within(ctx, c, c.kv.Txn(ctx).If(compares...).Then(then...).Else(otherwise...).Commit)
	if err != nil {
		return store.Outcome{}, d.asFault(err)
	}
	out := store.Outcome{Committed: resp.Succeeded, Revision: resp.Header.Revision}
	if !out.Committed {
		out.Failed = failed(t.If, resp)
	}
	return out, nil
}

func comparison(c store.Compare) clientv3.Cmp {
	key := keyspace + c.Key
	if c.Field == store.Created {
		return clientv3.Compare(clientv3.CreateRevision(key), "=", c.Revision)
	}
	return clientv3.Compare(clientv3.ModRevision(key), "=", c.Revision)
}

// failed returns the first comparison that did not hold, by what the same
// transaction read.
func failed(compares []store.Compare, resp *clientv3.TxnResponse) int {
	for i, c := range compares {
		var p store.Pair
		kvs := resp.Responses[i].GetResponseRange().Kvs
		if len(kvs) > 0 {
			p = pair(kvs[0])
		}
		if !c.Holds(p, len(kvs) > 0) {
			return i
		}
	}
	return 0
}
