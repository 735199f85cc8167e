package world

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/identity"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
)

// written writes the files of a world with that many nodes, without starting
// anything.
func written(t *testing.T, nodes int) *World {
	t.Helper()
	dir := t.TempDir()
	w := &World{Dir: dir, opts: Options{Nodes: nodes}}
	authority, err := identity.NewAuthority(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	var tokens string
	if w.Ada, w.Grace, tokens, err = writePeople(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	zone := filepath.Join(dir, "shop.example.zone")
	if err := writeZone(zone); err != nil {
		t.Fatal(err)
	}
	fleet := fleetFile{Places: Places(), ShopPort: 8480, TokensFile: tokens, ZoneFile: zone, ReadsName: ReadsName, WritesName: WritesName}
	for _, p := range Places() {
		if p.HasDatabase {
			fleet.Members = append(fleet.Members, memberFile{Region: string(p.ID), DSN: fmt.Sprintf("host=%v port=5432 user=fairlead dbname=orders", p.Host),
				PasswordFile: filepath.Join(dir, "password"), Agent: fmt.Sprintf("%v:8472", p.Host)})
		}
	}
	if err := write(filepath.Join(dir, "password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.writeNodes(authority, fleet); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNodeFilesAreWhatTheNodeReads(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			w := written(t, nodes)
			hashes := map[string]bool{}
			for i, n := range w.Nodes {
				c, err := config.Load(n.Config)
				if err != nil {
					text, _ := os.ReadFile(n.Config)
					t.Fatalf("%v\n%s", err, text)
				}
				if c.Node.Name != regions.NodeID(n.Name) || c.Node.Region != Places()[i].ID || len(c.Node.Peers) != nodes-1 {
					t.Errorf("node %d is read as %+v", i+1, c.Node)
				}
				if got := netip.MustParseAddrPort(c.Node.DNSListen[0]); got != n.DNS {
					t.Errorf("node %d listens for DNS at %v, the world says %v", i+1, got, n.DNS)
				}
				if id, err := identity.Load(c.Node.Certificates); err != nil || !id.Has(identity.Control) {
					t.Errorf("the certificate of node %d: %v", i+1, err)
				}
				if len(c.Fleet.Services) != 2 || len(c.Fleet.Databases) != 1 || len(c.Fleet.Zones) != 1 || len(c.Fleet.Regions) != 3 {
					t.Errorf("node %d has a fleet of %d services, %d databases, %d zones, %d regions", i+1,
						len(c.Fleet.Services), len(c.Fleet.Databases), len(c.Fleet.Zones), len(c.Fleet.Regions))
				}
				orders, _ := c.Fleet.Service("orders")
				if db, pinned := orders.Pinned(); !pinned || db != Database {
					t.Errorf("orders is pinned to %q (%v), want %s", db, pinned, Database)
				}
				hashes[c.Hash] = true
			}
			if len(hashes) != 1 {
				t.Errorf("the nodes have %d different fleets, want one", len(hashes))
			}
		})
	}
}

func TestThePeopleMayActAndApprove(t *testing.T) {
	w := written(t, 1)
	text, err := os.ReadFile(filepath.Join(w.Dir, "tokens.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.ParseFile("tokens.yaml", text)
	if err != nil || len(tokens) != 2 {
		t.Fatalf("ParseFile = %d tokens, %v, want two", len(tokens), err)
	}
	for i, p := range []Person{w.Ada, w.Grace} {
		if tokens[i].Name != p.Name || !slices.Contains(tokens[i].Roles, auth.Operator) || !slices.Contains(tokens[i].Roles, auth.Approver) {
			t.Errorf("token %d is %q with %v", i+1, tokens[i].Name, tokens[i].Roles)
		}
		file, err := os.ReadFile(p.TokenFile)
		info, _ := os.Stat(p.TokenFile)
		if err != nil || strings.TrimSpace(string(file)) != p.Token || info.Mode().Perm() != 0o600 {
			t.Errorf("the token of %s: %v, mode %v", p.Name, err, info.Mode())
		}
		if _, secret, _ := strings.Cut(p.Token, "."); strings.Contains(string(text), secret) {
			t.Errorf("the secret of %s lies in the node's file", p.Name)
		}
	}
}

func TestAgentFilesAreWhatTheAgentReads(t *testing.T) {
	dir := t.TempDir()
	want := config.Agent{Certificates: filepath.Join(dir, "certs"), Config: agent.Config{Database: "orders", Region: USEast, Listen: "127.10.0.1:8472",
		DataDir: filepath.Join(dir, "data"), BinDir: "/usr/lib/postgresql/15/bin", User: "postgres", StateDir: filepath.Join(dir, "agent"), LogFile: filepath.Join(dir, "log"),
		Upstreams: map[regions.ID]agent.Upstream{EUCentral: {Stream: "host=127.20.0.1 port=5432", Rewind: "host=127.20.0.1 dbname=orders"}}}}
	path := filepath.Join(dir, "agent.yaml")
	if err := writeAgentFile(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := config.LoadAgent(path)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
		t.Errorf("read %+v\nwant %+v", *got, want)
	}
}

func TestAPortInUseIsSaidInASentence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	err = new(ports).take(port, netip.MustParseAddr("127.0.0.1"))
	for _, want := range []string{fmt.Sprintf("cannot listen on 127.0.0.1:%d", port), "ss -lntup", "--headless"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("take of a port in use = %v, want %q in it", err, want)
		}
	}
}

func TestFreePortsAreNeverHandedOutTwice(t *testing.T) {
	p := &ports{}
	seen := map[uint16]bool{}
	for range 100 {
		port, err := p.free(netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.10.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < lowestPort || port >= highestPort {
			t.Errorf("got port %d, again or out of range", port)
		}
		seen[port] = true
	}
}
