package sim

import (
	"fmt"
	"net/netip"
	"time"

	"fairlead/dns/zone"
	"fairlead/regions"
)

var (
	places   = []regions.ID{"ap", "eu", "us"}
	zoneText = []byte("$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n")
	// clients are asked for by their addresses: one of a group, two others.
	clients = []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.0.2.200")}
)

const (
	orders     = regions.DatabaseID("orders")
	checkEvery = time.Second
)

// build makes the world in which a history begins: a fleet that a person could
// have configured, nodes in every region, and what will go wrong.
func (s *simulation) build() {
	zone, err := zone.Parse("example.com", "example.zone", zoneText)
	if err != nil {
		panic(err) // it is a constant
	}
	s.zones = append(s.zones, zone)
	sort := s.below(5) // 0 and 1: traffic alone; 2 and 3: a database alone; 4: both
	s.drawFleet(sort < 2 || sort == 4, sort >= 2)
	if problems := s.fleet.Validate(); len(problems) > 0 {
		panic(fmt.Sprintf("the fleet that was drawn is not valid: %v", problems))
	}
	s.drawNetwork()
	s.asked = map[regions.Name]question{}
	s.truth = truth{dead: map[regions.TargetID]int{}, dark: map[regions.ID]int{}}
	s.watch = newWatch(s)
	s.store = newCluster(s)
	if sort >= 2 {
		s.pair = newPair(s)
	}
	s.drawNodes()
	s.people = newPeople(s)
	s.drawFaults()
}

func (s *simulation) drawFleet(traffic, database bool) {
	f := &regions.Fleet{Zones: []regions.Zone{{Origin: "example.com.", File: "example.zone", Text: string(zoneText)}}}
	for _, r := range places {
		f.Regions = append(f.Regions, regions.Region{ID: r})
	}
	if traffic {
		kinds := []regions.PolicyKind{regions.Failover, regions.Weighted, regions.All}
		for i := range 1 + s.below(3) {
			f.Services = append(f.Services, s.drawService(i, kinds[(i+s.below(3))%3]))
		}
	}
	if database {
		d := regions.Database{ID: orders, Engine: "postgres", Writer: "us", MaxLagBytes: 1 << 20, MaxLagTime: time.Minute, Check: s.check(regions.Postgres)}
		for _, r := range places[1:] {
			d.Members = append(d.Members, regions.Member{Region: r, DSN: "host=" + string(r) + ".invalid port=5432 user=fairlead dbname=shop", Agent: string(r) + ".invalid:7443"})
		}
		f.Databases = append(f.Databases, d)
		w := s.drawService(9, regions.Failover)
		w.ID, w.Name, w.Policy.Panic = "orders", "orders.example.com.", regions.AnswerAll
		w.Writes = &regions.Writes{Database: orders}
		w.Endpoints = nil
		for k := range places[1:] {
			w.Endpoints = append(w.Endpoints, newEndpoint(w.ID, 9, k+1, 1))
		}
		f.Services = append(f.Services, w)
	}
	s.fleet = f
}

func (s *simulation) check(kind regions.CheckKind) regions.Check {
	return regions.Check{Kind: kind, Interval: checkEvery, Timeout: 800 * time.Millisecond, Rise: 1 + s.below(3), Fall: 2 + s.below(2), Port: 443}
}

func (s *simulation) drawService(i int, kind regions.PolicyKind) regions.Service {
	v := regions.Service{ID: regions.ServiceID(fmt.Sprintf("s%d", i)), Mode: regions.Steer, TTL: 5 * time.Second, Check: s.check(regions.TCP),
		Quorum: oneOf(s, []regions.Rule{0, 0, 2}), Policy: regions.Policy{Kind: kind, Panic: oneOf(s, []regions.Panic{regions.AnswerAll, regions.AnswerAll, regions.FailClosed})}}
	v.Name = regions.Name(fmt.Sprintf("%s.example.com.", v.ID))
	if kind == regions.Weighted {
		v.Policy.Weights = map[regions.ID]int{}
	}
	for k, r := range places {
		for n := range 1 + s.below(5)/4 {
			v.Endpoints = append(v.Endpoints, newEndpoint(v.ID, i, k, n+1))
		}
		switch kind {
		case regions.Weighted:
			v.Policy.Weights[r] = 1 + s.below(10)
		case regions.Failover:
			v.Policy.Order = append(v.Policy.Order, r)
		}
	}
	s.dice.Shuffle(len(v.Policy.Order), func(a, b int) {
		v.Policy.Order[a], v.Policy.Order[b] = v.Policy.Order[b], v.Policy.Order[a]
	})
	if kind == regions.Failover && s.chance(30) {
		v.Policy.Groups = []regions.ClientGroup{{Name: "near", Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Order: []regions.ID{oneOf(s, places)}}}
	}
	return v
}

// newEndpoint is the nth endpoint of the ith service in the kth region.
func newEndpoint(v regions.ServiceID, i, k, n int) regions.Endpoint {
	return regions.Endpoint{ID: regions.EndpointID(v, places[k], n), Region: places[k], Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i), byte(k), byte(n)})}}
}

func (s *simulation) drawNetwork() {
	s.net = network{sim: s, links: map[[2]regions.ID]*link{}}
	for _, a := range places {
		for _, b := range places {
			l := &link{lag: 500 * time.Microsecond}
			if a != b {
				l.lag = s.between(10*time.Millisecond, 120*time.Millisecond)
			}
			s.net.links[[2]regions.ID{a, b}] = l
		}
	}
}

// drawNodes puts one node into each region, and sometimes one more.
func (s *simulation) drawNodes() {
	where := places
	if s.chance(25) {
		where = append(append([]regions.ID(nil), places...), oneOf(s, places))
	}
	for i, r := range where {
		s.nodes = append(s.nodes, newNode(s, i, r))
	}
	for _, n := range s.nodes {
		for _, o := range s.nodes {
			if o != n {
				n.expected = append(n.expected, o.id)
			}
		}
		n.start()
	}
}
