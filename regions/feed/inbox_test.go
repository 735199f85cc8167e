package feed

import (
	"testing"
	"time"

	"fairlead/regions"
)

func TestAnInboxNeverGoesBack(t *testing.T) {
	type arrival struct {
		boot, sequence uint64
		taken          bool
	}
	tests := []struct {
		name     string
		arrivals []arrival
	}{
		{"tables of one run in order", []arrival{{1, 1, true}, {1, 2, true}, {1, 9, true}}},
		{"a late one", []arrival{{1, 5, true}, {1, 4, false}, {1, 6, true}}},
		{"the same twice", []arrival{{1, 5, true}, {1, 5, false}}},
		{"a new run begins at one", []arrival{{1, 500, true}, {2, 1, true}, {2, 2, true}}},
		{"a late one of an earlier run", []arrival{{1, 500, true}, {2, 1, true}, {1, 501, false}, {2, 2, true}}},
		{"and after a third", []arrival{{1, 1, true}, {2, 1, true}, {3, 1, true}, {2, 2, false}, {1, 2, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changes := 0
			in := NewInbox(func() { changes++ })
			taken := 0
			for i, a := range tt.arrivals {
				at := noon.Add(time.Duration(i) * time.Second)
				if got := in.Take(Table{Node: "n", Boot: a.boot, Sequence: a.sequence}, at); got != a.taken {
					t.Errorf("arrival %d: %+v taken: %v", i, a, got)
				}
				if a.taken {
					taken++
					if h := in.Nodes()[0]; h.Table.Boot != a.boot || h.Table.Sequence != a.sequence || h.At != at {
						t.Errorf("arrival %d: kept %+v", i, h)
					}
				}
			}
			if changes != taken {
				t.Errorf("told %d times of %d tables", changes, taken)
			}
		})
	}
}

func TestNodesOfAnInboxAreIndependentAndCanBeForgotten(t *testing.T) {
	in := NewInbox(nil)
	e := regions.SignedEpoch{Database: "orders"}
	in.Take(Table{Node: "b", Region: "eu", Sequence: 1, Interval: time.Second, Epochs: []regions.SignedEpoch{e}}, noon)
	in.Take(Table{Node: "a", Region: "us", Sequence: 1}, noon)
	tables := in.Tables()
	if len(tables) != 2 || tables[0].Node != "a" || tables[1].Region != "eu" || tables[1].Heard != noon || tables[1].Interval != time.Second {
		t.Errorf("tables %+v", tables)
	}
	if got := in.Epochs(); len(got) != 1 || got[0].Database != "orders" {
		t.Errorf("epochs %+v", got)
	}
	in.Forget(func(n regions.NodeID) bool { return n == "a" })
	if got := in.Nodes(); len(got) != 1 || got[0].Table.Node != "a" {
		t.Errorf("nodes %+v", got)
	}
}
