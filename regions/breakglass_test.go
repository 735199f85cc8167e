package regions_test

import (
	"strings"
	"testing"

	"fairlead/regions"
	"fairlead/regions/fault"
)

func TestGlassOrdersAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"drain us-east": "drain us-east", "force-up us-east/www": "force-up www in us-east", " force-down  eu ": "force-down eu",
		"promote us-east": "!is none that a bundle can carry", "drain": "!names no region", "": "!is none that a bundle can carry",
	} {
		o, err := regions.ParseGlassOrder(text)
		problem, bad := strings.CutPrefix(want, "!")
		switch {
		case bad && (err == nil || !strings.Contains(err.Error(), problem) || !fault.Is(err, fault.Invalid)):
			t.Errorf("ParseGlassOrder(%q) = %v, want %q", text, err, problem)
		case !bad && (err != nil || o.String() != want):
			t.Errorf("ParseGlassOrder(%q) = %q, %v; want %q", text, o, err, want)
		}
	}
}

func TestABundleMovesNoWriter(t *testing.T) {
	f := &regions.Fleet{Regions: []regions.Region{{ID: "us"}}, Services: []regions.Service{{ID: "orders", Writes: &regions.Writes{Database: "orders"}}, {ID: "www"}}}
	for _, tt := range []struct {
		name   string
		orders []regions.GlassOrder
		want   string
	}{
		{"a service of a region", []regions.GlassOrder{{Act: regions.GlassDown, Region: "us", Service: "www"}}, ""},
		{"a service that follows a writer", []regions.GlassOrder{{Act: regions.GlassDown, Region: "us", Service: "orders"}}, "only an epoch moves"},
		{"a region that is not there", []regions.GlassOrder{{Act: regions.GlassDown, Region: "mars"}}, "none of that name"},
		{"a service that is not there", []regions.GlassOrder{{Act: regions.GlassDown, Region: "us", Service: "nope"}}, "none of that name"},
		{"two words about one scope", []regions.GlassOrder{{Act: regions.GlassDown, Region: "us"}, {Act: regions.GlassUp, Region: "us"}}, "says both"},
		{"an act that is none", []regions.GlassOrder{{Act: "promote", Region: "us"}}, "none that a bundle can carry"},
	} {
		err := (&regions.BreakGlass{ID: "b-1", Orders: tt.orders}).Check(f)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestWhatWasEndedRulesNoMore(t *testing.T) {
	orders := []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us"}}
	for _, tt := range []struct {
		name string
		b    *regions.BreakGlass
		end  *regions.GlassEnd
		want bool
	}{
		{"nothing", nil, nil, false},
		{"a bundle that nobody ended", &regions.BreakGlass{Incarnation: 1, Sequence: 3, Orders: orders}, nil, true},
		{"one without orders", &regions.BreakGlass{Incarnation: 1, Sequence: 3}, nil, false},
		{"one that was ended", &regions.BreakGlass{Incarnation: 1, Sequence: 3, Orders: orders}, &regions.GlassEnd{Incarnation: 1, Sequence: 3}, false},
		{"one from before the one that was ended", &regions.BreakGlass{Incarnation: 1, Sequence: 2, Orders: orders}, &regions.GlassEnd{Incarnation: 1, Sequence: 3}, false},
		{"a later one", &regions.BreakGlass{Incarnation: 1, Sequence: 4, Orders: orders}, &regions.GlassEnd{Incarnation: 1, Sequence: 3}, true},
		{"one of an incarnation before, with a higher sequence", &regions.BreakGlass{Incarnation: 1, Sequence: 9, Orders: orders}, &regions.GlassEnd{Incarnation: 2, Sequence: 1}, false},
		{"one of an incarnation after, with a lower sequence", &regions.BreakGlass{Incarnation: 2, Sequence: 1, Orders: orders}, &regions.GlassEnd{Incarnation: 1, Sequence: 9}, true},
	} {
		if got := tt.b.After(tt.end) != nil; got != tt.want {
			t.Errorf("%s: rules %v, want %v", tt.name, got, tt.want)
		}
	}
}
