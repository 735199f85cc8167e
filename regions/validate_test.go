package regions_test

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// fleet returns a fleet without problems.
func fleet() *regions.Fleet {
	check := regions.Check{Kind: regions.HTTP, Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond,
		Jitter: 50 * time.Millisecond, Rise: 2, Fall: 3, Port: 8080}
	pg := check
	pg.Kind, pg.Port = regions.Postgres, 0
	endpoint := func(s regions.ServiceID, r regions.ID, a string) regions.Endpoint {
		return regions.Endpoint{ID: regions.EndpointID(s, r, 1), Region: r, Addresses: []netip.Addr{netip.MustParseAddr(a)}}
	}
	return &regions.Fleet{
		Regions: []regions.Region{{ID: "us-east", Latitude: 39, Longitude: -77}, {ID: "eu-central"}, {ID: "ap-south"}},
		Services: []regions.Service{{
			ID: "www", Name: "www.example.com.", Mode: regions.Steer, TTL: 5 * time.Second, Check: check,
			Policy: regions.Policy{Kind: regions.Failover, Order: []regions.ID{"us-east", "eu-central", "ap-south"}, Panic: regions.AnswerAll,
				Groups: []regions.ClientGroup{{Name: "europe", Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Order: []regions.ID{"eu-central"}}}},
			Endpoints: []regions.Endpoint{endpoint("www", "us-east", "192.0.2.1"), endpoint("www", "eu-central", "192.0.2.2"), endpoint("www", "ap-south", "192.0.2.3")},
		}, {
			ID: "api", Name: "api.example.com.", Mode: regions.Observe, Check: check,
			Policy:    regions.Policy{Kind: regions.Weighted, Weights: map[regions.ID]int{"us-east": 3, "eu-central": 1}, Panic: regions.FailClosed},
			Endpoints: []regions.Endpoint{endpoint("api", "us-east", "192.0.2.11"), endpoint("api", "eu-central", "192.0.2.12")},
		}, {
			ID: "orders", Name: "orders.example.com.", Mode: regions.Steer, Check: check,
			Policy:    regions.Policy{Kind: regions.Failover, Panic: regions.AnswerAll},
			Writes:    &regions.Writes{Database: "orders"},
			Endpoints: []regions.Endpoint{endpoint("orders", "us-east", "192.0.2.21"), endpoint("orders", "eu-central", "192.0.2.22")},
		}},
		Databases: []regions.Database{{
			ID: "orders", Engine: "postgres", Writer: "us-east", Check: pg, MaxLagBytes: 1 << 20, MaxLagTime: 10 * time.Second,
			Members: []regions.Member{
				{Region: "us-east", DSN: "host=10.0.0.1 port=5432 dbname=orders user=fairlead", PasswordFile: "/etc/pw", Agent: "10.0.0.1:8472"},
				{Region: "eu-central", DSN: "postgres://fairlead@10.0.0.2:5432/orders?sslmode=require", Control: []string{"/usr/bin/ctl"}},
			},
		}},
		Zones:    []regions.Zone{{Origin: "example.com.", Text: "…"}},
		Runbooks: []regions.Document{{Name: "switchover"}},
	}
}

func TestAGoodFleetHasNoProblems(t *testing.T) {
	for _, p := range fleet().Validate() {
		t.Errorf("unexpected: %v", p)
	}
}

func TestAFleetSurvivesJSON(t *testing.T) {
	b, err := json.Marshal(fleet())
	if err != nil {
		t.Fatal(err)
	}
	var back regions.Fleet
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&back, fleet()) {
		t.Errorf("read back %+v\nwant      %+v", &back, fleet())
	}
}

