package daemon_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/identity"
	"fairlead/regions/fault"
)

// TestANodeOfAnotherClusterIsRefusedAndNamed: two nodes are each other's
// peers, and their certificates are of two authorities. Neither hears the
// other, both say why, and each goes on with what it sees itself.
func TestANodeOfAnotherClusterIsRefusedAndNamed(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	_, addresses, edit := openShops(t)
	one, two := newPlace(t, edit[0], edit[1]), newPlace(t, edit[0], edit[1])
	two.edit(t, "name: node-1", "name: node-2", "region: us-east", "region: eu-central")
	two.name = "node-2"
	for p, other := range map[*place]*place{one: two, two: one} {
		p.edit(t, "  data_dir: data\n", fmt.Sprintf("  data_dir: data\n  certificates: certs\n  feed: {listen: \"%s:8471\"}\n  store: {etcd: [%q]}\n  peers: {%s: {region: %s, feed: \"%s:8471\"}}\n",
			p.host, etcd.url, other.name, map[*place]string{one: "us-east", two: "eu-central"}[other], other.host))
		authority, err := identity.NewAuthority(t.TempDir())
		if err == nil {
			err = authority.Issue(filepath.Join(p.dir, "certs"), request(p.name, p.host))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	one.run(t)
	two.run(t)
	for p, other := range map[*place]*place{one: two, two: one} {
		p.alarm(t, "node "+other.name, "never heard", "another authority")
		if st := p.status(t); len(st.Nodes) != 2 || st.Nodes[0].Confirmed && st.Nodes[1].Confirmed {
			t.Errorf("%s says that it hears %+v", p.name, st.Nodes)
		}
		if missing := lacks(p.said(), "peer="+other.name, "another authority"); missing != "" {
			t.Errorf("the log of %s does not say %q", p.name, missing)
		}
		p.answers(t, "www.shop.example", time.Second, addresses[0])
	}
}

// TestAStoreThatIsNotThereIsWaitedFor: a URL that leads nowhere is no reason
// not to run. The node says what is wrong and begins once the store is there.
func TestAStoreThatIsNotThereIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	nowhere := "http://" + newHost() + ":2379"
	p.start(t, "--etcd", nowhere)
	p.alarm(t, "store", nowhere)
	if code, body := p.get(t, "/readyz"); code != 503 || lacks(body, "no decided state") != "" {
		t.Errorf("/readyz says %d: %s; want 503, as nothing is known that could be answered", code, body)
	}
	if code, _ := p.get(t, "/livez"); code != 200 {
		t.Errorf("/livez says %d, want 200: a restart would not help", code)
	}
	_, err := client.Get[openapi.SteeringResult](p.call(t).DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "test"}))
	if !fault.Is(err, fault.Unavailable) || traces.MatchString(err.Error()) {
		t.Errorf("a drain without a store: %v (%v), want a sentence that it is not possible now", err, fault.Of(err))
	}
	if a, err := p.lookup(t.Context(), "www.shop.example"); err == nil {
		t.Errorf("a node that knows nothing answers %+v, want no answer that a resolver would believe", a)
	}
	p.end(t)

	etcd := startEtcd(t)
	p.start(t, "--etcd", etcd.url)
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
	p.end(t)

	p.start(t, "--etcd", nowhere) // what it knows is on its disk
	p.answers(t, "www.shop.example", time.Second, "127.12.0.1")
	p.alarm(t, "store", nowhere)
	p.ready(t)
}

// TestAStoreOfANewerVersionIsRefused: the node does not write into what it
// does not understand.
func TestAStoreOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	etcd.put(t, "fairlead/format", `{"format": 99, "by": "node-9"}`)
	before := etcd.everything(t)
	p := newPlace(t)
	fairlead(t, "serve", "--config", p.config, "--etcd", etcd.url).sentence(t, 1, "store", "newer version", "format 99", "use that version")
	if after := etcd.everything(t); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the store held %v and holds %v", before, after)
	}
}
