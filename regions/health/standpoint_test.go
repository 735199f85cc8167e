package health_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// ears reads a matrix as people draw it: a line for each node, "n1: n2 n3" says
// that n1 hears n2 and n3 and nobody else. The first line is this node; whom it
// does not hear is silent, and what that one says is from before.
func ears(matrix string) []health.Ear {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	var all []health.Ear
	lines := strings.Split(matrix, "\n")
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		all = append(all, health.Ear{Node: regions.NodeID(strings.TrimSpace(name)), Heard: at.Add(-time.Second)})
	}
	for i, l := range lines {
		_, hears, _ := strings.Cut(l, ":")
		if strings.TrimSpace(hears) == "?" {
			continue // of a version that does not tell
		}
		all[i].Hears = map[regions.NodeID]bool{}
		for _, e := range all {
			if e.Node != all[i].Node {
				all[i].Hears[e.Node] = slices.Contains(strings.Fields(hears), string(e.Node))
			}
		}
	}
	for i := range all[1:] {
		if e := &all[i+1]; !all[0].Hears[e.Node] {
			e.Silent, e.Heard = true, at.Add(-time.Minute)
		}
	}
	return all
}

func TestIsItUs(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		matrix   string
		down     []regions.ID
		running  time.Duration
		stand    health.Stand
		missing  string
		sentence string
	}{
		{"one node alone cannot tell", "n1:", nil, time.Hour, health.Single, "", "there is no other node"},
		{"all hear all", "n1: n2 n3\nn2: n1 n3\nn3: n1 n2", nil, time.Hour, health.Together, "", "all 3 nodes hear each other"},
		{"a region is down and all hear all: the world", "n1: n2 n3\nn2: n1 n3\nn3: n1 n2", []regions.ID{"eu"}, time.Hour, health.Together, "", "what is down (eu) is the world, not us"},
		{"one is cut off, seen from the others", "n1: n3\nn2: n1 n3\nn3: n1", nil, time.Hour, health.CutOff, "n2", "n2 is cut off from n1 and n3, or not running (they hear each other): believe n1 and n3"},
		{"one is cut off, seen from itself", "n2:\nn1: n2 n3\nn3: n1 n2", nil, time.Hour, health.Us, "n1 n3", "us: this node hears none of the other 2"},
		{"a link is cut, the third hears both", "n1: n3\nn2: n3\nn3: n1 n2", nil, time.Hour, health.Link, "", "n1 does not hear n2, and others do: it is the link"},
		{"one way, seen from the deaf", "n1: n3\nn2: n1 n3\nn3: n1 n2", nil, time.Hour, health.Link, "", "n1 does not hear n2"},
		{"one way, seen from the heard", "n2: n1 n3\nn1: n3\nn3: n1 n2", nil, time.Hour, health.Link, "", "one way: n1 does not hear n2, which hears it"},
		{"two nodes without a witness", "n1:\nn2: n1", nil, time.Hour, health.Split, "n2", "there is no third"},
		{"two against two", "n1: n2\nn2: n1\nn3: n4\nn4: n3", nil, time.Hour, health.Split, "n3 n4", "split in halves"},
		{"two against three", "n1: n2\nn2: n1\nn3: n4 n5\nn4: n3 n5\nn5: n3 n4", nil, time.Hour, health.Us, "n3 n4 n5", "us: this node is cut off with the smaller part, 2 of 5 nodes"},
		{"three against two", "n1: n2 n3\nn2: n1 n3\nn3: n1 n2\nn4: n5\nn5: n4", nil, time.Hour, health.CutOff, "n4 n5", "n4 and n5 are cut off from n1, n2 and n3"},
		{"just started", "n1:\nn2:\nn3:", nil, time.Second, health.Listening, "n2 n3", "just started"},
		{"an older version says nothing of whom it hears", "n1: n2 n3\nn2: ?\nn3: ?", nil, time.Hour, health.Together, "", "all 3 nodes hear each other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nodes := ears(tt.matrix)
			got := health.Stands(nodes[0].Node, nodes, tt.down, now.Add(-tt.running), now)
			missing := strings.Trim(fmt.Sprint(got.Missing), "[]")
			if got.Stand != tt.stand || missing != tt.missing || !strings.Contains(got.Sentence, tt.sentence) {
				t.Errorf("\n%s\ngot  %v, missing %q: %s\nwant %v, missing %q: …%s…", tt.matrix, got.Stand, missing, got.Sentence, tt.stand, tt.missing, tt.sentence)
			}
			if since := got.Since; len(got.Missing) > 0 && got.Stand != health.Listening && !since.Equal(now.Add(-time.Minute)) {
				t.Errorf("since %v, want a minute ago, when the missing were last heard", since)
			}
		})
	}
}

func TestOfEachNodeItIsSaidWhoHearsIt(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	nodes := ears("n1: n3\nn2: n1 n3\nn3: n1 n2")
	got := health.Stands("n1", nodes, nil, now.Add(-time.Hour), now)
	if by, not := got.HeardBy["n2"], got.NotHeardBy["n2"]; !slices.Equal(by, []regions.NodeID{"n3"}) || !slices.Equal(not, []regions.NodeID{"n1"}) {
		t.Errorf("n2 is heard by %v and not by %v, want n3 and n1", by, not)
	}
}