func TestEachProblemIsNamedWithItsPlaceAndRemedy(t *testing.T) {
	tests := []struct {
		name   string
		change func(*regions.Fleet)
		path   string
		says   string
	}{
		{"no regions at all", func(f *regions.Fleet) { *f = regions.Fleet{} }, "regions", "there are none"},
		{"a region's name", func(f *regions.Fleet) { f.Regions[2].ID = "AP South" }, "regions[2].id", "does not begin with a letter"},
		{"a region twice", func(f *regions.Fleet) { f.Regions = append(f.Regions, regions.Region{ID: "us-east"}) }, "regions[3].id", "already defined at regions[0].id"},
		{"a latitude", func(f *regions.Fleet) { f.Regions[0].Latitude = 91 }, "regions[0].latitude", "not a latitude"},
		{"a longitude that is no number", func(f *regions.Fleet) { f.Regions[0].Longitude = math.NaN() }, "regions[0].longitude", "not a longitude"},
		{"a service twice", func(f *regions.Fleet) { f.Services[1].ID = "www" }, "services[1].id", "already defined"},
		{"a service's name twice", func(f *regions.Fleet) { f.Services[1].Name = "www.example.com." }, "services[1].name", "already the name at services[0]"},
		{"a name without the final dot", func(f *regions.Fleet) { f.Services[0].Name = "www.example.com" }, "services[0].name", "final dot"},
		{"a name with an empty part", func(f *regions.Fleet) { f.Services[0].Name = "www..com." }, "services[0].name", "1 to 63"},
		{"an unknown mode", func(f *regions.Fleet) { f.Services[0].Mode = "dream" }, "services[0].mode", "use steer or observe"},
		{"a TTL too long", func(f *regions.Fleet) { f.Services[0].TTL = 25 * time.Hour }, "services[0].ttl", "0s to 24h"},
		{"a TTL below zero", func(f *regions.Fleet) { f.Services[0].TTL = -time.Second }, "services[0].ttl", "0s to 24h"},
		{"a TTL that DNS cannot say", func(f *regions.Fleet) { f.Services[0].TTL = 1500 * time.Millisecond }, "services[0].ttl", "whole seconds"},
		{"an interval too short", func(f *regions.Fleet) {
			f.Services[0].Check.Interval = time.Millisecond
			f.Services[0].Check.Jitter = 0
		}, "services[0].check.interval", "200ms to 1h"},
		{"a timeout of nothing", func(f *regions.Fleet) { f.Services[0].Check.Timeout = 0 }, "services[0].check.timeout", "out of bounds"},
		{"more checks in flight than allowed", func(f *regions.Fleet) { f.Services[0].Check.Timeout = 3 * time.Second }, "services[0].check.timeout", "4 intervals"},
		{"jitter beyond the slot", func(f *regions.Fleet) { f.Services[0].Check.Jitter = time.Second }, "services[0].check.jitter", "does not fit"},
		{"rise", func(f *regions.Fleet) { f.Services[0].Check.Rise = 0 }, "services[0].check.rise", "1 to 100"},
		{"fall", func(f *regions.Fleet) { f.Services[0].Check.Fall = 101 }, "services[0].check.fall", "1 to 100"},
		{"a service checked as a database", func(f *regions.Fleet) { f.Services[0].Check.Kind = regions.Postgres }, "services[0].check.kind", "use http, https, tcp"},
		{"a path", func(f *regions.Fleet) { f.Services[0].Check.HTTP.Path = "health" }, "services[0].check.http.path", "slash"},
		{"status codes", func(f *regions.Fleet) {
			f.Services[0].Check.HTTP.StatusMin, f.Services[0].Check.HTTP.StatusMax = 300, 200
		}, "services[0].check.http.status_min", "300 to 200"},
		{"a TCP check without a port", func(f *regions.Fleet) {
			f.Services[0].Check.Kind, f.Services[0].Check.Port = regions.TCP, 0
		}, "services[0].endpoints[0].check_address", "needs a port"},
		{"an endpoint's own check", func(f *regions.Fleet) {
			c := f.Services[0].Check
			c.Rise = 0
			f.Services[0].Endpoints[1].Check = &c
		}, "services[0].endpoints[1].check.rise", "1 to 100"},
		{"no endpoints", func(f *regions.Fleet) {
			f.Services[1].Endpoints, f.Services[1].Policy.Weights = nil, map[regions.ID]int{}
		}, "services[1].endpoints", "has no endpoints"},
		{"an endpoint in no region", func(f *regions.Fleet) {
			f.Services[0].Endpoints[0].Region, f.Services[0].Endpoints[0].ID = "mars", "www@mars"
		}, "services[0].endpoints[0].region", "use one of: us-east, eu-central, ap-south"},
		{"an endpoint twice", func(f *regions.Fleet) {
			f.Services[0].Endpoints[1].Region, f.Services[0].Endpoints[1].ID = "us-east", "www@us-east"
		}, "services[0].endpoints[1].id", "www@us-east/2"},
		{"an endpoint named after another region", func(f *regions.Fleet) { f.Services[0].Endpoints[1].ID = "www@eu-central-2" }, "services[0].endpoints[1].id", "call it www@eu-central"},
		{"an endpoint without addresses", func(f *regions.Fleet) { f.Services[0].Endpoints[2].Addresses = nil }, "services[0].endpoints[2].addresses", "no address"},
		{"an address nobody can reach", func(f *regions.Fleet) { f.Services[0].Endpoints[2].Addresses[0] = netip.IPv4Unspecified() }, "services[0].endpoints[2].addresses[0]", "users can reach"},
		{"an address twice", func(f *regions.Fleet) { f.Services[0].Endpoints[2].Addresses[0] = netip.MustParseAddr("192.0.2.1") }, "services[0].endpoints[2].addresses[0]", "already given"},
		{"a check address", func(f *regions.Fleet) { f.Services[0].Endpoints[2].CheckAddress = "10.0.0.1" }, "services[0].endpoints[2].check_address", "host:port"},
		{"an unknown policy", func(f *regions.Fleet) { f.Services[0].Policy.Kind = "chance" }, "services[0].policy.kind", "failover, weighted or all"},
		{"an unknown panic", func(f *regions.Fleet) { f.Services[0].Policy.Panic = "" }, "services[0].policy.panic", "answer_all or fail_closed"},
		{"an order with a region that does not exist", func(f *regions.Fleet) { f.Services[0].Policy.Order[1] = "mars" }, "services[0].policy.order[1]", `region "mars" does not exist`},
		{"an order that forgets a region", func(f *regions.Fleet) { f.Services[0].Policy.Order = []regions.ID{"us-east", "eu-central"} }, "services[0].policy.order", "ap-south has endpoints but is not in the order"},
		{"an order with a region twice", func(f *regions.Fleet) { f.Services[0].Policy.Order[2] = "us-east" }, "services[0].policy.order[2]", "already in the order"},
		{"a weight for a region without endpoints", func(f *regions.Fleet) { f.Services[1].Policy.Weights["ap-south"] = 1 }, "services[1].policy.weights.ap-south", "no endpoint"},
		{"a weight too large", func(f *regions.Fleet) { f.Services[1].Policy.Weights["us-east"] = 1001 }, "services[1].policy.weights.us-east", "0 to 1000"},
		{"weights that are all 0", func(f *regions.Fleet) {
			f.Services[1].Policy.Weights = map[regions.ID]int{"us-east": 0, "eu-central": 0}
		}, "services[1].policy.weights", "all weights are 0"},
		{"a missing weight", func(f *regions.Fleet) { delete(f.Services[1].Policy.Weights, "eu-central") }, "services[1].policy.weights", "eu-central has endpoints but no weight"},
		{"a group without networks", func(f *regions.Fleet) { f.Services[0].Policy.Groups[0].Prefixes = nil }, "services[0].policy.groups[0].prefixes", "no prefixes"},
		{"a group's network with stray bits", func(f *regions.Fleet) {
			f.Services[0].Policy.Groups[0].Prefixes[0] = netip.PrefixFrom(netip.MustParseAddr("198.51.100.7"), 24)
		}, "services[0].policy.groups[0].prefixes[0]", "write 198.51.100.0/24"},
		{"a group's network that could never match", func(f *regions.Fleet) {
			f.Services[0].Policy.Groups[0].Prefixes[0] = netip.MustParsePrefix("198.51.100.128/25")
		}, "services[0].policy.groups[0].prefixes[0]", "use /24 or shorter"},
		{"a group with a strange region", func(f *regions.Fleet) { f.Services[0].Policy.Groups[0].Order[0] = "mars" }, "services[0].policy.groups[0].order[0]", "does not exist"},
		{"a database that is not there", func(f *regions.Fleet) { f.Services[2].Writes.Database = "stock" }, "services[2].writes.database", `database "stock" does not exist`},
		{"a pinned name without an endpoint at the writer", func(f *regions.Fleet) {
			f.Databases[0].Writer = "ap-south"
			f.Databases[0].Members[1].Region = "ap-south"
		}, "services[2].writes.database", "add an endpoint in ap-south"},
		{"an engine nobody moves", func(f *regions.Fleet) { f.Databases[0].Engine = "dbase" }, "databases[0].engine", "use postgres"},
		{"a database without members", func(f *regions.Fleet) { f.Databases[0].Members = nil }, "databases[0].members", "no members"},
		{"a writer that is no member", func(f *regions.Fleet) { f.Databases[0].Writer = "mars" }, "databases[0].writer", "not among the members"},
		{"two members in a region", func(f *regions.Fleet) { f.Databases[0].Members[1].Region = "us-east" }, "databases[0].members[1].region", "already has a member"},
		{"a password in a dsn", func(f *regions.Fleet) { f.Databases[0].Members[0].DSN += " password=hush" }, "databases[0].members[0].dsn", "password_file:"},
		{"a password in a URL", func(f *regions.Fleet) { f.Databases[0].Members[0].DSN = "postgres://u:hush@h/d" }, "databases[0].members[0].dsn", "password_file:"},
		{"an empty dsn", func(f *regions.Fleet) { f.Databases[0].Members[0].DSN = "" }, "databases[0].members[0].dsn", "has no dsn"},
		{"an agent's address", func(f *regions.Fleet) { f.Databases[0].Members[0].Agent = "10.0.0.1" }, "databases[0].members[0].agent", "host:port"},
		{"a negative lag", func(f *regions.Fleet) { f.Databases[0].MaxLagBytes = -1 }, "databases[0].max_lag_bytes", "0 or more"},
		{"a zone twice", func(f *regions.Fleet) { f.Zones = append(f.Zones, f.Zones[0]) }, "zones[1].origin", "already defined"},
		{"a runbook's name", func(f *regions.Fleet) { f.Runbooks[0].Name = "Switch Over" }, "runbooks[0].name", "lower-case"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fleet()
			tt.change(f)
			problems := f.Validate()
			found := false
			for _, p := range problems {
				found = found || p.Path == tt.path && strings.Contains(p.Error(), tt.says)
				if p.Err.Kind != fault.Invalid || p.Err.Remedy == "" {
					t.Errorf("%v: kind %v, remedy %q; want invalid, with a remedy", p, p.Err.Kind, p.Err.Remedy)
				}
				if strings.Contains(p.Error(), "hush") {
					t.Errorf("a secret is shown: %v", p)
				}
			}
			if !found {
				t.Errorf("got %v\nwant one at %s saying %q", problems, tt.path, tt.says)
			}
		})
	}
}

