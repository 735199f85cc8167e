package daemon_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions"
)

// TestANodeThatCannotStartSaysWhy: one sentence with what to do, exit code 1,
// and what was on the disk is as it was.
func TestANodeThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		edits   []string
		prepare func(*testing.T, *place)
		args    []string
		words   []string
	}{
		{name: "the configuration is not there",
			prepare: func(t *testing.T, p *place) { remove(t, p.config) },
			words:   []string{"fairlead.yaml", "cannot be read", "give the path of a YAML file"}},
		{name: "it is not YAML", edits: []string{"regions: {us-east: {}", "regions: {us-east: {"},
			words: []string{"fairlead.yaml:8:", "not YAML", "mend the quotes"}},
		{name: "a key is misspelt", edits: []string{"interval: 500ms", "intervall: 500ms"},
			words: []string{"fairlead.yaml:12:", `"intervall"`, "did you mean interval"}},
		{name: "a zone file is wrong in line 900",
			prepare: func(t *testing.T, p *place) { p.write(t, "shop.zone", longZone(900)) },
			words:   []string{"shop.zone:900:", "192.0.2.300"}},
		{name: "another program has the API's port", prepare: taken("tcp", ":8470"),
			words: []string{"API", "HOST:8470", "another program", "choose another address"}},
		{name: "another program has the DNS port", prepare: taken("udp", ":5470"),
			words: []string{"HOST:5470", "another program", "choose another port"}},
		{name: "another program has the DNS port for TCP", prepare: taken("tcp", ":5470"),
			words: []string{"HOST:5470", "another program", "choose another port"}},
		{name: "another program has the feed's port", edits: withPeer, prepare: both(issue, taken("tcp", ":8471")),
			words: []string{"feed", "HOST:8471", "another program", "choose another address"}},
		{name: "another program has the store's port for peers", edits: withPeer, prepare: both(issue, taken("tcp", ":8473")),
			words: []string{"store", "HOST:8473", "another program", "another port"}},
		{name: "nobody could tell it what is decided", args: []string{"--roles", "probe,dns"},
			words: []string{"node-1", "no control role", "list the control nodes under node.peers"}},
		{name: "the address is not of this machine", edits: []string{"HOST:8470", "192.0.2.1:8470"},
			words: []string{"API", "192.0.2.1:8470", "no such address", "choose one of its addresses"}},
		{name: "the API would be open to other machines", edits: []string{"HOST:8470", "0.0.0.0:0"},
			words: []string{"listen on", "other machines could reach the API", "no tokens", "fairlead token create --into"}},
		{name: "the tokens file is not there", edits: []string{`"HOST:8470"`, `"HOST:8470", tokens_file: tokens.yaml`},
			words: []string{"tokens.yaml", "cannot be read", "fairlead token create"}},
		{name: "the tokens file is wrong", edits: []string{`"HOST:8470"`, `"HOST:8470", tokens_file: tokens.yaml`},
			prepare: func(t *testing.T, p *place) {
				p.write(t, "tokens.yaml", "tokens:\n  - id: alice\n    name: alice\n    roles: [emperor]\n    sha256: abc\n")
			},
			words: []string{"tokens.yaml", "alice", "emperor"}},
		{name: "the tokens file is not YAML", edits: []string{`"HOST:8470"`, `"HOST:8470", tokens_file: tokens.yaml`},
			prepare: func(t *testing.T, p *place) { p.write(t, "tokens.yaml", "tokens: [\n") },
			words:   []string{"tokens.yaml"}},
		{name: "the data directory is a file",
			prepare: func(t *testing.T, p *place) { p.write(t, "data", "") },
			words:   []string{"data", "--data-dir"}},
		{name: "the disk is full",
			prepare: func(t *testing.T, p *place) {
				disk := storetest.SmallDisk(t, "1m")
				storetest.FillDisk(t, disk)
				p.edit(t, "data_dir: data", "data_dir: "+filepath.Join(disk, "data"))
			},
			words: []string{"no space left", "free some space"}},
		{name: "the decided state is of a newer version",
			prepare: written("data/decided/00000000000000000001-00000000000000000007.decided",
				"fairlead-decided 2 incarnation 1 generation 7 bytes 2 sha256 00\n{}"),
			words: []string{"data/decided", "newer version", "format 2", "use that version"}},
		{name: "the history is of a newer version",
			prepare: written("data/history/00000000000000000001.history", "FLHIST\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"),
			words:   []string{"data/history", "newer version", "format 2", "use that version"}},
		{name: "the store is of a newer version of etcd", prepare: newerEtcd,
			words: []string{"data/store", "newer version", "use that version"}},
		{name: "the certificate is another node's", edits: withPeer,
			prepare: func(t *testing.T, p *place) { issueTo(t, p, "node-7") },
			words:   []string{"node-1", "node-7", "fairlead certs --node node-1"}},
		{name: "the certificate is of another authority than the one beside it", edits: withPeer,
			prepare: func(t *testing.T, p *place) {
				issue(t, p)
				ca := p.read(t, "certs/ca.crt")
				issue(t, p)
				p.write(t, "certs/ca.crt", ca)
			},
			words: []string{"node.crt was not issued by ca.crt", "this cluster"}},
		{name: "the URL of etcd is none", args: []string{"--etcd", "db.example:2379"},
			words: []string{"etcd URL db.example:2379", "scheme", "https://"}},
		{name: "a role is none", args: []string{"--roles", "control,king"},
			words: []string{"king", "use control, probe or dns"}},
		{name: "the node's name is none", args: []string{"--node", "Node 1"},
			words: []string{"Node 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, tt.edits...)
			if tt.prepare != nil {
				tt.prepare(t, p)
			}
			before := p.files(t)
			for i, w := range tt.words {
				tt.words[i] = strings.ReplaceAll(w, "HOST", p.host)
			}
			fairlead(t, append([]string{"serve", "--config", p.config}, tt.args...)...).sentence(t, 1, tt.words...)
			for name, was := range before {
				appended := strings.HasPrefix(name, "data/store/") || strings.HasPrefix(name, "data/history/")
				if is, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil {
					t.Errorf("%s was lost: %v", name, err)
				} else if string(is) != was && !(appended && len(is) >= len(was)) {
					t.Errorf("%s was changed by a node that did not start", name)
				}
			}
		})
	}
}

