package memory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func TestKV(t *testing.T) {
	kv := memory.New()
	storetest.KV(t, kv, func(*testing.T) { kv.Compact() })
}

func TestStore(t *testing.T) {
	storetest.Store(t, func(*testing.T) store.KV { return memory.New() })
}

// The database goes away and comes back. What is known stays known, status
// says what is so, and nothing that was decided meanwhile is missed.
func TestAnOutageIsSurvivedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New()
		writer := store.New(kv, store.Settings{Node: "control-1", Signer: nobody{}})
		reader := store.New(kv, store.Settings{Node: "dns-1"})
		ctx, cancel := context.WithCancel(t.Context())
		go reader.Run(ctx)
		defer synctest.Wait()
		defer cancel()
		fleet := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}}}
		apply := func(hash string) error {
			_, _, err := writer.ApplyFleet(ctx, store.Lease{}, "alice", "why", fleet, hash)
			return err
		}
		settle := func() { time.Sleep(5 * time.Second); synctest.Wait() }
		sees := func(hash string, reachable bool) {
			t.Helper()
			v, s := reader.Latest(), reader.Status()
			if v.Decided.FleetHash != hash || s.Reachable != reachable || reachable != (s.Problem == "") {
				t.Errorf("sees %s, status %+v; want %s, reachable %v", v.Decided.FleetHash, s, hash, reachable)
			}
		}

		settle()
		if s := reader.Status(); s.Reachable || !strings.Contains(s.Problem, "no control node") {
			t.Errorf("before there is a store: %+v", s)
		}
		if err := apply("one"); err != nil {
			t.Fatal(err)
		}
		settle()
		sees("one", true)

		down := time.Now()
		kv.Fail(errors.New("the cable is cut"))
		if err := apply("two"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "cable") {
			t.Errorf("deciding without a store = %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		sees("one", false)
		if since := reader.Status().Since; since.Sub(down) > 0 {
			t.Errorf("down since %v after it went", since.Sub(down))
		}
		kv.Fail(nil)
		kv.Compact()
		if err := apply("two"); err != nil {
			t.Fatal(err)
		}
		settle()
		sees("two", true)
	})
}

// nobody signs.
type nobody struct{}

func (nobody) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}
