package etcd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fairlead/regions/fault"
)

// DB implements [store.KV] on etcd. Use [New], and let [DB.Run] run as long
// as it is needed.
type DB struct {
	set   Settings
	conn  atomic.Pointer[conn] // nil while calls can only fail
	why   atomic.Pointer[fault.Error]
	ready chan struct{}

	streams atomic.Uint64 // watches so far, each on a stream of its own

	mu    sync.Mutex
	terms map[*term]chan struct{} // closed when the term has withdrawn
}

// conn is the part of an etcd client that we use. Keys are put below keyspace
// here and not by etcd's own namespace package: that one cuts the prefix off
// events in place, and in one process all watchers share the same events.
type conn struct {
	kv      clientv3.KV
	watcher clientv3.Watcher
	lease   clientv3.Lease
	gone    <-chan struct{} // closed when the member behind it has died; nil if that cannot be known
}

func newConn(c *clientv3.Client, gone <-chan struct{}) *conn {
	return &conn{kv: c.KV, watcher: c.Watcher, lease: c.Lease, gone: gone}
}

// within returns what f does, or that it did not do it in time. A member of
// this process that dies in the middle of a transaction keeps its locks, and
// who waits for one does not look at a context.
func within[T any](ctx context.Context, c *conn, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := f()
		done <- outcome{v, err}
	}()
	var none T
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-c.gone:
	}
	select { // what was finished before it died counts
	case o := <-done:
		return o.value, o.err
	case <-time.After(graceful / 10):
		return none, rpctypes.ErrStopped
	}
}

// New checks the settings. It touches neither disk nor network.
func New(s Settings) (*DB, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	d := &DB{set: s, ready: make(chan struct{}), terms: map[*term]chan struct{}{}}
	d.absent("is not running yet")
	return d, nil
}

// Ready is closed once the database has answered for the first time.
func (d *DB) Ready() <-chan struct{} { return d.ready }

// Run keeps the database open until ctx ends, and returns nil then. It
// returns earlier, with a sentence, only for what the person who starts the
// program can mend: a port or a directory in use, a directory that may not be
// written, a newer version's, a certificate.
//
// What happens by itself, such as a disk that is full or damaged, at the start
// or later, must not take the process down with it. It is logged, each call
// answers with it, and Run waits for ctx. Some of etcd's goroutines are left
// behind then, and only a new process can open the database again.
func (d *DB) Run(ctx context.Context) error {
	run := d.runEmbedded
	if len(d.set.Endpoints) > 0 {
		run = d.runExternal
	}
	err := run(ctx)
	d.conn.Store(nil)
	if err == nil {
		d.absent("is closed")
		return nil
	}
	d.gone(err)
	if d.mistake(err) {
		return err
	}
	d.set.Log.Error("store lost, nothing can be decided here", "problem", err.Error())
	<-ctx.Done()
	return nil
}

// mistake reports whether err is the doing of who started the program.
func (d *DB) mistake(err error) bool {
	select {
	case <-d.ready:
		return false
	default:
	}
	return fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.Denied)
}

// absent sets what calls are told while there is no connection.
func (d *DB) absent(problem string) {
	d.why.Store(fault.Unavailablef("store", "%s %s", d.where(), problem))
}

// gone makes calls say why there will be no connection any more.
func (d *DB) gone(err error) {
	f := fault.Unavailablef("store", "%s has stopped", d.where()).Because(err)
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f = &fault.Error{Kind: fault.Unavailable, Subject: e.Subject, Problem: e.Problem, Remedy: e.Remedy, Err: e.Err}
	}
	d.why.Store(f)
}

// client returns the connection, or why there is none.
func (d *DB) client() (*conn, error) {
	if c := d.conn.Load(); c != nil {
		return c, nil
	}
	return nil, d.why.Load()
}

func (d *DB) runExternal(ctx context.Context) error {
	dead := newCasualty()
	c, err := clientv3.New(clientv3.Config{
		Endpoints:            d.set.Endpoints,
		TLS:                  d.set.TLS,
		Logger:               dead.logger(d.set.Log),
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
	})
	if err != nil {
		return fault.Invalidf("store", "%s cannot be used", d.where()).Because(err).Do("correct the URLs, or the certificates")
	}
	defer c.Close()
	d.conn.Store(newConn(c, nil))
	d.awaitFirstAnswer(ctx)
	<-ctx.Done()
	d.awaitWithdrawals()
	return nil
}

// awaitFirstAnswer returns when etcd has answered, or ctx has ended.
func (d *DB) awaitFirstAnswer(ctx context.Context) {
	for told := false; ctx.Err() == nil; {
		_, err := d.revision(ctx)
		if err == nil {
			close(d.ready)
			d.set.Log.Info("store reached", "at", d.where())
			return
		}
		if !told && ctx.Err() == nil {
			told = true
			d.set.Log.Warn("store out of reach, trying on", "problem", err.Error())
		}
		pause(ctx, time.Second)
	}
}

// revision asks for the present revision, which only a quorum can tell.
func (d *DB) revision(ctx context.Context) (int64, error) {
	c, err := d.client()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	resp, err := within(ctx, c, func() (*clientv3.GetResponse, error) { return c.kv.Get(ctx, keyspace) })
	if err != nil {
		return 0, d.asFault(err)
	}
	return resp.Header.Revision, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
