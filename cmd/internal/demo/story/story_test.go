package story

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/report"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func after(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

func TestAReceiptCountsOnlyIfItCameBeforeThePromotion(t *testing.T) {
	run := func(receipt, promotion int) openapi.Execution {
		x := openapi.Execution{Steps: []openapi.Step{{Id: "promote", Kind: promoteKind}}, Receipt: &openapi.Receipt{At: after(receipt)}}
		if promotion > 0 {
			x.Journal = []openapi.JournalEntry{{Kind: "intended", Step: "promote", At: after(promotion)}}
		}
		return x
	}
	tests := []struct {
		name string
		x    openapi.Execution
		want bool
	}{
		{"measured first", run(10, 20), true},
		{"measured after the fact", run(30, 20), false},
		{"never promoted", run(10, 0), false},
		{"no receipt", openapi.Execution{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := receiptFirst(tt.x); got != tt.want {
				t.Errorf("receiptFirst = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheFirstWriteCountsOnlyIfItWasSentAfterTheCommand(t *testing.T) {
	orders := []ledger.Order{
		{Fate: ledger.Acknowledged, Sent: after(-5), Settled: after(3)},
		{Fate: ledger.Refused, Sent: after(10), Settled: after(11)},
		{Fate: ledger.Acknowledged, Sent: after(700), Settled: after(712)},
		{Fate: ledger.Acknowledged, Sent: after(690), Settled: after(705)},
	}
	if got := firstAck(orders, noon); got != 705 {
		t.Errorf("firstAck = %d ms, want 705", got)
	}
	if got := firstAck(orders[:2], noon); got != -1 {
		t.Errorf("firstAck without one = %d, want -1", got)
	}
}

func TestLossReachesBackToTheOldestLostOrder(t *testing.T) {
	lost := []ledger.Order{{Settled: after(-40)}, {Settled: after(-300)}, {Settled: after(-2)}}
	if got := lossTime(lost, noon); got != 300*time.Millisecond {
		t.Errorf("lossTime = %v, want 300ms", got)
	}
	if got := lossTime(nil, noon); got != 0 {
		t.Errorf("lossTime of nothing = %v, want 0", got)
	}
}

func TestStepsAndPeopleOfARun(t *testing.T) {
	took := int64(71)
	x := openapi.Execution{StartedBy: "ada", Steps: []openapi.Step{
		{Id: "approve", State: openapi.StepSucceeded, Approvals: []openapi.Approval{{By: "grace"}, {By: "ada"}}},
		{Id: "promote", State: openapi.StepSucceeded, DurationMs: &took},
	}}
	want := []report.Step{{Name: "approve", State: "succeeded", MS: -1}, {Name: "promote", State: "succeeded", MS: 71}}
	if got := steps(x); !slices.Equal(got, want) {
		t.Errorf("steps = %v, want %v", got, want)
	}
	if got := people(x); !slices.Equal(got, []string{"ada", "grace"}) {
		t.Errorf("people = %v, want ada and grace", got)
	}
}

func TestMedianAndLongest(t *testing.T) {
	times := []time.Duration{3, 1, 2}
	if m, l := median(times), longest(times); m != 2 || l != 3 {
		t.Errorf("median %v, longest %v, want 2 and 3", m, l)
	}
	if m, l := median(nil), longest(nil); m != -1 || l != -1 {
		t.Errorf("of nothing: median %v, longest %v, want -1: not measured", m, l)
	}
}

func TestEventually(t *testing.T) {
	t.Run("returns as soon as it is so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			err := eventually(t.Context(), time.Minute, time.Second, "it is so", func(context.Context) error {
				if time.Since(began) < 3*time.Second {
					return notYet("too early")
				}
				return nil
			})
			if err != nil || time.Since(began) != 3*time.Second {
				t.Errorf("eventually = %v after %v, want nil after 3s", err, time.Since(began))
			}
		})
	})
	t.Run("says what never happened and why not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err := eventually(t.Context(), time.Minute, time.Second, "pigs fly", func(context.Context) error { return notYet("no wings") })
			if err == nil || !strings.Contains(err.Error(), "until pigs fly") || !strings.Contains(err.Error(), "no wings") {
				t.Errorf("eventually = %v, want what and why", err)
			}
		})
	})
	t.Run("ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := eventually(ctx, time.Hour, 10*time.Millisecond, "never", func(context.Context) error { return errors.New("no") })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("eventually = %v, want the context's end", err)
			}
		})
	})
}
