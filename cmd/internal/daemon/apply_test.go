package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/replica"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
)

// nobody signs.
type nobody struct{}

func (nobody) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}

// bare is a node of which only the configuration and the store exist, so that
// the store can be made to fail at will.
func bare(t *testing.T, kv *memory.KV, path string) *Node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	src, err := newSource(path, log)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := replica.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(kv, store.Settings{Node: "node-1", Signer: nobody{}})
	return &Node{log: log, replica: kept, source: src, settings: src.now().Config.Node, hup: make(chan os.Signal, 1), store: s, gate: auth.NewGate(nil, s, true, log),
		unkept: make(chan *regions.Decided, 1), unequipped: make(chan *regions.Decided, 1)}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const pair = `
regions: {a: {}, b: {}}
databases:
  orders:
    writer: a
    members: {a: {dsn: "host=a user=f"}, b: {dsn: "host=b user=f"}}
`

// A configuration that waited for the store is not put in force after the one
// that took its place.
func TestAnOlderConfigurationIsNotPutInForceAfterANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fairlead.yaml")
		put(t, path, "regions: {old: {}}")
		kv := memory.New()
		kv.Fail(errors.New("the cable is cut"))
		n := bare(t, kv, path)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- n.reloads(ctx) }()
		time.Sleep(10 * time.Second)
		put(t, path, "regions: {newer: {}}")
		n.hup <- syscall.SIGHUP
		time.Sleep(300 * time.Millisecond) // the two would now try at different moments
		kv.Fail(nil)
		time.Sleep(10 * time.Second)
		d, err := n.store.Decided(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d.Fleet == nil || d.Fleet.Regions[0].ID != "newer" {
			t.Errorf("in force: %+v, want the newer configuration", d.Fleet)
		}
		entries, _, err := n.store.Audit(ctx, 1, 100)
		if err != nil || len(entries) != 2 {
			t.Errorf("the trail has %d entries (%v), want the beginning and one configuration: the older one came to nothing", len(entries), err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// What the store refuses is told as what it is: a configuration that is not in
// force. It is taken as soon as it can be.
func TestAConfigurationThatTakesAwayWhatIsInUseIsToldAndTakenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fairlead.yaml")
		put(t, path, pair)
		n := bare(t, memory.New(), path)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- n.reloads(ctx) }()
		time.Sleep(10 * time.Second)
		first := regions.Epoch{Incarnation: 1, Number: 1, Writer: "a"}
		advance := func(from regions.Epoch, to regions.ID) regions.Epoch {
			t.Helper()
			if _, _, err := n.store.AdvanceEpoch(ctx, store.Lease{}, "orders", from, from.Next(to), "", "ada", "moved"); err != nil {
				t.Fatal(err)
			}
			return from.Next(to)
		}
		second := advance(first, "b")
		put(t, path, strings.Replace(pair, `, b: {dsn: "host=b user=f"}`, "", 1))
		n.hup <- syscall.SIGHUP
		time.Sleep(10 * time.Second)
		st := n.configStatus()
		if st.Ok || !strings.Contains(st.Problem, "database orders") || !strings.Contains(st.Problem, "switchover") {
			t.Errorf("status of the configuration: %+v, want the database that is written elsewhere, and what to do", st)
		}
		if c, err := (settings{n}).Config(ctx); err != nil || c.Ok || len(c.Problems) != 1 || c.Problems[0].Remedy == "" || c.RefusedAt.IsZero() {
			t.Errorf("configuration: %+v, %v; want one problem with its remedy", c, err)
		}
		advance(second, "a")
		time.Sleep(10 * time.Second)
		if st := n.configStatus(); !st.Ok || st.Problem != "" {
			t.Errorf("status once nothing is in the way: %+v", st)
		}
		if d, err := n.store.Decided(ctx); err != nil || len(d.Fleet.Databases[0].Members) != 1 {
			t.Errorf("in force: %+v, %v; want the configuration that was refused before", d, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
