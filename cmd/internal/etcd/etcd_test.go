package etcd_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/storetest"
)

const patience = 30 * time.Second

// open runs a database until the test, or the returned function, ends it.
func open(t *testing.T, s etcd.Settings) (*etcd.DB, func()) {
	t.Helper()
	s.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	d, err := etcd.New(s)
	if err != nil {
		t.Fatalf("New(%+v): %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	ended := false
	stop := func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return d, stop
}

func ready(t *testing.T, d *etcd.DB) {
	t.Helper()
	select {
	case <-d.Ready():
	case <-time.After(patience):
		t.Fatalf("not ready after %v", patience)
	}
}

func alone(dir string) etcd.Settings {
	return etcd.Settings{Dir: dir, Name: "one", Progress: time.Second / 4}
}

func TestEmbeddedKV(t *testing.T) {
	dir := t.TempDir()
	d, _ := open(t, alone(dir))
	ready(t, d)
	storetest.KV(t, d, func(t *testing.T) { compact(t, d, "unix://"+etcd.ClientSocket(d)) })
}

// compact forgets the past of the database, over a client of its own.
func compact(t *testing.T, d store.KV, endpoint string) {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	page, err := d.Range(t.Context(), store.Query{Span: store.Key("any")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(t.Context(), page.Revision); err != nil {
		t.Fatalf("compact: %v", err)
	}
}

func TestRestartKeepsData(t *testing.T) {
	t.Run("in a plain directory", func(t *testing.T) { restartKeepsData(t, t.TempDir()) })
	t.Run("in one that sockets cannot have", func(t *testing.T) {
		restartKeepsData(t, filepath.Join(t.TempDir(), "a=b, 50% of it", strings.Repeat("long/", 30)))
	})
}

func restartKeepsData(t *testing.T, dir string) {
	d, stop := open(t, alone(dir))
	ready(t, d)
	out, err := d.Commit(t.Context(), store.Txn{Put: []store.Pair{{Key: "a", Value: []byte("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := d.Range(t.Context(), store.Query{Span: store.Key("a")}); err == nil {
		t.Error("a closed database answers")
	} else {
		t.Log(err)
	}
	d, _ = open(t, alone(dir))
	ready(t, d)
	page, err := d.Range(t.Context(), store.Query{Span: store.Key("a")})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := page.One(); !ok || string(p.Value) != "1" || p.Modified != out.Revision {
		t.Errorf("after a restart: %+v, %v; want what was written at %d", p, ok, out.Revision)
	}
}

func TestEmbeddedStore(t *testing.T) {
	storetest.Store(t, func(t *testing.T) store.KV {
		d, _ := open(t, alone(t.TempDir()))
		ready(t, d)
		return d
	})
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	d, stop := open(t, alone(t.TempDir()))
	ready(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	led, ended := make(chan struct{}), make(chan struct{}, 2)
	go func() {
		d.Lead(ctx, "engine", "one", func(ctx context.Context, _ store.Lease) error {
			close(led)
			<-ctx.Done()
			return nil
		})
		ended <- struct{}{}
	}()
	go func() {
		d.Watch(ctx, store.Prefix(""), 0, func(store.Change) {})
		ended <- struct{}{}
	}()
	<-led
	cancel()
	<-ended
	<-ended
	stop()
	goleak.VerifyNone(t, before)
}

func TestALeaderThatStopsGivesItsPlaceFree(t *testing.T) {
	dir := t.TempDir()
	d, stop := open(t, alone(dir))
	ready(t, d)
	led := make(chan store.Lease, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go d.Lead(ctx, "engine", "one", func(ctx context.Context, l store.Lease) error {
		led <- l
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond) // puts its things away
		return nil
	})
	<-led
	cancel() // and at once the database, as a process does that ends
	stop()
	d, _ = open(t, alone(dir))
	ready(t, d)
	page, err := d.Range(t.Context(), store.Query{Span: store.LeaderKeys("engine")})
	if err != nil || len(page.Pairs) != 0 {
		t.Errorf("the place of a leader that has stopped is still taken: %+v, %v", page.Pairs, err)
	}
}
