package regions_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"fairlead/regions"
)

func keyOf(n byte) ed25519.PublicKey { return bytes.Repeat([]byte{n}, ed25519.PublicKeySize) }

func TestRecoveryKeysMakeSeveralPeopleOrNone(t *testing.T) {
	people := func(keys ...byte) (all []regions.RecoveryKey) {
		for i, k := range keys {
			all = append(all, regions.RecoveryKey{Person: fmt.Sprintf("person%d", i), Key: keyOf(k)})
		}
		return all
	}
	for _, tt := range []struct {
		name string
		r    *regions.Recovery
		want string
	}{
		{"nobody has a key", nil, ""},
		{"two of three", &regions.Recovery{Threshold: 2, BreakGlass: 1, Keys: people(1, 2, 3)}, ""},
		{"one alone may recover", &regions.Recovery{Threshold: 1, BreakGlass: 1, Keys: people(1, 2)}, "1 of 2 keys must sign"},
		{"more than there are", &regions.Recovery{Threshold: 3, BreakGlass: 1, Keys: people(1, 2)}, "3 of 2 keys must sign"},
		{"nobody need break glass", &regions.Recovery{Threshold: 2, Keys: people(1, 2)}, "break-glass bundle"},
		{"one person under two names", &regions.Recovery{Threshold: 2, BreakGlass: 1, Keys: people(1, 1)}, "who would count twice"},
		{"half a key", &regions.Recovery{Threshold: 2, BreakGlass: 1, Keys: append(people(1, 2), regions.RecoveryKey{Person: "carol", Key: []byte{1}})}, "ed25519"},
		{"one name twice", &regions.Recovery{Threshold: 2, BreakGlass: 1, Keys: append(people(1, 2), regions.RecoveryKey{Person: "person0", Key: keyOf(9)})}, "already defined"},
	} {
		f := regions.Fleet{Regions: []regions.Region{{ID: "us"}}, Recovery: tt.r}
		got := fmt.Sprint(f.Validate())
		if (tt.want == "") != (got == "[]") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAChangeOfRecoveryKeysIsSaid(t *testing.T) {
	r := func(threshold int, keys ...byte) *regions.Recovery {
		out := &regions.Recovery{Threshold: threshold, BreakGlass: 1}
		for i, k := range keys {
			out.Keys = append(out.Keys, regions.RecoveryKey{Person: []string{"alice", "bob", "carol"}[i], Key: keyOf(k)})
		}
		return out
	}
	for _, tt := range []struct {
		name          string
		before, after *regions.Recovery
		want          []string
	}{
		{"the same", r(2, 1, 2), r(2, 1, 2), nil},
		{"none to none", nil, nil, nil},
		{"the first ones", nil, r(2, 1, 2), []string{"before, nobody", "now, 2 of alice, bob"}},
		{"one more", r(2, 1, 2), r(2, 1, 2, 3), []string{"carol"}},
		{"another key of the same person", r(2, 1, 2), r(2, 1, 9), []string{"another key for bob"}},
		{"none any more", r(2, 1, 2), nil, []string{"now, nobody has a recovery key"}},
	} {
		got := tt.before.Change(tt.after)
		if tt.want == nil && got != "" {
			t.Errorf("%s: %q, want nothing", tt.name, got)
		}
		for _, w := range tt.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q, want %q in it", tt.name, got, w)
			}
		}
	}
}