func TestAllProblemsAreFoundAtOnce(t *testing.T) {
	f := fleet()
	f.Services[0].TTL = -1
	f.Services[1].Check.Fall = 0
	f.Databases[0].Engine = ""
	if got := f.Validate(); len(got) != 3 {
		t.Errorf("found %d problems, want 3: %v", len(got), got)
	}
}

func TestASecretInAConnectionStringIsFoundHoweverItIsWritten(t *testing.T) {
	tests := []struct {
		dsn  string
		good bool
	}{
		{"host=a user=b", true}, {"host = a  user = b", true}, {`host=a options='-c x=password=1'`, true},
		{`host=a application_name='it\'s password=x'`, true}, {"postgres://u@h/d", true},
		{"host=a password=x", false}, {"host=a password = x", false}, {"PASSWORD=x", false}, {"password='a b'", false},
		{"host=a sslpassword=x", false}, {"postgresql://u@h/d?password=x", false}, {"postgres://u:@h/d", false},
		{"host='a", false}, {"nonsense", false}, {"postgres://[", false},
	}
	for _, tt := range tests {
		f := fleet()
		f.Databases[0].Members[0].DSN = tt.dsn
		if got := len(f.Validate()) == 0; got != tt.good {
			t.Errorf("dsn %q accepted: %v, want %v", tt.dsn, got, tt.good)
		}
	}
}

