package recovery_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/recovery"
	"fairlead/regions"
)

// ring is people with keys, and the state of a node that knows them.
type ring struct {
	keys    map[string]*recovery.Key
	decided *regions.Decided
}

func newRing(t *testing.T, names ...string) ring {
	t.Helper()
	r := ring{keys: map[string]*recovery.Key{}, decided: &regions.Decided{Cluster: "k1", Incarnation: 3, Generation: 41,
		Fleet: &regions.Fleet{Regions: []regions.Region{{ID: "us"}, {ID: "eu"}}, Recovery: &regions.Recovery{Threshold: 2, BreakGlass: 1},
			Databases: []regions.Database{{ID: "orders"}}},
		Writers: map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders", Epoch: regions.Epoch{Incarnation: 3, Number: 7, Writer: "us"}}}}}
	for _, name := range names {
		k := newKey(t, name)
		public, err := recovery.ParsePublic(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		r.keys[name] = k
		r.decided.Fleet.Recovery.Keys = append(r.decided.Fleet.Recovery.Keys, regions.RecoveryKey{Person: name, Key: public})
	}
	return r
}

func newKey(t *testing.T, name string) *recovery.Key {
	t.Helper()
	k, err := recovery.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var members = []recovery.Member{{Node: "n1", Region: "us"}, {Node: "n2", Region: "us"}, {Node: "n3", Region: "eu"}}

func (r ring) order(t *testing.T, signers ...string) recovery.Order {
	t.Helper()
	o, err := recovery.Propose(r.decided, "n3", members, []string{"n1", "n2"}, recovery.FromStore, "alice", "fire", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signers {
		if o, err = o.Sign(r.keys[s]); err != nil {
			t.Fatal(err)
		}
	}
	if o, err = recovery.ParseOrder(o.Format()); err != nil { // as it comes from a file
		t.Fatal(err)
	}
	return o
}

func TestAnOrderIsCarriedOutByEnoughPeopleOnce(t *testing.T) {
	r := newRing(t, "alice", "bob", "carol")
	good := r.order(t, "alice", "carol")
	if who, err := good.Verify(r.decided, "n3"); err != nil || strings.Join(who, ",") != "alice,carol" {
		t.Fatalf("a good order: %v, %v", who, err)
	}
	text := strings.Join(good.Consequences, "\n")
	for _, w := range []string{"n3 begins incarnation 4 alone, from generation 41", "n1, n2", "database orders: its writer stays in us, now under epoch 4.8", "it may still take writes"} {
		if !strings.Contains(text, w) {
			t.Errorf("the consequences do not say %q: %s", w, text)
		}
	}
	stranger := newKey(t, "mallory")
	impostor := newKey(t, "bob")
	tests := []struct {
		name  string
		order func() recovery.Order
		node  string
		known func(regions.Decided) *regions.Decided
		want  string
	}{
		{"nobody signed", func() recovery.Order { return r.order(t) }, "n3", nil, "2 people must sign it, and nobody has"},
		{"too few signed", func() recovery.Order { return r.order(t, "bob") }, "n3", nil, "only bob has"},
		{"one signed twice", func() recovery.Order {
			o := r.order(t, "bob")
			o.Signatures = append(o.Signatures, o.Signatures[0])
			return o
		}, "n3", nil, "signed it twice"},
		{"a stranger signed", func() recovery.Order {
			o, _ := r.order(t, "bob").Sign(stranger)
			return o
		}, "n3", nil, "mallory, who signed it, has no recovery key"},
		{"somebody signed as another", func() recovery.Order {
			o, _ := r.order(t, "alice").Sign(impostor)
			return o
		}, "n3", nil, "signature of bob does not fit"},
		{"a word was changed after it was signed", func() recovery.Order {
			o := r.order(t, "alice", "bob")
			o.Lost = []string{"n1"}
			return o
		}, "n3", nil, "was changed after it was signed"},
		{"another node", func() recovery.Order { return good }, "n2", nil, "is for node n3 to carry out"},
		{"another cluster", func() recovery.Order { return good }, "n3", func(d regions.Decided) *regions.Decided { d.Cluster = "k2"; return &d }, "is for another cluster"},
		{"carried out already", func() recovery.Order { return good }, "n3", func(d regions.Decided) *regions.Decided { d.Incarnation = 4; return &d }, "carried out already"},
		{"a node that knows no keys", func() recovery.Order { return good }, "n3", func(d regions.Decided) *regions.Decided {
			f := *d.Fleet
			f.Recovery, d.Fleet = nil, &f
			return &d
		}, "nobody's signature is known here"},
		{"a node that knows nothing", func() recovery.Order { return good }, "n3", func(regions.Decided) *regions.Decided { return nil }, "remembers nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := r.decided
			if tt.known != nil {
				d = tt.known(*d)
			}
			who, err := tt.order().Verify(d, tt.node)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasSuffix(err.Error(), ")") {
				t.Errorf("verified by %v: %v; want it refused with %q and a remedy", who, err, tt.want)
			}
		})
	}
}

func TestAnOrderIsProposedOnlyWhereItHelps(t *testing.T) {
	r := newRing(t, "alice", "bob")
	keyless := *r.decided
	keyless.Fleet = &regions.Fleet{}
	for _, tt := range []struct {
		name string
		d    *regions.Decided
		node string
		lost []string
		from string
		want string
	}{
		{"the majority lives", r.decided, "n3", []string{"n1"}, "store", "the quorum is not lost"},
		{"the survivor is declared lost", r.decided, "n3", []string{"n3", "n1"}, "store", "is itself declared lost"},
		{"a node that is not there", r.decided, "n3", []string{"n1", "n9"}, "store", "n9 is no control node"},
		{"from nowhere", r.decided, "n3", []string{"n1", "n2"}, "tape", "cannot begin from"},
		{"without keys", &keyless, "n3", []string{"n1", "n2"}, "store", "names no recovery keys"},
		{"without a memory", nil, "n3", []string{"n1", "n2"}, "store", "remembers nothing"},
	} {
		_, err := recovery.Propose(tt.d, tt.node, members, tt.lost, tt.from, "alice", "fire", time.Now())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestABundleIsTakenOnceAndNeverAfterALaterOne(t *testing.T) {
	r := newRing(t, "alice", "bob")
	bundle := func(incarnation, sequence uint64, signers ...string) recovery.Bundle {
		b, err := recovery.NewBundle("k1", incarnation, sequence, []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us"}}, "alice", "fire", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range signers {
			if b, err = b.Sign(r.keys[s]); err != nil {
				t.Fatal(err)
			}
		}
		if b, err = recovery.ParseBundle(b.Format()); err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := bundle(3, 5, "bob")
	seen := recovery.Seen{Incarnation: 2, Sequence: 900, ID: "b-old"}
	if g, err := b.Verify(r.decided, seen); err != nil || g.By[0] != "bob" || g.Sequence != 5 {
		t.Fatalf("a good bundle: %+v, %v", g, err)
	}
	changed := b
	changed.Orders = []regions.GlassOrder{{Act: regions.GlassDrain, Region: "eu"}}
	strict := *r.decided
	fleet := *r.decided.Fleet
	keys := *fleet.Recovery
	keys.BreakGlass, fleet.Recovery, strict.Fleet = 2, &keys, &fleet
	ended := *r.decided
	ended.GlassEnd = &regions.GlassEnd{Incarnation: 3, Sequence: 5, By: "ada", Why: "over"}
	for _, tt := range []struct {
		name string
		b    recovery.Bundle
		d    *regions.Decided
		seen recovery.Seen
		want string
	}{
		{"the same again", b, r.decided, recovery.Seen{Incarnation: 3, Sequence: 5, ID: b.ID}, "was taken here already"},
		{"an earlier one", b, r.decided, recovery.Seen{Incarnation: 3, Sequence: 6, ID: "b-later"}, "has taken sequence 6"},
		{"one of an incarnation before", bundle(2, 9, "bob"), r.decided, seen, "is for incarnation 2"},
		{"one that was ended in writing", b, &ended, seen, "ended in writing by ada"},
		{"too few signed", b, &strict, seen, "2 people must sign"},
		{"nobody signed", bundle(3, 5), r.decided, seen, "nobody has"},
		{"changed after it was signed", changed, r.decided, seen, "does not fit"},
		{"an order passed off as a bundle", func() recovery.Bundle {
			c := b
			c.Signatures = r.order(t, "bob").Signatures
			return c
		}(), r.decided, seen, "does not fit"},
	} {
		if _, err := tt.b.Verify(tt.d, tt.seen); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestNothingUnsignedRidesAlong(t *testing.T) {
	r := newRing(t, "alice", "bob")
	text := string(r.order(t, "alice", "bob").Format())
	for name, bad := range map[string]string{
		"a field that is not known": strings.Replace(text, `"from": "store",`, `"from": "store", "also": "this",`, 1),
		"half a file":               text[:len(text)/2],
		"two documents":             text + text,
		"nothing":                   "",
		"another kind":              strings.Replace(text, "recovery order", "love letter", 1),
	} {
		if _, err := recovery.ParseOrder([]byte(bad)); err == nil || !strings.Contains(err.Error(), "recovery order") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
		if _, err := recovery.ParseBundle([]byte(bad)); err == nil {
			t.Errorf("%s is taken for a bundle", name)
		}
	}
}

func TestAKeyIsForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	nobody := func() (string, error) { t.Error("asked for a passphrase that there is none of"); return "", nil }
	k := newKey(t, "alice")
	open, sealed := filepath.Join(dir, "open"), filepath.Join(dir, "sealed")
	if err := k.Write(open, ""); err != nil {
		t.Fatal(err)
	}
	if err := k.Write(sealed, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if err := k.Write(open, ""); err == nil {
		t.Error("a key was written over another")
	}
	for path, words := range map[string]func() (string, error){open: nobody, sealed: func() (string, error) { return "correct horse battery", nil }} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		got, err := recovery.LoadKey(path, words)
		if err != nil || got.Public() != k.Public() || got.Person != "alice" {
			t.Errorf("load %s: %v, %v", path, got, err)
		}
	}
	if text, _ := os.ReadFile(sealed); strings.Contains(string(text), `"seed"`) {
		t.Error("a sealed key lies open")
	}
	if _, err := recovery.LoadKey(sealed, func() (string, error) { return "wrong", nil }); err == nil || !strings.Contains(err.Error(), "passphrase is not the one") {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := recovery.LoadKey(open, nobody); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("a key that others may read: %v", err)
	}
}

func TestAnOrderWaitsUntilItIsSettled(t *testing.T) {
	r := newRing(t, "alice", "bob")
	data := t.TempDir()
	if o, _, err := recovery.Pending(data, "n3", r.decided); o != nil || err != nil {
		t.Fatalf("nothing waits, yet %v, %v", o, err)
	}
	if err := recovery.Place(data, r.order(t, "alice", "bob")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a crash in between changes nothing
		o, who, err := recovery.Pending(data, "n3", r.decided)
		if err != nil || o == nil || len(who) != 2 {
			t.Fatalf("what waits: %v, %v, %v", o, who, err)
		}
	}
	if err := recovery.Settle(data, "carried-out"); err != nil {
		t.Fatal(err)
	}
	if o, _, err := recovery.Pending(data, "n3", r.decided); o != nil || err != nil {
		t.Errorf("settled, yet %v waits, %v", o, err)
	}
	if err := recovery.Place(data, r.order(t, "alice")); err != nil { // as if by hand
		t.Fatal(err)
	}
	if _, _, err := recovery.Pending(data, "n3", r.decided); err == nil || !strings.Contains(err.Error(), "2 people") {
		t.Errorf("an order that too few signed: %v", err)
	}
	if o, _, err := recovery.Pending(data, "n3", r.decided); o != nil || err != nil {
		t.Errorf("what was refused still waits: %v, %v", o, err)
	}
}
