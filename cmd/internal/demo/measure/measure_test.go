package measure_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/measure"
)

var (
	kill = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	east = netip.MustParseAddr("127.10.0.1")
	eu   = netip.MustParseAddr("127.20.0.1")
	us   = netip.MustParsePrefix("203.0.113.0/24")
	euro = netip.MustParsePrefix("192.0.2.0/24")
)

func at(ms int) time.Time { return kill.Add(time.Duration(ms) * time.Millisecond) }

func reply(client netip.Prefix, sent, settled int, addrs ...netip.Addr) ledger.Reply {
	return ledger.Reply{Client: client, Addresses: addrs, Answered: len(addrs) > 0, Sent: at(sent), Settled: at(settled)}
}

func TestMoved(t *testing.T) {
	const ms = time.Millisecond
	before := []ledger.Reply{reply(us, -20, -19, east), reply(euro, -20, -19, eu)}
	tests := []struct {
		name    string
		replies []ledger.Reply
		want    measure.Answers
	}{
		{"a network that never was sent there does not count as moved", []ledger.Reply{reply(euro, 5, 6, eu), reply(us, 5, 6, east), reply(us, 1500, 1501, eu)},
			measure.Answers{FirstNew: 1501 * ms, LastStale: 6 * ms, Queries: 3}},
		{"an answer counts when it arrives", []ledger.Reply{reply(us, 1000, 1700, east), reply(us, 1600, 1601, eu)},
			measure.Answers{FirstNew: 1601 * ms, LastStale: 1700 * ms, Queries: 2}},
		{"one straggler after the move is still stale", []ledger.Reply{reply(us, 1500, 1501, eu), reply(us, 1600, 1601, east)},
			measure.Answers{FirstNew: 1501 * ms, LastStale: 1601 * ms, Queries: 2}},
		{"silence is counted", []ledger.Reply{reply(us, 5, 1005), reply(us, 1500, 1501, eu)},
			measure.Answers{FirstNew: 1501 * ms, Queries: 2, Unanswered: 1}},
		{"never moved", []ledger.Reply{reply(us, 5, 6, east)}, measure.Answers{FirstNew: -1, LastStale: 6 * ms, Queries: 1}},
		{"an answer with both addresses is stale", []ledger.Reply{reply(us, 5, 6, eu, east)}, measure.Answers{FirstNew: -1, LastStale: 6 * ms, Queries: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := measure.Moved(append(slices.Clone(before), tt.replies...), kill, east); got != tt.want {
				t.Errorf("Moved = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func order(client string, habit ledger.Habit, fate ledger.Fate, settled int) ledger.Order {
	return ledger.Order{ID: client + at(settled).String(), Client: client, Habit: habit, Fate: fate, Sent: at(settled - 1), Settled: at(settled)}
}

func TestGap(t *testing.T) {
	ack := func(ms ...int) (out []ledger.Order) {
		for _, m := range ms {
			out = append(out, order("a", ledger.Direct, ledger.Acknowledged, m))
		}
		return out
	}
	tests := []struct {
		name   string
		orders []ledger.Order
		want   time.Duration
	}{
		{"from the last before to the first after", ack(-10, 5, 700, 710), 695 * time.Millisecond},
		{"the last acknowledgement may lie before the window", ack(-100, 400, 500, 999), 500 * time.Millisecond},
		{"no acknowledgement after means a gap until the end", ack(-10, 5), 995 * time.Millisecond},
		{"none at all means the whole window", nil, time.Second},
		{"the order of the ledger does not matter", ack(700, 5, 710, -10), 695 * time.Millisecond},
		{"a refusal fills no gap", append(ack(5, 700), order("a", ledger.Direct, ledger.Refused, 300)), 695 * time.Millisecond},
		{"nor does an order of unknown fate", append(ack(5, 700), order("a", ledger.Direct, ledger.Indeterminate, 300)), 695 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := measure.Gap(tt.orders, kill, at(1000)); got != tt.want {
				t.Errorf("Gap = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestGapEachTellsWhatSingleClientsSuffered(t *testing.T) {
	const ack = ledger.Acknowledged
	orders := []ledger.Order{
		order("a", ledger.Honest, ack, -5), order("b", ledger.Honest, ack, -5), order("c", ledger.Keeper, ack, -5),
		order("a", ledger.Honest, ack, 300), order("b", ledger.Honest, ack, 900), order("c", ledger.Keeper, ack, 2000),
		order("a", ledger.Honest, ack, 1999), order("b", ledger.Honest, ack, 1999),
	}
	got := measure.GapEach(orders[:6], kill, at(900), ledger.Honest)
	want := []time.Duration{600 * time.Millisecond, 905 * time.Millisecond}
	if !slices.Equal(got, want) {
		t.Errorf("GapEach = %v, want %v", got, want)
	}
}

func visit(client string, ms int, region string) ledger.Visit {
	return ledger.Visit{Client: client, Habit: ledger.Honest, Region: region, OK: region != "", Sent: at(ms - 1), Settled: at(ms)}
}

func TestRecovered(t *testing.T) {
	visits := []ledger.Visit{
		visit("lucky", -5, "us-east"), visit("lucky", 2500, "eu-central"),
		visit("quick", -5, "us-east"), visit("quick", 5, ""), visit("quick", 1600, "eu-central"),
		visit("wobbly", -5, "us-east"), visit("wobbly", 5, ""), visit("wobbly", 900, "eu-central"), visit("wobbly", 1000, ""), visit("wobbly", 3000, "eu-central"),
		visit("lost", -5, "us-east"), visit("lost", 5, ""), visit("lost", 4000, ""),
		visit("elsewhere", -5, "eu-central"), visit("elsewhere", 5, ""),
		visit("moved before", -50, "us-east"), visit("moved before", -5, "eu-central"), visit("moved before", 7, "eu-central"),
	}
	r := measure.Recovered(visits, kill, "us-east")
	want := []time.Duration{0, 1600 * time.Millisecond, 3000 * time.Millisecond}
	if r.Affected != 4 || r.Never != 1 || !slices.Equal(r.Took, want) {
		t.Fatalf("Recovered = %+v, want 4 affected, 1 never, %v", r, want)
	}
	for _, tt := range []struct {
		share float64
		want  time.Duration
	}{{0.25, 0}, {0.5, 1600 * time.Millisecond}, {0.51, 3000 * time.Millisecond}, {0.75, 3000 * time.Millisecond}, {0.95, -1}} {
		if got := r.Share(tt.share); got != tt.want {
			t.Errorf("Share(%v) = %v, want %v", tt.share, got, tt.want)
		}
	}
	if got := measure.Recovered(visits, kill, "us-east", ledger.Keeper); got.Affected != 0 || got.Share(0.95) != -1 {
		t.Errorf("Recovered of nobody = %+v, want nobody and no figure", got)
	}
}

func TestLostAreTheAcknowledgedThatAreNotThere(t *testing.T) {
	orders := []ledger.Order{
		{ID: "1", Fate: ledger.Acknowledged}, {ID: "2", Fate: ledger.Acknowledged},
		{ID: "3", Fate: ledger.Indeterminate}, {ID: "4", Fate: ledger.Refused},
	}
	lost := measure.Lost(orders, map[string]bool{"1": true})
	if len(lost) != 1 || lost[0].ID != "2" {
		t.Errorf("Lost = %v, want order 2", lost)
	}
	if got := measure.Indeterminate(orders); got != 1 {
		t.Errorf("Indeterminate = %d, want 1", got)
	}
}