func TestAnAddressToDialHasAHostAndAPort(t *testing.T) {
	for address, good := range map[string]bool{
		"10.0.0.7:8472": true, "db.internal:1": true, "[2001:db8::7]:8472": true, "[fe80::1%eth0]:1": true,
		":8472": false, "10.0.0.7": false, "10.0.0.7:": false, "10.0.0.7:0": false, "10.0.0.7:65536": false, "10.0.0.7:http": false,
		"2001:db8::7:8472": false, "[2001:db8::7]": false, "[10.0.0.7]:1": false, "[2001:db8::7:1": false, "http://a:1": false, "a b:1": false,
	} {
		f := fleet()
		f.Services[0].Endpoints[0].CheckAddress = address
		if got := len(f.Validate()) == 0; got != good {
			t.Errorf("address %q accepted: %v, want %v", address, got, good)
		}
	}
}

func TestTargetsListEverythingThatIsChecked(t *testing.T) {
	f := fleet()
	f.Databases[0].Check.Kind = ""
	targets := f.Targets()
	if len(targets) != 9 {
		t.Fatalf("%d targets, want 9: %v", len(targets), targets)
	}
	first, last := targets[0], targets[8]
	if first.ID != "www@us-east" || first.Address != "192.0.2.1:8080" || first.Host != "www.example.com" || first.Service != "www" {
		t.Errorf("first target %+v", first)
	}
	if last.ID != "orders#eu-central" || last.Check.Kind != regions.Postgres || last.DSN == "" || last.Database != "orders" || last.Mode != regions.Observe {
		t.Errorf("last target %+v", last)
	}
	hashes := map[uint64]bool{}
	for _, target := range targets {
		hashes[target.ID.Hash()] = true
	}
	if len(hashes) != len(targets) {
		t.Errorf("%d hashes for %d targets", len(hashes), len(targets))
	}
}
