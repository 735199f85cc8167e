package providers_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
)

type recorder struct{ acts []providers.Request }

func (r *recorder) Observe(context.Context, providers.Request) (providers.Result, error) {
	return providers.Result{State: providers.Done}, nil
}

func (r *recorder) Act(_ context.Context, req providers.Request) (providers.Result, error) {
	r.acts = append(r.acts, req)
	return providers.Result{State: providers.Done}, nil
}

func TestRegistryPassesOnOnlyWhatIsNotOlder(t *testing.T) {
	epoch := func(incarnation, number uint64) regions.Epoch {
		return regions.Epoch{Incarnation: incarnation, Number: number, Writer: "us-east"}
	}
	tests := []struct {
		name    string
		seen    []regions.Epoch
		request providers.Request
		want    fault.Kind
		passes  bool
	}{
		{"the first epoch passes", nil, providers.Request{Key: "a", Epoch: epoch(1, 1)}, 0, true},
		{"the same epoch passes", []regions.Epoch{epoch(1, 4)}, providers.Request{Key: "a", Epoch: epoch(1, 4)}, 0, true},
		{"an older number is refused", []regions.Epoch{epoch(1, 4)}, providers.Request{Key: "a", Epoch: epoch(1, 3)}, fault.Conflict, false},
		{"an older incarnation is refused, whatever its number", []regions.Epoch{epoch(2, 1)},
			providers.Request{Key: "a", Epoch: epoch(1, 99)}, fault.Conflict, false},
		{"a dry run is judged too", []regions.Epoch{epoch(1, 4)}, providers.Request{Epoch: epoch(1, 3), DryRun: true}, fault.Conflict, false},
		{"an act without a key is refused", nil, providers.Request{Epoch: epoch(1, 1)}, fault.Invalid, false},
		{"another database has its own epochs", []regions.Epoch{epoch(1, 4)},
			providers.Request{Key: "a", Epoch: epoch(1, 1), Params: map[string]string{"database": "carts"}}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg := providers.NewRegistry(slog.New(slog.NewTextHandler(io.Discard, nil)))
			rec := &recorder{}
			reg.Put("orders", rec)
			for _, e := range tt.seen {
				if _, err := reg.Act(t.Context(), "orders", providers.Request{Key: "seen", Epoch: e}); err != nil {
					t.Fatalf("Act under %v = %v, want it passed on", e, err)
				}
			}
			before := len(rec.acts)
			_, err := reg.Act(t.Context(), "orders", tt.request)
			if passed := len(rec.acts) > before; passed != tt.passes || (err == nil) != tt.passes {
				t.Fatalf("Act(%+v) after %v: reached the provider = %v, err = %v; want passed on = %v", tt.request, tt.seen, passed, err, tt.passes)
			}
			if err != nil && !fault.Is(err, tt.want) {
				t.Errorf("Act(%+v) = %v (%v), want kind %v", tt.request, err, fault.Of(err), tt.want)
			}
		})
	}
}

func TestRegistryDryRunLeavesNoTrace(t *testing.T) {
	reg := providers.NewRegistry(slog.New(slog.NewTextHandler(io.Discard, nil)))
	reg.Put("orders", &recorder{})
	if _, err := reg.Act(t.Context(), "orders", providers.Request{Epoch: regions.Epoch{Number: 9}, DryRun: true}); err != nil {
		t.Fatalf("dry run: %v", err)
	}
	if _, err := reg.Act(t.Context(), "orders", providers.Request{Key: "a", Epoch: regions.Epoch{Number: 3}}); err != nil {
		t.Errorf("Act under epoch 3 after a dry run under 9 = %v, want it passed on", err)
	}
}

func TestRegistryNamesWhatIsConfigured(t *testing.T) {
	reg := providers.NewRegistry(slog.New(slog.NewTextHandler(io.Discard, nil)))
	reg.Put("orders", &recorder{})
	_, err := reg.Observe(t.Context(), "carts", providers.Request{})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("Observe of an unknown provider = %v, want not_found", err)
	}
}
