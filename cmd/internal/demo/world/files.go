package world

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/goccy/go-yaml"

	"fairlead/api/auth"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/demo/shop"
	"fairlead/cmd/internal/identity"
	"fairlead/regions"
)

//go:embed files
var files embed.FS

// nodeFile is what a node's file says of one node.
type nodeFile struct {
	Name, Region, Certificates     string
	API, DNS, Feed, StorePeer      string
	apiAddr, dnsAddr               netip.AddrPort
	host                           netip.Addr
	feedPort, peerPort, clientPort uint16
}

type memberFile struct{ Region, DSN, PasswordFile, Agent string }

// fleetFile fills the template of a node's configuration.
type fleetFile struct {
	Node                  nodeFile
	Peers                 []nodeFile
	Places                []Place
	Members               []memberFile
	ShopPort              uint16
	TokensFile, ZoneFile  string
	ReadsName, WritesName string
}

// writeNodeFile writes the configuration of one node.
func writeNodeFile(path string, f fleetFile) error {
	t, err := template.ParseFS(files, "files/fairlead.yaml.tmpl")
	if err != nil {
		return fmt.Errorf("read the configuration's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return write(path, b.Bytes(), 0o644)
}

func writeZone(path string) error {
	text, err := files.ReadFile("files/shop.example.zone")
	if err != nil {
		return fmt.Errorf("read the zone: %w", err)
	}
	return write(path, text, 0o644)
}

func writeAgentFile(path string, a config.Agent) error {
	// Only what is set: the file shall read as one that a person wrote.
	c := a.Config
	doc := yaml.MapSlice{
		{Key: "certificates", Value: a.Certificates},
		{Key: "database", Value: string(c.Database)}, {Key: "region", Value: string(c.Region)}, {Key: "listen", Value: c.Listen},
		{Key: "data_dir", Value: c.DataDir}, {Key: "bin_dir", Value: c.BinDir}, {Key: "user", Value: c.User},
		{Key: "state_dir", Value: c.StateDir}, {Key: "log_file", Value: c.LogFile},
	}
	ups := yaml.MapSlice{}
	for region, up := range c.Upstreams {
		ups = append(ups, yaml.MapItem{Key: string(region), Value: yaml.MapSlice{{Key: "stream", Value: up.Stream}, {Key: "rewind", Value: up.Rewind}}})
	}
	text, err := yaml.Marshal(append(doc, yaml.MapItem{Key: "upstreams", Value: ups}))
	if err != nil {
		return fmt.Errorf("write the agent's configuration: %w", err)
	}
	return write(path, text, 0o644)
}

func writeShopFile(path string, c shop.Config) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write the shop's configuration: %w", err)
	}
	return write(path, append(text, '\n'), 0o600) // it holds the application's password
}

// issue makes a certificate in dir, as `fairlead certs` does.
func issue(a *identity.Authority, dir, name string, roles []identity.Role, hosts ...netip.Addr) error {
	r := identity.Request{Node: regions.NodeID(name), Roles: roles}
	for _, h := range hosts {
		r.Hosts = append(r.Hosts, h.String())
	}
	return a.Issue(dir, r)
}

// Person is somebody who may act in the world.
type Person struct {
	Name      string
	Token     string
	TokenFile string
}

// writePeople mints tokens for two people, who each may start runs and
// approve those of the other.
func writePeople(dir string, now time.Time) (ada, grace Person, tokensFile string, err error) {
	var tokens []auth.Token
	mint := func(name string) Person {
		t, text, mintErr := auth.Mint(name, []auth.Role{auth.Operator, auth.Approver}, nil, "demo", now)
		p := Person{Name: name, Token: text, TokenFile: filepath.Join(dir, name+".token")}
		if mintErr == nil {
			mintErr = write(p.TokenFile, []byte(text+"\n"), 0o600)
		}
		if err == nil {
			err = mintErr
		}
		tokens = append(tokens, t)
		return p
	}
	ada, grace = mint("ada"), mint("grace")
	if err != nil {
		return ada, grace, "", fmt.Errorf("make the two people's tokens: %w", err)
	}
	text, err := auth.FormatFile(tokens)
	if err != nil {
		return ada, grace, "", fmt.Errorf("write the tokens: %w", err)
	}
	tokensFile = filepath.Join(dir, "tokens.yaml")
	return ada, grace, tokensFile, write(tokensFile, text, 0o600)
}

func write(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make %s: %w", filepath.Dir(path), err)
	}
	if err := os.WriteFile(path, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	_, err = f.WriteString(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// short replaces the world's directory in messages that people read.
func short(text, dir string) string { return strings.ReplaceAll(text, dir+"/", "") }
