package etcd_test

import (
	"path/filepath"
	"testing"

	"fairlead/cmd/internal/etcd"
	"fairlead/regions/fault"
)

// TestASurvivorIsForcedToGoOnAlone: of three members two are gone; the third
// keeps what was committed, writes alone, and is refused nothing when it starts
// once more in the usual way. Those who come back are told that they were
// removed.
func TestASurvivorIsForcedToGoOnAlone(t *testing.T) {
	settings := members(t, newAuthority(t), 3)
	var all []*etcd.DB
	var stops []func()
	for _, s := range settings {
		d, stop := open(t, s)
		all, stops = append(all, d), append(stops, stop)
	}
	for _, d := range all {
		ready(t, d)
	}
	eventually(t, "a write", func() error { return put(t.Context(), all[0], "a", "1") })
	eventually(t, "read on the survivor", get(t, all[2], "a", "1"))
	for _, stop := range stops {
		stop()
	}

	forced := settings[2]
	forced.Begin = etcd.Forced
	alone, stopAlone := open(t, forced)
	ready(t, alone)
	eventually(t, "what was committed is there", get(t, alone, "a", "1"))
	eventually(t, "a write alone", func() error { return put(t.Context(), alone, "a", "2") })
	stopAlone()
	alone, _ = open(t, settings[2])
	ready(t, alone)
	eventually(t, "started again as before", get(t, alone, "a", "2"))

	one, _ := open(t, settings[0])
	two, _ := open(t, settings[1])
	for range 20 { // whatever those who are back do, nothing of it reaches the survivor
		_ = put(t.Context(), one, "a", "of the past")
		_ = put(t.Context(), two, "a", "of the past")
		if err := get(t, alone, "a", "2")(); err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	eventually(t, "the survivor writes beside them", func() error { return put(t.Context(), alone, "a", "3") })
}

func TestAMemberBeginsAnewBesideWhatItHeld(t *testing.T) {
	s := members(t, newAuthority(t), 3)[0]
	s.Begin = etcd.Forced
	d, err := etcd.New(s)
	if err != nil {
		t.Fatal(err)
	}
	wants := d.Run(t.Context())
	if !fault.Is(wants, fault.Invalid) {
		t.Errorf("forced to go on with nothing: %v, want it refused", wants)
	}
	s.Begin = etcd.Anew
	for i, before := range []int{0, 1} {
		d, stop := open(t, s)
		ready(t, d)
		eventually(t, "a write alone", func() error { return put(t.Context(), d, "a", "1") })
		stop()
		if aside, _ := filepath.Glob(filepath.Join(s.Dir, "member-before-*")); len(aside) != before {
			t.Errorf("begun anew %d times: %v lies beside it, want %d stores of before", i+1, aside, before)
		}
	}
}
