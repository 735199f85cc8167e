package lab_test

import (
	"reflect"
	"testing"

	"fairlead/cmd/internal/lab"
)

func TestASeedDrawsTheSameRounds(t *testing.T) {
	many := lab.Schedule(7, 50)
	if few := lab.Schedule(7, 20); !reflect.DeepEqual(few, many[:20]) {
		t.Errorf("20 rounds of seed 7 are\n%v\nwant the first of 50,\n%v", few, many[:20])
	}
	if reflect.DeepEqual(many, lab.Schedule(8, 50)) {
		t.Errorf("seeds 7 and 8 draw the same rounds: %v", many)
	}
}

// TestEveryKindIsDrawnAndNoShopDiesUnseen: what a schedule never draws it never
// proves, and a shop that dies behind a broken network is nobody's fault.
func TestEveryKindIsDrawnAndNoShopDiesUnseen(t *testing.T) {
	drawn := map[lab.Kind]int{}
	pairs := 0
	for _, r := range lab.Schedule(1, 500) {
		for _, f := range r.Faults {
			drawn[f.Kind]++
			if k := f.Kind; len(r.Faults) > 1 && (k == lab.ShutShop || k == lab.LoseRegion || k == lab.Quorum || k == lab.Blackout) {
				t.Errorf("%v: a shop dies beside another fault", r)
			}
		}
		pairs += len(r.Faults) - 1
	}
	for _, k := range []lab.Kind{lab.LoseRegion, lab.KillNode, lab.FreezeNode, lab.ShutShop, lab.CutOff, lab.Muted, lab.Worse, lab.Quorum, lab.Blackout} {
		if drawn[k] < 10 {
			t.Errorf("%q is drawn %d times in 500 rounds, want at least 10", k, drawn[k])
		}
	}
	if pairs < 100 {
		t.Errorf("%d of 500 rounds hold two faults, want at least 100", pairs)
	}
}
