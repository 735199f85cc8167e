// Package providertest holds what every provider must pass, so that runbooks
// may rely on it whatever they act on: Act twice under one key is harmless,
// Observe after Act says done, an older epoch reaches nothing and the answer
// says so, a cancelled context ends the call, and a dry run changes nothing.
package providertest

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Subject is a provider in a fresh world, with one request that can be acted
// on in it.
type Subject struct {
	Provider providers.Provider
	Request  providers.Request // Key and DryRun are set by the tests
	Key      string            // in a world that is shared: what makes this one's keys its own
	// Effects counts how often the world was really changed.
	Effects func() int
	// OwnEpochs says that the provider, or what it speaks to, refuses older
	// epochs by itself; otherwise only the registry before it is tested.
	OwnEpochs bool
	// ReadOnly says that the action looks and never changes anything.
	ReadOnly bool
}

// Run runs the contract; fresh makes a new world for each promise.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	t.Helper()
	epoch := regions.Epoch{Incarnation: 1, Number: 5, Writer: "us-east"}
	begin := func(t *testing.T) (Subject, providers.Request) {
		s := fresh(t)
		req := s.Request
		req.Key = s.Key + "contract/1"
		if req.Epoch == (regions.Epoch{}) {
			req.Epoch = epoch
		}
		return s, req
	}

	t.Run("a dry run changes nothing", func(t *testing.T) {
		s, req := begin(t)
		req.DryRun = true
		res, err := s.Provider.Act(t.Context(), req)
		if err != nil {
			t.Fatalf("Act(dry run) = %v", err)
		}
		if n := s.Effects(); n != 0 {
			t.Errorf("a dry run changed the world %d times; it said %q", n, res.Detail)
		}
		if res.Detail == "" {
			t.Error("a dry run said nothing about what would happen")
		}
	})

	t.Run("observe after act says done, and a second act is harmless", func(t *testing.T) {
		s, req := begin(t)
		if !s.ReadOnly {
			if res, err := s.Provider.Observe(t.Context(), req); err != nil || res.State == providers.Done {
				t.Fatalf("Observe before Act = %+v, %v; want anything but done", res, err)
			}
		}
		for range 2 {
			res, err := s.Provider.Act(t.Context(), req)
			if err != nil || res.State != providers.Done {
				t.Fatalf("Act = %+v, %v; want done", res, err)
			}
			if res, err = s.Provider.Observe(t.Context(), req); err != nil || res.State != providers.Done {
				t.Fatalf("Observe after Act = %+v, %v; want done", res, err)
			}
		}
		if n := s.Effects(); n > 1 {
			t.Errorf("Act twice under one key changed the world %d times, want once", n)
		}
	})

	t.Run("an older epoch reaches nothing", func(t *testing.T) {
		s, req := begin(t)
		var act func(context.Context, providers.Request) (providers.Result, error)
		if s.OwnEpochs {
			act = s.Provider.Act
		} else {
			reg := providers.NewRegistry(slog.New(slog.NewTextHandler(io.Discard, nil)))
			reg.Put("subject", s.Provider)
			act = func(ctx context.Context, r providers.Request) (providers.Result, error) {
				return reg.Act(ctx, "subject", r)
			}
		}
		if _, err := act(t.Context(), req); err != nil {
			t.Fatalf("Act under %v = %v", req.Epoch, err)
		}
		before := s.Effects()
		late := req
		late.Key, late.Epoch.Number = s.Key+"contract/late", req.Epoch.Number-1
		if res, err := act(t.Context(), late); !fault.Is(err, fault.Conflict) || res.State != providers.Untouched {
			t.Errorf("Act under %v after %v = %+v, %v; want a conflict, and the state untouched", late.Epoch, req.Epoch, res, err)
		}
		if n := s.Effects(); n != before {
			t.Errorf("an older epoch changed the world")
		}
	})

	t.Run("a cancelled context ends the call", func(t *testing.T) {
		s, req := begin(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			res, err := s.Provider.Act(ctx, req)
			if err == nil && res.State == providers.Done && s.Effects() == 0 && !s.ReadOnly {
				t.Errorf("Act under a cancelled context says %q, but nothing was done", res.Detail)
			}
		}()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("Act under a cancelled context still runs after 20 s")
		}
	})
}
