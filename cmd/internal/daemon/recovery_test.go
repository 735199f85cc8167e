package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/identity"
)

// people makes recovery keys, and returns what the configuration says of them.
func people(t *testing.T, dir string, names ...string) string {
	t.Helper()
	text := "recovery:\n  threshold: 2\n  keys:\n"
	for _, name := range names {
		o := fairlead(t, "recovery", "keygen", name, "--out", filepath.Join(dir, name+".key"))
		if o.code != 0 {
			t.Fatalf("keygen: %s", o.stderr)
		}
		text += "    " + o.stdout
	}
	return text
}

// withAnswerer gives a cluster recovery keys, a database, and a fourth node
// that only probes and answers.
func (c *cluster) withAnswerer(t *testing.T, keys string) *node {
	t.Helper()
	fourth := &node{name: "node-4", region: "ap-south", dns: address("127.0.0.1"), api: address("127.0.0.1"), feed: address("127.0.0.1"),
		config: filepath.Join(c.dir, "node-4", "fairlead.yaml")}
	authority, err := identity.OpenAuthority(filepath.Join(c.dir, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Issue(filepath.Join(c.dir, "node-4", "certs"), identity.Request{Node: "node-4", Hosts: []string{"127.0.0.1"}, Roles: []identity.Role{identity.Probe, identity.DNS}}); err != nil {
		t.Fatal(err)
	}
	fleet := ""
	for _, n := range c.nodes {
		text, err := os.ReadFile(n.config)
		if err != nil {
			t.Fatal(err)
		}
		head, tail, _ := strings.Cut(string(text), "regions: {")
		fleet = "regions: {" + tail + keys + `databases:
  orders:
    writer: eu-central
    members:
      us-east: {dsn: "host=127.11.0.1 port=1 user=canary dbname=shop", agent: "127.11.0.1:1"}
      eu-central: {dsn: "host=127.21.0.1 port=1 user=canary dbname=shop", agent: "127.21.0.1:1"}
`
		head += fmt.Sprintf("    node-4: {region: ap-south, feed: %q, roles: [probe, dns]}\n", fourth.feed)
		if err := os.WriteFile(n.config, []byte(head+fleet), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("node:\n  name: node-4\n  region: ap-south\n  roles: [probe, dns]\n  data_dir: data\n  certificates: certs\n  api: {listen: %q}\n  dns: {listen: [%q]}\n  feed: {listen: %q}\n  peers:\n",
		fourth.api, fourth.dns, fourth.feed)
	for _, p := range c.nodes {
		text += fmt.Sprintf("    %s: {region: %s, feed: %q, peer: %q}\n", p.name, p.region, p.feed, p.peer)
	}
	zone, err := os.ReadFile(filepath.Join(filepath.Dir(c.nodes[0].config), "shop.zone"))
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{fourth.config: text + fleet, filepath.Join(filepath.Dir(fourth.config), "shop.zone"): string(zone)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		fourth.kill()
		if t.Failed() && fourth.log != nil {
			text, _ := os.ReadFile(fourth.log.Name())
			t.Logf("---- log of node-4 ----\n%s", text[max(0, len(text)-6000):])
		}
	})
	return fourth
}

func (n *node) glass(t *testing.T) openapi.BreakGlass {
	t.Helper()
	g, err := client.Get[openapi.BreakGlass](n.call(t).GetBreakGlass(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	return g
}

// says waits until a node has an alarm of that id whose words are there.
func (n *node) says(t *testing.T, id string, words ...string) {
	t.Helper()
	var last string
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(100 * time.Millisecond) {
		status, err := client.Get[openapi.Status](n.call(t).GetStatus(t.Context()))
		last = fmt.Sprint(err)
		for _, a := range status.Alarms {
			last += fmt.Sprintf("\n%s: %s: %s (%s)", a.Id, a.Subject, a.Sentence, a.Remedy)
			if a.Id == id && lacks(a.Sentence+a.Remedy, words...) == "" {
				return
			}
		}
	}
	t.Fatalf("%s has no alarm %s that says %q within %v: %s", n.name, id, words, startLimit, last)
}

// logs waits until a node has logged some words.
func (n *node) logs(t *testing.T, words string) {
	t.Helper()
	var text []byte
	for began := time.Now(); time.Since(began) < startLimit; time.Sleep(5 * time.Millisecond) {
		if text, _ = os.ReadFile(n.log.Name()); strings.Contains(string(text), words) {
			return
		}
	}
	t.Fatalf("%s does not log %q within %v", n.name, words, startLimit)
}

// end stops the process as systemd does.
func (n *node) end(t *testing.T) {
	t.Helper()
	if err := n.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.ended:
	case <-time.After(startLimit):
		t.Fatalf("%s does not end", n.name)
	}
	n.command = nil
}

// steady asks nodes again and again until the test ends, a hundred times at
// least, and fails it at the first answer with an address that is not the one wanted.
func steady(t *testing.T, want string, nodes ...*node) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			asked := 0
			for ; ctx.Err() == nil || asked < 100; time.Sleep(20 * time.Millisecond) {
				if got := n.answer(context.Background()); strings.HasPrefix(got, "[") && got != "["+want+"]" {
					t.Errorf("%s answers %s, want nothing but %s any more", n.name, got, want)
					return
				}
				asked++
			}
			t.Logf("%s was asked %d times, and answered nothing but %s", n.name, asked, want)
		})
	}
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

// TestASurvivorGoesOnBySignatureAndTheOthersComeBackInVain is the site lost
// with the quorum: what is left decides nothing, until enough people sign. Then
// it goes on with all that it knew, and those who come back are refused.
func TestASurvivorGoesOnBySignatureAndTheOthersComeBackInVain(t *testing.T) {
	t.Parallel()
	us := openShop(t, address("127.11.0.1"))
	_, port, _ := net.SplitHostPort(us.address)
	openShop(t, "127.21.0.1:"+port)
	openShop(t, "127.31.0.1:"+port)
	c := newCluster(t, atoi(t, port), "")
	keys := t.TempDir()
	answerer := c.withAnswerer(t, people(t, keys, "alice", "bob", "carol"))
	survivor, lost := c.nodes[2], c.nodes[:2]
	for _, n := range append(c.nodes[:3:3], answerer) {
		n.start(t)
	}
	await(t, "after the start", "127.11.0.1", startLimit, append(c.nodes[:3:3], answerer)...)
	var forced openapi.SteeringResult
	decide(t, func() (err error) {
		forced, err = client.Get[openapi.SteeringResult](lost[0].call(t).CreateOverride(t.Context(),
			openapi.OverrideRequest{Region: "eu-central", State: "up", Reason: "must outlive the quorum", For: "2h"}))
		return err
	})
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // the survivor knows it
		status, err := client.Get[openapi.Status](survivor.call(t).GetStatus(t.Context()))
		if err == nil && status.Generation >= forced.Generation {
			break
		}
		if time.Since(began) > startLimit {
			t.Fatalf("%s does not know generation %d: %v", survivor.name, forced.Generation, err)
		}
	}
	before := survivor.glass(t)

	for _, n := range lost {
		n.kill()
	}
	survivor.says(t, "store", "nothing can be decided")
	_, err := client.Get[openapi.SteeringResult](survivor.call(t).DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "test"}))
	if err == nil {
		t.Fatal("one of three decides alone, without anybody's signature")
	}

	// Meanwhile a node that only answers takes what people sign, and what ends it.
	for sequence, want := range []string{"127.21.0.1", "127.11.0.1"} {
		file := filepath.Join(keys, fmt.Sprintf("bundle-%d.json", sequence))
		args := []string{"bundle", "make", "--cluster", before.Cluster, "--incarnation", "1", "--sequence", fmt.Sprint(sequence + 1), "--author", "bob", "--reason", "fire", "--out", file}
		if sequence == 0 {
			args = append(args, "--order", "drain us-east")
		}
		for _, o := range []outcome{fairlead(t, args...), fairlead(t, "bundle", "sign", file, "--key-file", filepath.Join(keys, "bob.key"), "--yes")} {
			if o.code != 0 {
				t.Fatal(o.stderr)
			}
		}
		drop := filepath.Join(filepath.Dir(answerer.config), "data", "bundles")
		if err := errors.Join(os.MkdirAll(drop, 0o700), os.Rename(file, filepath.Join(drop, filepath.Base(file)))); err != nil {
			t.Fatal(err)
		}
		await(t, "a bundle was dropped as a file", want, startLimit, answerer)
	}

	order := filepath.Join(keys, "order.json")
	propose := fairlead(t, "recovery", "propose", "--config", survivor.config, "--lost", "node-1,node-2", "--author", "alice", "--reason", "the site burnt down", "--out", order)
	if propose.code != 0 || lacks(propose.stdout, "incarnation 2", "node-1, node-2", "database orders", "no writer moves") != "" {
		t.Fatalf("propose: %d %s%s", propose.code, propose.stdout, propose.stderr)
	}
	sign := func(file, who string) outcome {
		return fairlead(t, "recovery", "sign", file, "--key-file", filepath.Join(keys, who+".key"), "--yes")
	}
	apply := func(file string, n *node) outcome {
		return fairlead(t, "recovery", "apply", file, "--config", n.config, "--yes")
	}
	refused := func(what string, o outcome, words ...string) {
		t.Helper()
		if o.code != 1 || lacks(o.stderr, words...) != "" || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q; want 1 and one sentence with %q", what, o.code, o.stderr, words)
		}
	}
	refused("nobody has signed", apply(order, survivor), "2 people must sign", "nobody has", "alice, bob, carol")
	if o := sign(order, "alice"); o.code != 0 || lacks(o.stdout, "the site burnt down", "signed by alice") != "" {
		t.Fatalf("sign: %s%s", o.stdout, o.stderr)
	}
	refused("one has signed", apply(order, survivor), "2 people must sign", "only alice has")
	refused("one signs twice", sign(order, "alice"), "alice has signed it already")
	if o := sign(order, "carol"); o.code != 0 {
		t.Fatalf("sign: %s", o.stderr)
	}
	text, err := os.ReadFile(order)
	if err != nil {
		t.Fatal(err)
	}
	tampered := filepath.Join(keys, "tampered.json")
	if err := os.WriteFile(tampered, []byte(strings.Replace(string(text), `"node-2"`, `"node-3"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a changed order", apply(tampered, survivor), "signature of alice does not fit")
	refused("an order for another node", apply(order, lost[0]), "is for node node-3")
	if o := apply(order, survivor); o.code != 0 || lacks(o.stdout, "alice and carol") != "" {
		t.Fatalf("apply: %s%s", o.stdout, o.stderr)
	}
	survivor.end(t)
	survivor.start(t)
	survivor.logs(t, "recovers the cluster alone")
	survivor.kill() // half way: wherever that is, the next start goes on
	survivor.start(t)
	began := time.Now()
	drain(t, survivor, "us-east")
	t.Logf("the survivor decides again %v after its start", time.Since(began).Round(100*time.Millisecond))
	await(t, "us-east drained in the new incarnation", "127.21.0.1", startLimit, survivor, answerer)

	t.Run("nothing that it knew is lost, and the record says who signed", func(t *testing.T) {
		now := survivor.glass(t)
		if now.Cluster != before.Cluster || now.Cluster == "" || before.Incarnation != 1 || now.Incarnation != 2 {
			t.Errorf("cluster %q in incarnation %d, before it was %q in %d; want the same cluster, one further", now.Cluster, now.Incarnation, before.Cluster, before.Incarnation)
		}
		list, err := client.Get[openapi.OverrideList](survivor.call(t).ListOverrides(t.Context()))
		if err != nil || !strings.Contains(fmt.Sprint(list.Overrides), "must outlive the quorum") {
			t.Errorf("overrides: %+v, %v; want the one from before", list.Overrides, err)
		}
		status, err := client.Get[openapi.Status](survivor.call(t).GetStatus(t.Context()))
		if err != nil || len(status.Databases) != 1 || status.Databases[0].Epoch.Incarnation != 2 || status.Databases[0].Epoch.Number != 2 || status.Databases[0].WriterRegion != "eu-central" {
			t.Errorf("databases: %+v, %v; want orders written in eu-central under epoch 2.2", status.Databases, err)
		}
		if o := fairlead(t, "audit", "verify", "--server", "http://"+survivor.api); o.code != 0 {
			t.Errorf("audit verify: %s%s", o.stdout, o.stderr)
		}
		if o := fairlead(t, "audit", "list", "--server", "http://"+survivor.api); lacks(o.stdout, "alice and carol", "declared lost: node-1, node-2", "the site burnt down") != "" {
			t.Errorf("the record does not say who signed what: %s", o.stdout)
		}
	})
	refused("the order once more", apply(order, survivor), "carried out already")

	// Those who were left behind come back while nobody who knows better runs,
	// and decide among themselves.
	survivor.end(t)
	answerer.end(t)
	for _, n := range lost {
		n.start(t)
	}
	await(t, "those of the past do not know of the drain", "127.11.0.1", startLimit, lost...)
	decide(t, func() error { // it is in force there, so only force drains another
		_, err := client.Get[openapi.SteeringResult](lost[0].call(t).CreateOverride(t.Context(), openapi.OverrideRequest{Region: "ap-south", State: "down", Reason: "decided in the past", For: "1h"}))
		return err
	})

	answerer.start(t)
	await(t, "a node with roles probe and dns, among those of the past", "127.21.0.1", startLimit, answerer)
	steady(t, "127.21.0.1", answerer)
	for _, n := range lost {
		n.says(t, "superseded", "incarnation 1", "incarnation 2 has begun", "join the cluster that went on")
		answerer.says(t, "node/"+n.name, "of the past", "incarnation 1")
	}
	_, err = client.Get[openapi.SteeringResult](lost[1].call(t).DrainRegion(t.Context(), "eu-central", openapi.DrainRequest{Reason: "test", Force: true}))
	if err == nil || lacks(err.Error(), "incarnation 2 has begun") != "" {
		t.Errorf("%s is asked to decide: %v; want it refused, as of the past", lost[1].name, err)
	}
	late := filepath.Join(keys, "late.json")
	if o := fairlead(t, "recovery", "propose", "--config", lost[0].config, "--lost", "node-2,node-3", "--author", "bob", "--reason", "me too", "--out", late); o.code != 0 {
		t.Fatal(o.stderr)
	}
	for _, who := range []string{"alice", "bob"} {
		if o := sign(late, who); o.code != 0 {
			t.Fatal(o.stderr)
		}
	}
	if o := apply(late, lost[0]); o.code != 0 {
		t.Fatal(o.stderr)
	}
	lost[0].end(t)
	lost[0].start(t)
	lost[0].logs(t, "others have begun incarnation 2 already")

	answerer.says(t, "older/"+lost[1].name, "incarnation 1")

	survivor.start(t)
	await(t, "the survivor started beside those of the past", "127.21.0.1", startLimit, survivor)
	steady(t, "127.21.0.1", survivor)
	decide(t, func() error {
		_, err := client.Get[openapi.Freeze](survivor.call(t).SetFreeze(t.Context(), openapi.FreezeRequest{Reason: "test", For: "1h"}))
		return err
	})
	for _, n := range lost {
		survivor.says(t, "node/"+n.name, "of the past", "incarnation 1")
		n.says(t, "superseded", "incarnation 2 has begun")
		if g := n.glass(t); g.Incarnation != 1 {
			t.Errorf("%s takes itself for incarnation %d, which it has not joined", n.name, g.Incarnation)
		}
	}
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // and a node that was taken in by their store finds its way back
		status, err := client.Get[openapi.Status](answerer.call(t).GetStatus(t.Context()))
		if err == nil && status.Freeze.Frozen {
			break
		}
		if time.Since(began) > startLimit {
			t.Fatalf("%s does not hear what is decided in incarnation 2: %v, %+v", answerer.name, err, status.Alarms)
		}
	}
}

// TestASurvivorWhoseStoreIsDamagedGoesOnFromItsCopy: then writers, overrides
// and the fleet are what is left, and whoever was left behind is refused just
// the same.
func TestASurvivorWhoseStoreIsDamagedGoesOnFromItsCopy(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(openShop(t, address("127.11.0.1")).address)
	openShop(t, "127.21.0.1:"+port)
	openShop(t, "127.31.0.1:"+port)
	c := newCluster(t, atoi(t, port), "")
	keys := t.TempDir()
	c.withAnswerer(t, people(t, keys, "alice", "bob"))
	for _, n := range c.nodes {
		n.start(t)
	}
	survivor := c.nodes[2]
	await(t, "after the start", "127.11.0.1", startLimit, c.nodes...)
	drain(t, c.nodes[0], "us-east")
	await(t, "us-east drained", "127.21.0.1", startLimit, c.nodes...)
	for _, n := range c.nodes[:2] {
		n.kill()
	}
	survivor.end(t)
	data := filepath.Join(filepath.Dir(survivor.config), "data")
	if err := os.WriteFile(filepath.Join(data, "store", "member", "snap", "db"), []byte("not a database any more"), 0o600); err != nil {
		t.Fatal(err)
	}
	order := filepath.Join(keys, "order.json")
	run := func(args ...string) outcome {
		t.Helper()
		o := fairlead(t, args...)
		if o.code != 0 {
			t.Fatalf("fairlead %s: %s%s", strings.Join(args, " "), o.stdout, o.stderr)
		}
		return o
	}
	o := run("recovery", "propose", "--config", survivor.config, "--from", "replica", "--lost", "node-1,node-2", "--author", "alice", "--reason", "fire", "--out", order)
	if lacks(o.stdout, "audit trail, runs, and tokens of the store end here") != "" {
		t.Errorf("the order does not say what is lost: %s", o.stdout)
	}
	for _, who := range []string{"alice", "bob"} {
		run("recovery", "sign", order, "--key-file", filepath.Join(keys, who+".key"), "--yes")
	}
	run("recovery", "apply", order, "--config", survivor.config, "--yes")
	survivor.start(t)
	await(t, "what was drained stays so", "127.21.0.1", startLimit, survivor)
	decide(t, func() error {
		_, err := client.Get[openapi.Freeze](survivor.call(t).SetFreeze(t.Context(), openapi.FreezeRequest{Reason: "test", For: "1h"}))
		return err
	})
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		g := survivor.glass(t)
		o := run("audit", "list", "--server", "http://"+survivor.api)
		if g.Incarnation == 2 && len(g.MaySign) == 2 && lacks(o.stdout, "begins anew", "alice and bob", "declared lost: node-1, node-2") == "" {
			break
		}
		if time.Since(began) > startLimit {
			t.Fatalf("incarnation %d with keys of %v, want 2, and those from before; the record must say how it began, and says %s", g.Incarnation, g.MaySign, o.stdout)
		}
	}
	run("audit", "verify", "--server", "http://"+survivor.api)
	survivor.end(t)
	survivor.start(t)
	restore(t, survivor)
	await(t, "started again, it is the same cluster", "127.11.0.1", startLimit, survivor)
}