// TestTwoNodesDoNotShareADataDirectory: the second is refused, the first goes
// on.
func TestTwoNodesDoNotShareADataDirectory(t *testing.T) {
	t.Parallel()
	p, second := newPlace(t), newPlace(t)
	p.run(t)
	fairlead(t, "serve", "--config", second.config, "--data-dir", filepath.Join(p.dir, "data")).
		sentence(t, 1, filepath.Join(p.dir, "data"), "in use by another process", "another data directory")
	p.answers(t, "www.shop.example", 0, "127.12.0.1")
	if st := p.status(t); !st.Store.Reachable {
		t.Errorf("the first node's store is out of reach: %s", st.Store.Problem)
	}
}

// withPeer makes the node one of two.
var withPeer = []string{"  data_dir: data\n", `  data_dir: data
  certificates: certs
  feed: {listen: "HOST:8471"}
  store: {peer: "HOST:8473"}
  peers: {node-2: {region: eu-central, feed: "127.0.0.2:1", peer: "127.0.0.2:1"}}
`}

func issue(t *testing.T, p *place) { t.Helper(); issueTo(t, p, "node-1") }

// issueTo puts certificates there of an authority of their own.
func issueTo(t *testing.T, p *place, name string) {
	t.Helper()
	authority, err := identity.NewAuthority(t.TempDir())
	if err == nil {
		err = errors.Join(os.RemoveAll(filepath.Join(p.dir, "certs")), authority.Issue(filepath.Join(p.dir, "certs"), request(name, p.host)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func both(first, second func(*testing.T, *place)) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		first(t, p)
		second(t, p)
	}
}

// taken has a port of the place's listened on by somebody else.
func taken(network, port string) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		var err error
		if network == "udp" {
			var c net.PacketConn
			if c, err = net.ListenPacket(network, p.host+port); err == nil {
				t.Cleanup(func() { c.Close() })
			}
		} else {
			var l net.Listener
			if l, err = net.Listen(network, p.host+port); err == nil {
				t.Cleanup(func() { l.Close() })
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func written(name, text string) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(p.dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		p.write(t, name, text)
	}
}

// newerEtcd runs the node, and leaves behind what a later etcd would.
func newerEtcd(t *testing.T, p *place) {
	t.Helper()
	p.run(t)
	p.end(t)
	db, err := bbolt.Open(filepath.Join(p.dir, "data/store/member/snap/db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.Bucket([]byte("cluster")).Put([]byte("clusterVersion"), []byte("9.9.0")),
			tx.Bucket([]byte("meta")).Put([]byte("storageVersion"), []byte("9.9.0")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// longZone is a zone file whose line of that number is wrong.
func longZone(line int) string {
	text := strings.Builder{}
	text.WriteString(oneZone)
	for i := strings.Count(oneZone, "\n") + 1; i <= 1000; i++ {
		last := i % 250
		if i == line {
			last = 300
		}
		fmt.Fprintf(&text, "host-%d A 192.0.2.%d\n", i, last)
	}
	return text.String()
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// files returns every file of the place, but its log.
func (p *place) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(p.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "log" {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(p.dir, path)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func request(name, host string) identity.Request {
	return identity.Request{Node: regions.NodeID(name), Hosts: []string{host}, Roles: []identity.Role{identity.Control, identity.Probe, identity.DNS}}
}

// TestTheCommandLineTellsWrongUseFromFailure by its exit code, which scripts
// rely on.
func TestTheCommandLineTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "interval: 500ms", "intervall: 500ms", "order: [us-east,", "order: [us-eastt,")
	p.write(t, "shop.zone", longZone(900))
	nowhere := "http://" + newHost() + ":8470"
	for _, tt := range []struct {
		args  []string
		code  int
		words []string
	}{
		{[]string{"serve"}, 2, []string{"config"}},
		{[]string{"serve", "--config", p.config, "--nope"}, 2, []string{"--nope", "--help"}},
		{[]string{"serve", "--config", p.config, "more"}, 2, []string{"more"}},
		{[]string{"sarve"}, 2, []string{"sarve", "did you mean serve?"}},
		{[]string{"status", "-o", "xml"}, 2, []string{"xml", "json"}},
		{[]string{"drain", "us-east", "--server", nowhere, "--yes"}, 2, []string{"reason"}},
		{[]string{"status", "--server", nowhere}, 3, []string{nowhere, "cannot be reached", "--server"}},
		{[]string{"drain", "us-east", "--reason", "x", "--yes", "--server", nowhere}, 3, []string{nowhere}},
		{[]string{"explain", "www.shop.example", "--server", nowhere}, 3, []string{nowhere}},
		{[]string{"status", "--server", "nowhere"}, 1, []string{"is not a URL", "http://HOST:PORT"}},
		{[]string{"status", "--token-file", p.config + ".none"}, 1, []string{"cannot be read", "--token-file"}},
		{[]string{"check", p.dir + "/none.yaml"}, 1, []string{"none.yaml", "cannot be read"}},
		{[]string{"check", p.config}, 1, []string{"4 problems"}},
	} {
		o := fairlead(t, tt.args...)
		o.sentence(t, tt.code, tt.words...)
	}
	named := fairlead(t, "check", p.config).stdout
	if missing := lacks(named, "fairlead.yaml:12:46: unknown key", "fairlead.yaml:13:37: ", "us-eastt", "shop.zone:900:12: "); missing != "" {
		t.Errorf("check does not say %q:\n%s", missing, named)
	}
}
