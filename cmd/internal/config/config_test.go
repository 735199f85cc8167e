package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

const sound = `
node:
  name: node-1
  region: us-east
  data_dir: data
  dns: {listen: ["127.0.0.1:5470"]}
regions:
  us-east: {title: US East, latitude: 38.9, longitude: -77.4}
  eu-central: {}
services:
  www:
    name: WWW.Shop.Example
    ttl: 2s
    check: &check {kind: http, port: 8080, path: /healthz, interval: 500ms, timeout: 400ms, fall: 3}
    policy:
      kind: failover
      order: [us-east, eu-central]
      groups:
        europe: {prefixes: [192.0.2.0/24], order: [eu-central, us-east]}
    endpoints:
      us-east: [127.10.0.1]
      eu-central: {addresses: [127.20.0.1], check_address: "127.20.0.1:9090"}
  orders:
    name: orders.shop.example
    writes: {database: orders}
    check: {<<: *check, interval: 1s}
    policy: {kind: failover, order: [us-east, eu-central]}
    endpoints: {us-east: [127.10.0.1], eu-central: [127.20.0.1]}
databases:
  orders:
    writer: us-east
    max_lag_bytes: 16MiB
    members:
      us-east: {dsn: "host=127.10.0.1 dbname=shop user=fairlead", password_file: pass, agent: "127.10.0.1:8472"}
      eu-central: {dsn: "host=127.20.0.1 dbname=shop user=fairlead", agent: "127.20.0.1:8472"}
zones:
  shop.example: shop.zone
`

const soundZone = `$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
`

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return Load(filepath.Join(write(t, map[string]string{"fairlead.yaml": text, "shop.zone": soundZone}), "fairlead.yaml"))
}

func TestASoundFileBecomesACompleteFleet(t *testing.T) {
	c, err := load(t, sound)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	www, ok := c.Fleet.Service("www")
	if !ok || www.Name != "www.shop.example." || www.TTL != 2*time.Second || www.Policy.Panic != regions.AnswerAll {
		t.Errorf("service www = %+v", www)
	}
	if got, want := www.Check.Rise, regions.DefaultRise; got != want {
		t.Errorf("rise = %d, want the default %d", got, want)
	}
	orders, _ := c.Fleet.Service("orders")
	if orders.Check.HTTP.Path != "/healthz" || orders.Check.Interval != time.Second {
		t.Errorf("check of orders = %+v, want www's with an interval of its own", orders.Check)
	}
	if db, _ := c.Fleet.Database("orders"); db.MaxLagBytes != 16<<20 || len(db.Members) != 2 || !filepath.IsAbs(c.Resolve(db.Members[0].PasswordFile)) {
		t.Errorf("database orders = %+v, want 16 MiB, two members and a password file that can be found", db)
	}
	if !filepath.IsAbs(c.Node.DataDir) || len(c.Node.Roles) != 3 {
		t.Errorf("node = %+v, want an absolute data directory and every role", c.Node)
	}
}

func TestTheSameContentHasTheSameHash(t *testing.T) {
	a, errA := load(t, sound)
	b, errB := load(t, sound+"\n# a remark changes nothing\n")
	changed, errC := load(t, strings.Replace(sound, "ttl: 2s", "ttl: 3s", 1))
	if errA != nil || errB != nil || errC != nil {
		t.Fatal(errA, errB, errC)
	}
	if a.Hash != b.Hash {
		t.Errorf("hashes differ though only a comment and the directory do: %s, %s", a.Hash, b.Hash)
	}
	if a.Hash == changed.Hash {
		t.Error("another TTL gives the same hash")
	}
}

func TestADirectoryIsReadAsOne(t *testing.T) {
	at := strings.Index(sound, "services:")
	dir := write(t, map[string]string{"10-regions.yaml": sound[:at], "20-services.yaml": sound[at:], "shop.zone": soundZone})
	c, err := Load(dir)
	if err != nil {
		t.Fatalf("Load(directory): %v", err)
	}
	if len(c.Fleet.Regions) != 2 || len(c.Fleet.Services) != 2 {
		t.Errorf("got %d regions and %d services, want 2 and 2", len(c.Fleet.Regions), len(c.Fleet.Services))
	}
}

func TestEveryProblemIsNamedAtOnceWithItsPlace(t *testing.T) {
	text := strings.NewReplacer(
		"ttl: 2s", "ttl: soon",
		"interval: 500ms", "intervall: 500ms",
		"us-east: [127.10.0.1]\n      eu", "us-east: [127.10.0.300]\n      eu",
		"order: [us-east, eu-central]\n      groups", "order: [us-east, eu-centrall]\n      groups",
		"192.0.2.0/24", "192.0.2.7/24",
		"max_lag_bytes: 16MiB", "max_lag_bytes: lots",
		"user=fairlead\", password_file: pass", "user=fairlead password=hunter2\", password_file: pass",
	).Replace(sound)
	_, err := load(t, text)
	problems, ok := err.(Problems)
	if !ok {
		t.Fatalf("Load = %v, want Problems", err)
	}
	for _, want := range []struct {
		line int
		what string
	}{
		{13, "length of time"}, {14, "unknown key \"intervall\""}, {17, "eu-centrall"}, {19, "beyond its length"},
		{21, "IP address"}, {32, "size"}, {34, "password"},
	} {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Line == want.line && strings.Contains(p.String(), want.what) }) {
			t.Errorf("no problem at line %d about %q in:\n%v", want.line, want.what, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is repeated in: %v", err)
	}
	if got := fault.Of(err); got != fault.Invalid {
		t.Errorf("kind = %v, want invalid", got)
	}
	if !strings.Contains(err.Error(), "did you mean interval?") {
		t.Errorf("no suggestion for intervall in:\n%v", err)
	}
}

