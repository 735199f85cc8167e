package daemon

import (
	"strings"
	"testing"

	"fairlead/cmd/internal/config"
	"fairlead/regions"
)

// What would leave nothing to answer, or cannot be a fleet, is refused whole
// before anything depends on it; everything else is taken.
func TestADecidedStateThatWouldEmptyTheAnswersIsRefused(t *testing.T) {
	load := func(text string) *regions.Fleet {
		dir := t.TempDir()
		path := dir + "/fairlead.yaml"
		put(t, dir+"/shop.zone", "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n")
		put(t, path, text)
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.Fleet
	}
	good := load("regions: {a: {}, b: {}}\nservices:\n  www:\n    name: www.shop.example\n    check: {kind: tcp, port: 80}\n    policy: {kind: failover, order: [a, b]}\n    endpoints: {a: [127.0.0.1], b: [127.0.0.2]}\nzones: {shop.example: shop.zone}\n")
	bare := load("regions: {a: {}, b: {}}")
	broken := *good
	broken.Services = append([]regions.Service(nil), good.Services...)
	broken.Services[0].Name = "not a name"
	state := func(generation uint64, hash string, f *regions.Fleet) *regions.Decided {
		return &regions.Decided{Incarnation: 1, Generation: generation, FleetHash: hash, Fleet: f}
	}
	before := state(7, "good", good)
	for name, c := range map[string]struct {
		before, next *regions.Decided
		want         string
	}{
		"the very first, of a store just begun": {nil, state(1, "", nil), ""},
		"a newer one":                           {before, state(8, "other", good), ""},
		"the first with names":                  {state(1, "bare", bare), state(2, "good", good), ""},
		"no fleet at all":                       {before, state(8, "", nil), "has no fleet"},
		"no region":                             {before, state(8, "other", &regions.Fleet{}), "has no region"},
		"every service gone":                    {before, state(8, "bare", bare), "every service"},
		"a fleet that cannot be":                {before, state(8, "broken", &broken), "cannot be"},
	} {
		t.Run(name, func(t *testing.T) {
			err := sound(c.before, c.next)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("sound says %v, want %q", err, c.want)
			}
		})
	}
}
