package replica

import (
	"testing"

	"fairlead/regions"
)

// Nothing that is not exactly what was written is ever believed.
func FuzzDecode(f *testing.F) {
	good, err := encodeFile(&regions.Decided{Incarnation: 1, Generation: 42, FleetHash: "content"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("fairlead-decided 1 incarnation 1 generation 1 bytes -1 sha256 x\n"))
	f.Add([]byte("fairlead-decided 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := decodeFile(text)
		if err != nil {
			return
		}
		again, err := encodeFile(d)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeFile(again); err != nil || back.Generation != d.Generation {
			t.Errorf("%q was believed, and its own encoding is not: %v", text, err)
		}
	})
}
