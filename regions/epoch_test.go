package regions_test

import (
	"bytes"
	"testing"

	"fairlead/regions"
)

func TestEpochsOrderByIncarnationThenNumber(t *testing.T) {
	e := func(i, n uint64, w regions.ID) regions.Epoch {
		return regions.Epoch{Incarnation: i, Number: n, Writer: w}
	}
	tests := []struct {
		name string
		a, b regions.Epoch
		want int
	}{
		{"the number decides", e(1, 2, "eu"), e(1, 3, "us"), -1},
		{"a higher incarnation beats any number", e(2, 1, "eu"), e(1, 99, "us"), 1},
		{"the writer takes no part", e(1, 2, "eu"), e(1, 2, "us"), 0},
		{"any epoch is later than none", e(0, 1, "eu"), regions.Epoch{}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Compare(tt.b); got != tt.want {
				t.Errorf("%v compared with %v = %d, want %d", tt.a, tt.b, got, tt.want)
			}
			if got := tt.b.Compare(tt.a); got != -tt.want {
				t.Errorf("%v compared with %v = %d, want %d", tt.b, tt.a, got, -tt.want)
			}
		})
	}
	if next := e(1, 2, "eu").Next("us"); next != e(1, 3, "us") || next.String() != "1.3 us" {
		t.Errorf("next = %v", next)
	}
}

func TestASignatureCoversDatabaseEpochAndWriter(t *testing.T) {
	base := regions.SignedEpoch{Database: "orders", Epoch: regions.Epoch{Incarnation: 1, Number: 2, Writer: "us"}}
	seen := [][]byte{base.Payload()}
	for _, change := range []func(*regions.SignedEpoch){
		func(s *regions.SignedEpoch) { s.Database = "order" },
		func(s *regions.SignedEpoch) { s.Epoch.Incarnation = 2 },
		func(s *regions.SignedEpoch) { s.Epoch.Number = 3 },
		func(s *regions.SignedEpoch) { s.Epoch.Writer = "eu" },
	} {
		other := base
		change(&other)
		for _, p := range seen {
			if bytes.Equal(p, other.Payload()) {
				t.Errorf("%+v signs the same bytes as another", other)
			}
		}
		seen = append(seen, other.Payload())
	}
}
