package spread

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"fairlead/regions"
)

// big is a state with n names: half of them steered, half in one zone's text.
func big(n int, generation uint64) *regions.Decided {
	f := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}}}
	for i := range n / 2 {
		f.Services = append(f.Services, regions.Service{ID: regions.ServiceID(fmt.Sprintf("s%d", i)), Name: regions.Name(fmt.Sprintf("s%d.shop.example.", i)), Mode: regions.Steer, TTL: time.Minute,
			Endpoints: []regions.Endpoint{{ID: regions.TargetID(fmt.Sprintf("s%d@us-east", i)), Region: "us-east", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}}}})
	}
	var text bytes.Buffer
	for i := range n / 2 {
		fmt.Fprintf(&text, "h%d\t300\tIN\tA\t192.0.2.%d\n", i, i%250)
	}
	f.Zones = []regions.Zone{{Origin: "shop.example.", Text: text.String()}}
	return &regions.Decided{Incarnation: 1, Generation: generation, Fleet: f, FleetHash: fmt.Sprint("fleet of ", n)}
}

func drained(t testing.TB, d *regions.Decided, id string) *regions.Decided {
	t.Helper()
	o, err := regions.NewDrain(id, regions.Scope{Region: "us-east"}, "ada", "a test", time.Unix(1e9, 0), time.Unix(1e9+600, 0))
	if err != nil {
		t.Fatal(err)
	}
	next := *d
	next.Generation++
	next.Overrides = append(append([]regions.Override(nil), d.Overrides...), o)
	return &next
}

func mustState(t testing.TB, d *regions.Decided) state {
	t.Helper()
	s, err := stateOf(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A difference makes the new text of the old one, whatever the two are.
func TestADifferenceMakesExactlyTheNewText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n, letters int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(letters))
		}
		return b
	}
	for round := range 500 {
		old := random(r.IntN(20_000), 1+r.IntN(256))
		next := bytes.Clone(old)
		for range r.IntN(6) {
			at := r.IntN(len(next) + 1)
			cutTo := at + r.IntN(min(len(next)-at, 3000)+1)
			next = bytes.Join([][]byte{next[:at], random(r.IntN(3000), 256), next[cutTo:]}, nil)
		}
		diff := Diff(old, next)
		got, err := Patch(old, diff, len(next))
		if err != nil || !bytes.Equal(got, next) {
			t.Fatalf("round %d: %d bytes to %d by %d: %v, got %d bytes that are others", round, len(old), len(next), len(diff), err, len(got))
		}
	}
}

// A change of one override among 100,000 names sends neither fleet nor zone.
func TestOneOverrideDoesNotResendAHundredThousandNames(t *testing.T) {
	before := mustState(t, big(100_000, 41))
	after := mustState(t, drained(t, big(100_000, 41), "o-1"))
	began := time.Now()
	payload, err := pack(before, after)
	if err != nil {
		t.Fatal(err)
	}
	packed := time.Since(began)
	began = time.Now()
	got, d, err := unpack(payload, before)
	if err != nil || got.mark != after.mark || len(d.Overrides) != 1 {
		t.Fatalf("unpack: %v, %+v", err, got.mark)
	}
	t.Logf("state %d bytes, difference %d bytes, made in %v, verified and read in %v", len(after.text), len(payload), packed, time.Since(began))
	if len(payload) > 4096 {
		t.Errorf("one override costs %d bytes, want hundreds", len(payload))
	}
	whole, err := pack(state{}, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the whole of it: %d bytes", len(whole))

	changed := big(100_000, 42)
	changed.Fleet.Services[777].TTL = time.Second
	changed.Fleet.Zones[0].Text = "first\t300\tIN\tA\t192.0.2.1\n" + changed.Fleet.Zones[0].Text
	if payload, err = pack(before, mustState(t, changed)); err != nil {
		t.Fatal(err)
	}
	t.Logf("one name's TTL and one record more: %d bytes", len(payload))
	if len(payload) > 8192 {
		t.Errorf("one name and one record cost %d bytes", len(payload))
	}
}

// Whatever is not what was sent is refused, and nothing of it is taken.
func TestADamagedMessageIsRefused(t *testing.T) {
	before, after := mustState(t, big(50, 1)), mustState(t, drained(t, big(50, 1), "o-1"))
	payload, err := pack(before, after)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := unpack(payload, before); err != nil || got.mark != after.mark {
		t.Fatalf("what is not damaged: %v, %+v", err, got.mark)
	}
	for i := range payload {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(payload)
			bad[i] ^= bit
			if got, _, err := unpack(bad, before); err == nil && (got.mark != after.mark || !bytes.Equal(got.text, after.text)) {
				t.Fatalf("byte %d changed by %x: taken, as %+v", i, bit, got.mark)
			}
		}
		if _, _, err := unpack(payload[:i], before); err == nil {
			t.Fatalf("the first %d of %d bytes were taken", i, len(payload))
		}
	}
	other := mustState(t, big(51, 1))
	if _, _, err := unpack(payload, other); err == nil {
		t.Error("a difference to another state was taken")
	}
	lie := header{To: Mark{Incarnation: 1, Generation: 2, Bytes: 1 << 40}}
	text, _ := json.Marshal(lie)
	if _, _, err := unpack(append([]byte{0, 0, 0, byte(len(text))}, text...), before); err == nil {
		t.Error("a state of a terabyte was taken")
	}
}

func FuzzPatch(f *testing.F) {
	old := mustState(f, big(20, 1)).text
	next := mustState(f, big(22, 2)).text
	f.Add(Diff(old, next), len(next))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 5)
	f.Fuzz(func(t *testing.T, diff []byte, length int) {
		if length < 0 || length > 1<<20 {
			return
		}
		if out, err := Patch(old, diff, length); err == nil && len(out) != length {
			t.Errorf("%x makes %d bytes, want %d", diff, len(out), length)
		}
	})
}
