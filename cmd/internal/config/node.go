package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Role is a part that a node plays.
type Role string

const (
	Control Role = "control" // holds the store, runs runbooks, serves the API's decisions
	Probe   Role = "probe"   // checks targets and reports
	DNS     Role = "dns"     // answers
)

// Roles returns every role: what a node plays unless told otherwise.
func Roles() []Role { return []Role{Control, Probe, DNS} }

// Node is what concerns one machine only; it never enters the store.
type Node struct {
	Name         regions.NodeID
	Region       regions.ID
	Roles        []Role
	DataDir      string
	Certificates string // directory; empty: a lone node mints its own

	APIListen  string
	APITLS     bool
	TokensFile string
	DNSListen  []string
	NSID       string
	FeedListen string

	StorePeer string   // host:port for other members of the embedded store
	Etcd      []string // URLs of an external store instead, for control nodes
	EtcdCA    string   // file

	Backup Backup

	Peers []Peer
}

// Backup is how a control node takes copies of the store by itself.
type Backup struct {
	Dir            string // empty: it takes none
	Every          time.Duration
	Keep           int
	PassphraseFile string
	Recipients     []string
}

// Peer is another node of the cluster.
type Peer struct {
	Name   regions.NodeID
	Region regions.ID
	Roles  []Role
	Feed   string // host:port
	Peer   string // host:port of its store member
}

// Has reports whether the node plays a role.
func (n Node) Has(r Role) bool { return slices.Contains(n.Roles, r) }

// Has reports whether the peer plays a role.
func (p Peer) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// Ports that a node listens on unless told otherwise, all of them on loopback.
const (
	DefaultAPI       = "127.0.0.1:8470"
	DefaultDNS       = "127.0.0.1:53"
	DefaultFeed      = "127.0.0.1:8471"
	DefaultStorePeer = "127.0.0.1:8473"
)

func defaultNode() Node {
	return Node{
		Name: "node-1", Roles: Roles(), DataDir: "/var/lib/fairlead",
		APIListen: DefaultAPI, DNSListen: []string{DefaultDNS}, FeedListen: DefaultFeed,
		StorePeer: DefaultStorePeer,
		Backup:    Backup{Every: 24 * time.Hour, Keep: 14},
	}
}

func (l *loader) node(t *tree, n ast.Node, path string) {
	node := &l.config.Node
	t.fields(n, path, map[string]func(ast.Node, string){
		"name":         func(n ast.Node, p string) { node.Name = regions.NodeID(l.id(t, n, p, "node")) },
		"region":       func(n ast.Node, p string) { node.Region = regions.ID(t.str(n, p)) },
		"roles":        func(n ast.Node, p string) { node.Roles = l.roles(t, n, p) },
		"data_dir":     func(n ast.Node, p string) { node.DataDir = l.path(t, n, p) },
		"certificates": func(n ast.Node, p string) { node.Certificates = l.path(t, n, p) },
		"api": func(n ast.Node, p string) {
			t.fields(n, p, map[string]func(ast.Node, string){
				"listen":      func(n ast.Node, p string) { node.APIListen = t.hostPort(n, p) },
				"tls":         func(n ast.Node, p string) { node.APITLS = t.boolean(n, p) },
				"tokens_file": func(n ast.Node, p string) { node.TokensFile = l.path(t, n, p) },
			})
		},
		"dns": func(n ast.Node, p string) {
			t.fields(n, p, map[string]func(ast.Node, string){
				"listen": func(n ast.Node, p string) { node.DNSListen = l.hostPorts(t, n, p) },
				"nsid":   func(n ast.Node, p string) { node.NSID = t.str(n, p) },
			})
		},
		"feed": func(n ast.Node, p string) {
			t.fields(n, p, map[string]func(ast.Node, string){
				"listen": func(n ast.Node, p string) { node.FeedListen = t.hostPort(n, p) },
			})
		},
		"store": func(n ast.Node, p string) {
			t.fields(n, p, map[string]func(ast.Node, string){
				"peer":    func(n ast.Node, p string) { node.StorePeer = t.hostPort(n, p) },
				"etcd":    func(n ast.Node, p string) { node.Etcd = t.strs(n, p) },
				"etcd_ca": func(n ast.Node, p string) { node.EtcdCA = l.path(t, n, p) },
			})
		},
		"backup": func(n ast.Node, p string) { l.backup(t, n, p) },
		"peers": func(n ast.Node, p string) {
			for _, e := range t.entries(n, p) {
				node.Peers = append(node.Peers, l.peer(t, e, p))
			}
		},
	})
}

func (l *loader) backup(t *tree, n ast.Node, path string) {
	b := &l.config.Node.Backup
	t.fields(n, path, map[string]func(ast.Node, string){
		"dir":             func(n ast.Node, p string) { b.Dir = l.path(t, n, p) },
		"every":           func(n ast.Node, p string) { b.Every = t.duration(n, p) },
		"keep":            func(n ast.Node, p string) { b.Keep = t.integer(n, p, 1, 10000) },
		"passphrase_file": func(n ast.Node, p string) { b.PassphraseFile = l.path(t, n, p) },
		"recipients":      func(n ast.Node, p string) { b.Recipients = t.strs(n, p) },
	})
	switch {
	case b.Dir == "":
		t.problem(n, "add dir: PATH, on another disk than data_dir", "a backup needs a directory")
	case b.Every < time.Minute:
		t.problem(n, "write every: 24h", "backups are taken every minute at most, not every %v", b.Every)
	case b.PassphraseFile != "" && len(b.Recipients) > 0:
		t.problem(n, "choose one", "a backup is encrypted with a passphrase or to recipients, not both")
	}
}

func (l *loader) peer(t *tree, e entry, path string) Peer {
	peer := Peer{Name: regions.NodeID(e.key), Roles: Roles()}
	path = join(path, e.key)
	t.fields(e.value, path, map[string]func(ast.Node, string){
		"region": func(n ast.Node, p string) { peer.Region = regions.ID(t.str(n, p)) },
		"roles":  func(n ast.Node, p string) { peer.Roles = l.roles(t, n, p) },
		"feed":   func(n ast.Node, p string) { peer.Feed = t.hostPort(n, p) },
		"peer":   func(n ast.Node, p string) { peer.Peer = t.hostPort(n, p) },
	})
	if peer.Feed == "" {
		t.problem(e.at, "add feed: host:port", "peer %s has no feed address", e.key)
	}
	return peer
}

func (l *loader) roles(t *tree, n ast.Node, path string) []Role {
	var out []Role
	for i, v := range t.items(n, path) {
		role, err := ParseRole(t.str(v, index(path, i)))
		if err != nil {
			l.fault(t, v, err)
			continue
		}
		out = append(out, role)
	}
	return out
}

// ParseRole reads the name of a role.
func ParseRole(text string) (Role, error) {
	if r := Role(text); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fault.Invalidf("role "+text, "is no role").Do("use control, probe or dns")
}

func (l *loader) hostPorts(t *tree, n ast.Node, path string) []string {
	var out []string
	for i, v := range t.items(n, path) {
		out = append(out, t.hostPort(v, index(path, i)))
	}
	return out
}

// path reads a file name, relative to the configuration file's directory.
func (l *loader) path(t *tree, n ast.Node, path string) string {
	return relative(t.file, t.str(n, path))
}

func relative(file, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	path := filepath.Join(filepath.Dir(file), name)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
