package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/recovery"
	"fairlead/regions"
)

func TestRecoveryKeysAreRead(t *testing.T) {
	var lines []string
	for _, name := range []string{"alice", "bob"} {
		k, err := recovery.NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("    %s: %q\n", name, k.Public()))
	}
	load := func(section string) (*config.Config, error) {
		path := filepath.Join(t.TempDir(), "fairlead.yaml")
		if err := os.WriteFile(path, []byte("regions: {us-east: {}}\n"+section), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(path)
	}
	c, err := load("recovery:\n  keys:\n" + lines[0] + lines[1])
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Fleet.Recovery; r.Threshold != 2 || r.BreakGlass != 1 || strings.Join(r.People(), ",") != "alice,bob" {
		t.Errorf("read %v, want two of alice and bob to recover, and one to break glass", r)
	}
	if c, err := load(""); err != nil || c.Fleet.Recovery != nil {
		t.Errorf("without keys: %v, %v", c.Fleet.Recovery, err)
	}
	for name, tt := range map[string]struct{ section, want string }{
		"a key that is none":       {"recovery:\n  keys:\n    alice: hello\n" + lines[1], ":4:12: recovery key: \"hello\" is not the public half"},
		"too few keys":             {"recovery:\n  keys:\n" + lines[0], "2 of 1 keys must sign"},
		"one person's key twice":   {"recovery:\n  keys:\n" + lines[0] + strings.Replace(lines[0], "alice", "carol", 1), ":5:5: recovery key of carol: is also that of alice"},
		"a threshold of one":       {"recovery:\n  threshold: 1\n  keys:\n" + lines[0] + lines[1], "1 of 2 keys must sign"},
		"a word that is not known": {"recovery:\n  treshold: 2\n", "did you mean threshold?"},
	} {
		_, err := load(tt.section)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestTwoPlacesWarnThatNeitherMayBeLost(t *testing.T) {
	node := func(place regions.ID, peers ...regions.ID) config.Node {
		n := config.Node{Region: place, Roles: config.Roles()}
		for _, p := range peers {
			n.Peers = append(n.Peers, config.Peer{Region: p, Roles: config.Roles()})
		}
		return n
	}
	witness := node("a", "b")
	witness.Peers = append(witness.Peers, config.Peer{Region: "c", Roles: []config.Role{config.Control}})
	answerers := node("a", "b", "c")
	answerers.Peers = append(answerers.Peers, config.Peer{Region: "a", Roles: []config.Role{config.DNS}}, config.Peer{Region: "a", Roles: []config.Role{config.DNS}})
	for _, tt := range []struct {
		name string
		node config.Node
		want string
	}{
		{"a node alone", node("a"), ""},
		{"three places", node("a", "b", "c"), ""},
		{"two places and a witness", witness, ""},
		{"nodes that only answer do not count", answerers, ""},
		{"two nodes in two places", node("a", "b"), "losing a, with 1 of 2 control nodes"},
		{"three nodes in two places", node("a", "a", "b"), "losing a, with 2 of 3 control nodes"},
		{"five nodes in three places, three of them in one", node("a", "a", "a", "b", "c"), "losing a, with 3 of 5 control nodes"},
		{"five nodes in three places", node("a", "a", "b", "b", "c"), ""},
		{"all in one place", node("a", "a", "a"), "losing a, with 3 of 3"},
	} {
		got := tt.node.Witness()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || got != "" && !strings.Contains(got, "witness") {
			t.Errorf("%s: %q, want %q and a witness", tt.name, got, tt.want)
		}
	}
}
