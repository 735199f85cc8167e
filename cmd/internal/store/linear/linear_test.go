package linear_test

import (
	"context"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/linear"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
)

// signer signs nothing for real.
type signer struct{}

func (signer) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}

const orders = "orders"

func begun(t *testing.T) (*memory.KV, linear.Seen) {
	t.Helper()
	kv := memory.New()
	s := store.New(kv, store.Settings{Node: "control-1", Signer: signer{}})
	fleet := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}},
		Databases: []regions.Database{{ID: orders, Engine: "postgres", Writer: "us-east", Members: []regions.Member{{Region: "us-east"}, {Region: "eu-central"}}}}}
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "why", fleet, "one"); err != nil {
		t.Fatal(err)
	}
	d, err := s.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kv, linear.Of(d, orders)
}

func crowd(deciders ...linear.Decider) *linear.Crowd {
	both := []regions.ID{"us-east", "eu-central"}
	return &linear.Crowd{Deciders: deciders, Each: 2, Regions: both, Writers: both, Patience: 10 * time.Second, Seed: 1}
}

func node(kv *memory.KV, name string) linear.Decider {
	return linear.Through(store.New(kv, store.Settings{Node: name, Signer: signer{}}), orders)
}

func TestThreeNodesDecideAsIfOneAfterTheOther(t *testing.T) {
	kv, begin := begun(t)
	history, err := crowd(node(kv, "control-1"), node(kv, "control-2"), node(kv, "control-3")).Run(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	done, refused := linear.Count(history, linear.Done), linear.Count(history, linear.Refused)
	if v := linear.Check(begin, history, time.Minute); v != linear.Linearizable {
		t.Errorf("a history of %d acts is %s", len(history), v)
	}
	if done < 50 || refused < 5 {
		t.Errorf("%d acts were done and %d refused, too few to show anything", done, refused)
	}
}

// lagging reads what was so when it was last asked.
type lagging struct {
	linear.Decider
	before chan linear.Seen
}

func (l lagging) Read(ctx context.Context) (linear.Seen, error) {
	now, err := l.Decider.Read(ctx)
	if err != nil {
		return now, err
	}
	before := <-l.before
	l.before <- now
	return before, nil
}

func TestAReadThatLagsIsFound(t *testing.T) {
	kv, begin := begun(t)
	late := lagging{node(kv, "control-2"), make(chan linear.Seen, 1)}
	late.before <- begin
	history, err := crowd(node(kv, "control-1"), late).Run(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	if v := linear.Check(begin, history, time.Minute); v != linear.Broken {
		t.Errorf("a history with reads of what was so before is %s, want %s", v, linear.Broken)
	}
}

// TestModel says of short histories what the checker must make of them.
func TestModel(t *testing.T) {
	e1 := regions.Epoch{Incarnation: 1, Number: 1, Writer: "us-east"}
	e2, e2too := e1.Next("eu-central"), e1.Next("us-east")
	const never = 1 << 62
	drain := func(region regions.ID, id string) linear.Act {
		return linear.Act{Verb: linear.Drain, Region: region, ID: id}
	}
	type op = porcupine.Operation
	at := func(call, back int64, act linear.Act, o linear.Outcome) op {
		return op{Input: act, Call: call, Return: back, Output: linear.Answer{Outcome: o}}
	}
	read := func(call, back int64, drained linear.Drains, e regions.Epoch) op {
		return op{Input: linear.Act{Verb: linear.Read}, Call: call, Return: back, Output: linear.Answer{Outcome: linear.Done, Seen: linear.Seen{Drained: drained, Epoch: e}}}
	}
	advance := func(from, to regions.Epoch) linear.Act { return linear.Act{Verb: linear.Advance, From: from, To: to} }
	tests := []struct {
		name    string
		history []op
		want    linear.Verdict
	}{
		{"a drain is seen after it", []op{at(1, 2, drain("a", "x"), linear.Done), read(3, 4, "a=x", e1)}, linear.Linearizable},
		{"a drain that is not seen after it is lost", []op{at(1, 2, drain("a", "x"), linear.Done), read(3, 4, "", e1)}, linear.Broken},
		{"one that nobody knows of may be seen or not", []op{at(1, never, drain("a", "x"), linear.Unknown), read(3, 4, "", e1), read(5, 6, "a=x", e1)}, linear.Linearizable},
		{"but not come and go", []op{at(1, never, drain("a", "x"), linear.Unknown), read(3, 4, "a=x", e1), read(5, 6, "", e1)}, linear.Broken},
		{"a second drain is refused", []op{at(1, 2, drain("a", "x"), linear.Done), at(3, 4, drain("a", "y"), linear.Refused)}, linear.Linearizable},
		{"two drains of one region are not both done", []op{at(1, 4, drain("a", "x"), linear.Done), at(2, 3, drain("a", "y"), linear.Done)}, linear.Broken},
		{"of two epochs one wins", []op{at(1, 4, advance(e1, e2), linear.Done), at(2, 3, advance(e1, e2too), linear.Refused)}, linear.Linearizable},
		{"two writers are not both made", []op{at(1, 4, advance(e1, e2), linear.Done), at(2, 3, advance(e1, e2too), linear.Done)}, linear.Broken},
		{"an epoch does not go back", []op{at(1, 2, advance(e1, e2), linear.Done), read(3, 4, "", e2), read(5, 6, "", e1)}, linear.Broken},
		{"what was ended is over", []op{at(1, 2, drain("a", "x"), linear.Done), at(3, 4, linear.Act{Verb: linear.End, ID: "x"}, linear.Done), read(5, 6, "", e1)}, linear.Linearizable},
		{"and is not ended twice", []op{at(1, 2, drain("a", "x"), linear.Done), at(3, 4, linear.Act{Verb: linear.End, ID: "x"}, linear.Done),
			at(5, 6, linear.Act{Verb: linear.End, ID: "x"}, linear.Done)}, linear.Broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := linear.Check(linear.Seen{Epoch: e1}, tt.history, time.Minute); got != tt.want {
				t.Errorf("Check = %s, want %s", got, tt.want)
			}
		})
	}
}
