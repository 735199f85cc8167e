package daemon_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/disk"
	"fairlead/cmd/internal/identity"
	"fairlead/regions"
)

// rewrite changes a node's configuration file.
func (n *node) rewrite(t *testing.T, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(changed, pairs[i]) {
			t.Fatalf("%s does not say %q", n.config, pairs[i])
		}
		changed = strings.ReplaceAll(changed, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(n.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// awaitAlarm waits until a node raises an alarm that says all the words.
func (n *node) awaitAlarm(t *testing.T, words ...string) {
	t.Helper()
	var last []openapi.Alarm
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(100 * time.Millisecond) {
		st, err := client.Get[openapi.Status](n.call(t).GetStatus(t.Context()))
		if err != nil {
			continue
		}
		last = st.Alarms
		for _, a := range st.Alarms {
			if lacks(a.Subject+" "+a.Sentence, words...) == "" {
				return
			}
		}
	}
	t.Fatalf("%s raises no alarm that says %q within %v: %+v", n.name, words, startLimit, last)
}

func (n *node) kept(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(n.config), "data", "decided", "*.decided"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// generation is the one that a node steers by.
func (n *node) generation(t *testing.T) int64 {
	t.Helper()
	st, err := client.Get[openapi.Status](n.call(t).GetStatus(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	return st.Generation
}

// TestADNSNodeFollowsControlNodesAndItsDiskAlone: a node with neither store
// nor a certificate that decides hears what is decided from two control nodes,
// of which one is set back. It takes the newer, names the older, decides
// nothing itself, and survives a copy that was half written.
func TestADNSNodeFollowsControlNodesAndItsDiskAlone(t *testing.T) {
	t.Parallel()
	now, old := startEtcd(t), startEtcd(t)
	us := openShop(t, address("127.11.0.1"))
	_, port, _ := net.SplitHostPort(us.address)
	openShop(t, "127.21.0.1:"+port)
	openShop(t, "127.31.0.1:"+port)
	c := newCluster(t, atoi(t, port), fmt.Sprintf(", etcd: [%q]", now.url))
	ahead, behind, follower := c.nodes[0], c.nodes[1], c.nodes[2]
	behind.rewrite(t, now.url, old.url)
	for _, n := range []*node{ahead, behind} {
		n.rewrite(t, "node-3: {region: ap-south,", "node-3: {region: ap-south, roles: [probe, dns],")
	}
	follower.rewrite(t, "  name: node-3\n", "  name: node-3\n  roles: [probe, dns]\n", fmt.Sprintf(", etcd: [%q]", now.url), "")
	authority, err := identity.OpenAuthority(filepath.Join(c.dir, "authority"))
	if err == nil {
		certs := filepath.Join(c.dir, follower.name, "certs")
		err = os.RemoveAll(certs)
		if err == nil {
			err = authority.Issue(certs, identity.Request{Node: regions.NodeID(follower.name), Hosts: []string{"127.0.0.1"}, Roles: []identity.Role{identity.Probe, identity.DNS}})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		n.start(t)
	}
	await(t, "after the start", "127.11.0.1", startLimit, c.nodes...)
	for ahead.generation(t) < behind.generation(t)+3 { // each store counts its own revisions, of which some are nobody's decision
		decide(t, func() error {
			_, err := client.Get[openapi.Freeze](ahead.call(t).SetFreeze(t.Context(), openapi.FreezeRequest{Reason: "test", For: "1h"}))
			return err
		})
		decide(t, func() error {
			return client.Done(ahead.call(t).EndFreeze(t.Context(), &openapi.EndFreezeParams{Reason: "test"}))
		})
	}
	drain(t, ahead, "us-east")
	await(t, "drained on the control node that is ahead", "127.21.0.1", startLimit, ahead, follower)
	await(t, "the other decides for itself", "127.11.0.1", startLimit, behind)
	follower.awaitAlarm(t, "node-2", "older than what this node has")

	_, err = client.Get[openapi.SteeringResult](follower.call(t).DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "test"}))
	if err == nil || lacks(err.Error(), "decides nothing", "node-1 (http://"+ahead.api+")", "node-2 (http://"+behind.api+")") != "" {
		t.Errorf("a decision on a node that decides nothing: %v, want a sentence that names the control nodes", err)
	}
	st, err := client.Get[openapi.Status](follower.call(t).GetStatus(t.Context()))
	if err != nil || !st.Store.Reachable {
		t.Errorf("it says of the store %+v (%v), want what the control nodes say: reachable", st.Store, err)
	}

	ahead.kill()
	follower.kill()
	files := follower.kept(t)
	whole, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(filepath.Dir(files[0]), disk.Pending+"killed")
	if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	follower.start(t)
	await(t, "started beside an older control node, with a copy half written", "127.21.0.1", startLimit, follower)
	follower.awaitAlarm(t, "node-2", "older than what this node has")
	await(t, "and it stays so", "127.21.0.1", startLimit, follower)

	behind.kill()
	follower.kill()
	if err := os.WriteFile(files[len(files)-1], whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	follower.start(t)
	await(t, "with its newest copy damaged and nobody there, from the one before", "127.11.0.1", startLimit, follower)
	if text, err := os.ReadFile(follower.log.Name()); err != nil || !strings.Contains(string(text), files[len(files)-1]) {
		t.Errorf("the damaged file %s is not named in the log (%v)", files[len(files)-1], err)
	}
	ahead.start(t)
	await(t, "the control node is back", "127.21.0.1", startLimit, follower)
}