func TestBrokenInputIsOneSentence(t *testing.T) {
	manyAliases := "regions: &a {us-east: {}}\nx: &b [*b, *b]\n"
	tests := []struct {
		name, text, want string
	}{
		{"no YAML", "regions: [", "not YAML"},
		{"a tab", "regions:\n\tus-east: {}\n", "fairlead.yaml:2"},
		{"nothing at all", "", "no regions"},
		{"a list where a mapping belongs", "regions: [us-east]\n", "should be a mapping"},
		{"a key twice", "regions:\n  us-east: {}\n  us-east: {}\n", "us-east"},
		{"an unknown alias", "regions: *nowhere\n", "nowhere"},
		{"an alias within itself", manyAliases, "unknown key \"x\""},
		{"binary", "\x00\x01\x02", "fairlead.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load(%q) = %v, want something about %q", tt.text, err, tt.want)
			}
		})
	}
}

// What could not be parsed may hold all that seems to be missing.
func TestAFileThatIsNotYAMLHasNoConsequences(t *testing.T) {
	at := strings.Index(sound, "services:")
	dir := write(t, map[string]string{"10-regions.yaml": sound[:at] + "x: [", "20-services.yaml": sound[at:], "shop.zone": soundZone + "bad A here\n"})
	_, err := Load(dir)
	problems, _ := err.(Problems)
	if len(problems) != 2 || !strings.Contains(problems[0].What, "not YAML") || problems[0].Remedy == "" || !strings.Contains(problems[1].File, "shop.zone") {
		t.Errorf("Load = %v, want the YAML with a remedy, and the line of the zone file", err)
	}
}

func TestAZoneWithAnErrorInLine900IsNamedThere(t *testing.T) {
	var zone strings.Builder
	zone.WriteString(soundZone)
	for i := range 895 {
		zone.WriteString("host" + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + " A 192.0.2.1\n")
	}
	zone.WriteString("broken A not-an-address\n")
	dir := write(t, map[string]string{"fairlead.yaml": sound, "shop.zone": zone.String()})
	_, err := Load(filepath.Join(dir, "fairlead.yaml"))
	if err == nil || !strings.Contains(err.Error(), "shop.zone:900:") {
		t.Errorf("Load = %v, want a problem at shop.zone:900", err)
	}
}

func TestASteeredNameNeedsAZoneAndNoAddressInIt(t *testing.T) {
	if _, err := load(t, strings.Replace(sound, "name: WWW.Shop.Example", "name: www.elsewhere.example", 1)); err == nil || !strings.Contains(err.Error(), "no zone holds www.elsewhere.example.") {
		t.Errorf("a name outside every zone: %v", err)
	}
	dir := write(t, map[string]string{"fairlead.yaml": sound, "shop.zone": soundZone + "www A 192.0.2.9\n"})
	if _, err := Load(filepath.Join(dir, "fairlead.yaml")); err == nil || !strings.Contains(err.Error(), "shop.zone:5:1: service www answers") {
		t.Errorf("a steered name with an address in its zone: %v", err)
	}
}

func FuzzLoadSurvivesAnything(f *testing.F) {
	f.Add(sound)
	f.Add("regions: &a [*a]\n")
	f.Add("a: &x {<<: *x}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		l := newLoader("fuzz")
		l.read("fuzz.yaml", []byte(text))
		l.verifyNode("fuzz")
	})
}

// A name that would be put aside when it is compiled is refused when it is
// configured.
func TestASteeredNameBelowADelegationIsRefused(t *testing.T) {
	zone := soundZone + "orders NS ns.elsewhere.example.\n"
	for _, text := range []string{strings.Replace(sound, "name: orders.shop.example", "name: a.orders.shop.example", 1), sound} {
		_, err := Load(filepath.Join(write(t, map[string]string{"fairlead.yaml": text, "shop.zone": zone}), "fairlead.yaml"))
		problems, _ := err.(Problems)
		if len(problems) != 1 || !strings.Contains(problems[0].String(), "fairlead.yaml:24:11: service orders: ") || !strings.Contains(problems[0].What, "delegation of orders.shop.example.") || problems[0].Remedy == "" {
			t.Errorf("Load = %v, want the delegation, at the name, with what to do", err)
		}
	}
}
