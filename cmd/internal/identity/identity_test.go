package identity_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/identity"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func request(node string, roles ...identity.Role) identity.Request {
	return identity.Request{Node: regions.NodeID(node), Roles: roles, Hosts: []string{"127.0.0.1", "node.example"}}
}

// cluster makes an authority and one identity for each request.
func cluster(t *testing.T, requests ...identity.Request) []*identity.Identity {
	t.Helper()
	root := t.TempDir()
	a, err := identity.NewAuthority(filepath.Join(root, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []*identity.Identity
	for _, r := range requests {
		dir := filepath.Join(root, string(r.Node))
		if err := a.Issue(dir, r); err != nil {
			t.Fatal(err)
		}
		id, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestANodeAloneMintsItsOwnIdentityOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	first, err := identity.Mint(dir, request("one", identity.Control, identity.DNS))
	if err != nil {
		t.Fatal(err)
	}
	if first.Node != "one" || !first.Has(identity.Control) || !first.Has(identity.DNS) || first.Has(identity.Agent) {
		t.Errorf("minted %q with roles %v", first.Node, first.Roles)
	}
	again, err := identity.Mint(dir, request("another", identity.Agent))
	if err != nil || again.Node != "one" {
		t.Errorf("minting again = %v, %v; want the first identity", again, err)
	}
	for _, name := range []string{"ca.key", "node.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info.Mode(), err)
		}
	}
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"ca.crt", "ca.key", "node.crt", "node.key"}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
}

func TestConnectionsNeedTheRole(t *testing.T) {
	ids := cluster(t, request("control-1", identity.Control), request("probe-1", identity.Probe))
	control, probe := ids[0], ids[1]
	stranger := cluster(t, request("control-1", identity.Control))[0]
	tests := []struct {
		name    string
		server  *tls.Config
		client  *tls.Config
		refused bool
	}{
		{"a control node enters where control is wanted", control.TLSServer(identity.Control), control.TLSClient("127.0.0.1"), false},
		{"a probe does not", control.TLSServer(identity.Control), probe.TLSClient("127.0.0.1"), true},
		{"a probe enters where any node may", control.TLSServer(), probe.TLSClient("control-1", identity.Control), false},
		{"a client refuses a server without the role", probe.TLSServer(), control.TLSClient("probe-1", identity.Agent), true},
		{"a client refuses a server of another name", probe.TLSServer(), control.TLSClient("control-1"), true},
		{"another authority's node is refused", control.TLSServer(), stranger.TLSClient("control-1"), true},
		{"and without a certificate nobody enters", control.TLSServer(), &tls.Config{InsecureSkipVerify: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			node, err := handshake(tt.server, tt.client)
			if (err != nil) != tt.refused {
				t.Errorf("handshake = %q, %v; want refused %v", node, err, tt.refused)
			}
			if err == nil && node == "" {
				t.Error("the server does not know who it is talking to")
			}
		})
	}
}

// handshake returns the client's name as the server knows it.
func handshake(server, client *tls.Config) (regions.NodeID, error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	failed := make(chan error, 1)
	go func() {
		c := tls.Client(b, client)
		err := c.Handshake()
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err != nil {
			b.Close()
		}
		failed <- err
	}()
	s := tls.Server(a, server)
	err := s.Handshake()
	if err == nil {
		_, err = s.Write([]byte{1})
	} else {
		a.Close()
	}
	if other := <-failed; err == nil {
		err = other
	}
	node, _, _ := identity.Peer(s.ConnectionState())
	return node, err
}

func TestEpochsAreVerifiedByEveryNodeOfTheCluster(t *testing.T) {
	ids := cluster(t, request("control-1", identity.Control), request("dns-1", identity.DNS))
	control, dns := ids[0], ids[1]
	stranger := cluster(t, request("control-1", identity.Control))[0]
	epoch := regions.Epoch{Incarnation: 1, Number: 7, Writer: "us-east"}
	good, err := control.SignEpoch("orders", epoch)
	if err != nil {
		t.Fatal(err)
	}
	if err := dns.VerifyEpoch(good); err != nil {
		t.Errorf("a good epoch: %v", err)
	}
	if _, err := dns.SignEpoch("orders", epoch); !fault.Is(err, fault.Denied) {
		t.Errorf("a DNS node signs: %v", err)
	}
	foreign, err := stranger.SignEpoch("orders", epoch)
	if err != nil {
		t.Fatal(err)
	}
	// A DNS node's signature, made with its key but without our check.
	forged := good
	forged.Epoch.Writer = "eu-central"
	moved := good
	moved.Database = "payments"
	bare := good
	bare.Chain = nil
	for name, s := range map[string]regions.SignedEpoch{"another cluster": foreign, "another writer": forged, "another database": moved, "no chain": bare} {
		if err := dns.VerifyEpoch(s); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: VerifyEpoch = %v, want denied", name, err)
		}
	}
}

func TestEachTroubleIsOneSentence(t *testing.T) {
	make := func(t *testing.T) string {
		dir := t.TempDir()
		if _, err := identity.Mint(dir, request("one", identity.Control)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"no key", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "node.key")) }, "node.key is missing"},
		{"open key", func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, "node.key"), 0o644) }, "may be read by others"},
		{"torn certificate", func(t *testing.T, dir string) { os.Truncate(filepath.Join(dir, "node.crt"), 20) }, "is damaged"},
		{"another's key", func(t *testing.T, dir string) { copyFile(t, make(t), dir, "node.key") }, "does not belong"},
		{"another's authority", func(t *testing.T, dir string) { copyFile(t, make(t), dir, "ca.crt") }, "was not issued by"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := make(t)
			tt.spoil(t, dir)
			id, err := identity.Load(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, %v; want an error with %q", id, err, tt.want)
			}
		})
	}
}

func copyFile(t *testing.T, from, to, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, name), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExpiryIsToldAMonthAhead(t *testing.T) {
	id := cluster(t, request("one", identity.Control))[0]
	for _, tt := range []struct {
		before time.Duration
		want   string
	}{{60 * 24 * time.Hour, ""}, {24 * time.Hour, "expires on"}, {-time.Hour, "expired on"}} {
		got := id.ExpirySoon(id.Expires().Add(-tt.before))
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%v before the end: %q, want %q", tt.before, got, tt.want)
		}
	}
}

// A node that dies while it makes its authority starts the next time.
func TestAnAuthorityThatWasHalfMadeIsFinished(t *testing.T) {
	dir := t.TempDir()
	request := identity.Request{Node: "node-1", Roles: []identity.Role{identity.Control}}
	if _, err := identity.Mint(dir, request); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node.crt", "node.key", "ca.crt"} { // the key is written first
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := identity.Mint(dir, request); err != nil {
		t.Errorf("with the key alone: %v", err)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "ca.key")); err != nil || string(again) != string(key) {
		t.Errorf("the key was replaced (%v): certificates it has signed would be worth nothing", err)
	}
	if _, err := identity.NewAuthority(dir); !fault.Is(err, fault.Conflict) {
		t.Errorf("making a whole authority again = %v, want a Conflict", err)
	}
}
