package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func advancesEpoch(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	first := decided(t, s).Writers["orders"].Epoch
	second := first.Next("eu-central")
	advance := func(from, to regions.Epoch) (regions.SignedEpoch, uint64, error) {
		return s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", from, to, "run-1", "engine@control-1", "switchover")
	}
	signed, generation, err := advance(first, second)
	if err != nil || signed.Epoch != second || string(signed.Signature) != string(signed.Payload()) {
		t.Fatalf("advance = %+v, %v", signed, err)
	}
	if d := decided(t, s); d.Writers["orders"].Epoch != second || d.Generation != generation {
		t.Errorf("decided %+v at %d, want %v at %d", d.Writers["orders"].Epoch, d.Generation, second, generation)
	}
	if again, g, err := advance(first, second); err != nil || again.Epoch != second || g != generation {
		t.Errorf("the same again = %+v, %d, %v; want it to be so already", again, g, err)
	}
	_, _, err = advance(first, first.Next("us-east"))
	wants(t, "advancing from an epoch that has passed", err, fault.Conflict, "1.2 eu-central", "1.1 us-east")
	_, _, err = advance(second, first)
	wants(t, "going backwards", err, fault.Invalid)
	_, _, err = advance(second, second.Next("ap-south"))
	wants(t, "a writer without a server", err, fault.Invalid, "ap-south")
	_, _, err = advance(second, regions.Epoch{Incarnation: 9, Number: 1, Writer: "us-east"})
	wants(t, "an incarnation that is not ours", err, fault.Invalid, "incarnation")
	_, _, err = s.AdvanceEpoch(t.Context(), store.Lease{}, "ghost", first, second, "", "alice", "why")
	wants(t, "a database that is not there", err, fault.NotFound)
	mustVerify(t, s)
}

func racingEpochs(t *testing.T, kv store.KV) {
	first := decided(t, begun(t, kv)).Writers["orders"].Epoch
	errs := make(chan error)
	for i := range 4 {
		s := node(kv, fmt.Sprint("control-", i))
		to := first.Next([]regions.ID{"us-east", "eu-central"}[i%2])
		to.Number += uint64(i) // each wants another one
		go func() {
			_, _, err := s.AdvanceEpoch(t.Context(), store.Lease{}, "orders", first, to, "", "engine@"+fmt.Sprint(i), "race")
			errs <- err
		}()
	}
	won := 0
	for range 4 {
		err := <-errs
		if err == nil {
			won++
		} else {
			wants(t, "the others", err, fault.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d advanced the epoch from the same one, want 1", won)
	}
}

func deposedDecidesNothing(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	leases := make(chan store.Lease)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Lead(ctx, "engine", func(ctx context.Context, l store.Lease) error {
			select {
			case leases <- l:
			case <-ctx.Done():
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	lease := receive(t, "the lease", leases)
	if who, err := s.Leader(t.Context(), "engine"); err != nil || who != "control-1" {
		t.Errorf("Leader = %q, %v", who, err)
	}
	if _, err := s.StartExecution(t.Context(), lease, "run-1", started("alice", "orders")); err != nil {
		t.Errorf("the leader's run: %v", err)
	}
	if _, err := kv.Commit(t.Context(), store.Txn{Delete: []string{lease.Key}}); err != nil {
		t.Fatal(err)
	}
	before := mustVerify(t, s)
	first := decided(t, s).Writers["orders"].Epoch
	acts := map[string]func() error{
		"append": func() error {
			_, err := s.Append(t.Context(), lease, "run-1", 1, paused())
			return err
		},
		"epoch": func() error {
			_, _, err := s.AdvanceEpoch(t.Context(), lease, "orders", first, first.Next("eu-central"), "run-1", "engine@a", "why")
			return err
		},
		"drain": func() error {
			_, err := s.PutOverride(t.Context(), lease, drain(t, "x", regions.Scope{Region: "us-east"}, "alice", time.Hour), store.Safety{})
			return err
		},
		"fleet": func() error {
			_, _, err := s.ApplyFleet(t.Context(), lease, "alice", "why", fleet(), "content-2")
			return err
		},
	}
	for name, act := range acts {
		err := act()
		wants(t, name, err, fault.Conflict)
		if !errors.Is(err, store.ErrDeposed) {
			t.Errorf("%s = %v, want ErrDeposed", name, err)
		}
	}
	if after := mustVerify(t, s); after != before {
		t.Errorf("%d entries were written by a deposed leader", after-before)
	}
	cancel()
	if err := receive(t, "Lead to return", done); err != nil {
		t.Errorf("Lead = %v", err)
	}
}
