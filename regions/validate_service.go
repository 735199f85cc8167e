package regions

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func (v *validator) services() {
	ids, names, endpoints := map[string]string{}, map[Name]string{}, map[TargetID]string{}
	for i, s := range v.fleet.Services {
		path := fmt.Sprintf("services[%d]", i)
		subject := "service " + string(s.ID)
		v.id(path+".id", "service", string(s.ID), ids)
		if v.name(path+".name", "name", s.Name) {
			if first, twice := names[s.Name]; twice {
				v.add(path+".name", subject, "%s is already the name at %s", s.Name, first).Do("a name can have one service")
			}
			names[s.Name] = path
		}
		if s.Mode != Steer && s.Mode != Observe {
			v.add(path+".mode", subject, "%q is not a mode", s.Mode).Do("use steer or observe")
		}
		if s.TTL < 0 || s.TTL > MaxTTL || s.TTL%time.Second != 0 {
			v.add(path+".ttl", subject, "%v cannot be a TTL", s.TTL).Do("use whole seconds from 0s to 24h")
		}
		if s.Quorum < 0 {
			v.add(path+".quorum", subject, "%d vantage points cannot agree", s.Quorum).Do("use 0 for a majority, or how many must agree")
		}
		v.check(path+".check", subject, s.Check, HTTP, HTTPS, TCP)
		v.endpoints(path, subject, s, endpoints)
		v.policy(path+".policy", subject, s)
		v.writes(path+".writes", subject, s)
	}
}

func (v *validator) endpoints(path, subject string, s Service, seen map[TargetID]string) {
	if len(s.Endpoints) == 0 {
		v.add(path+".endpoints", subject, "has no endpoints").Do("list at least one, with its region and addresses")
	}
	addresses := map[netip.Addr]string{}
	for j, e := range s.Endpoints {
		at := fmt.Sprintf("%s.endpoints[%d]", path, j)
		first := EndpointID(s.ID, e.Region, 1)
		if e.ID != first && !strings.HasPrefix(string(e.ID), string(first)+"/") {
			v.add(at+".id", subject, "endpoint %q is not named after its service and region", e.ID).Do("call it %s", first)
		} else if first, twice := seen[e.ID]; twice {
			v.add(at+".id", subject, "endpoint %s is already defined at %s", e.ID, first).Do("number them: %s", EndpointID(s.ID, e.Region, 2))
		}
		seen[e.ID] = at
		v.knownRegion(at+".region", subject, e.Region)
		if len(e.Addresses) == 0 {
			v.add(at+".addresses", subject, "the endpoint in %s has no address", e.Region).Do("give the addresses to answer")
		}
		for k, a := range e.Addresses {
			where := fmt.Sprintf("%s.addresses[%d]", at, k)
			if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" || a.Is4In6() {
				v.add(where, subject, "%v is not an address that users can reach", a).Do("give an IPv4 or IPv6 address of one host")
			} else if first, twice := addresses[a]; twice {
				v.add(where, subject, "%v is already given at %s", a, first).Do("remove one of the two")
			}
			addresses[a] = where
		}
		if e.Check != nil {
			v.check(at+".check", subject, *e.Check, HTTP, HTTPS, TCP)
		}
		check := s.CheckOf(e)
		switch {
		case e.CheckAddress != "":
			v.hostPort(at+".check_address", subject, e.CheckAddress)
		case check.Kind == TCP && check.Port == 0:
			v.add(at+".check_address", subject, "a TCP check needs a port").Do("set check.port, or check_address: host:port")
		}
	}
}

// regionsOf returns where the service has endpoints, in the fleet's order.
func (v *validator) regionsOf(s Service) []ID {
	var ids []ID
	for _, r := range v.fleet.Regions {
		if slices.ContainsFunc(s.Endpoints, func(e Endpoint) bool { return e.Region == r.ID }) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (v *validator) policy(path, subject string, s Service) {
	p := s.Policy
	if p.Panic != AnswerAll && p.Panic != FailClosed {
		v.add(path+".panic", subject, "%q is not a choice for when nothing serves", p.Panic).Do("use answer_all or fail_closed")
	}
	_, pinned := s.Pinned()
	switch p.Kind {
	case Failover:
		v.order(path+".order", subject, s, p.Order, !pinned)
	case Weighted:
		v.weights(path+".weights", subject, s, p.Weights, !pinned)
	case All:
	default:
		v.add(path+".kind", subject, "%q is not a policy", p.Kind).Do("use failover, weighted or all")
	}
	v.groups(path, subject, s)
}

// order checks a failover order. A complete one mentions each region in which
// the service has endpoints, since one left out would silently never serve.
func (v *validator) order(path, subject string, s Service, order []ID, complete bool) {
	has := v.regionsOf(s)
	for i, id := range order {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case !v.knownRegion(at, subject, id):
		case slices.Contains(order[:i], id):
			v.add(at, subject, "region %s is already in the order", id).Do("mention it once")
		case complete && !slices.Contains(has, id):
			v.add(at, subject, "region %s has no endpoint of this service", id).Do("remove it, or add an endpoint")
		}
	}
	if !complete {
		return
	}
	for _, id := range has {
		if !slices.Contains(order, id) {
			v.add(path, subject, "region %s has endpoints but is not in the order", id).Do("say where it stands; the last is the last resort")
		}
	}
}

func (v *validator) weights(path, subject string, s Service, weights map[ID]int, complete bool) {
	has, positive := v.regionsOf(s), 0
	for _, id := range slices.Sorted(maps.Keys(weights)) {
		at, w := path+"."+string(id), weights[id]
		if v.knownRegion(at, subject, id) && complete && !slices.Contains(has, id) {
			v.add(at, subject, "region %s has no endpoint of this service", id).Do("remove it, or add an endpoint")
		}
		if w < 0 || w > MaxWeight {
			v.add(at, subject, "%d is not a weight", w).Do("use 0 to %d; 0 is a spare", MaxWeight)
		}
		if w > 0 {
			positive++
		}
	}
	if !complete {
		return
	}
	for _, id := range has {
		if _, ok := weights[id]; !ok {
			v.add(path, subject, "region %s has endpoints but no weight", id).Do("give it 0 to %d; 0 is a spare", MaxWeight)
		}
	}
	switch {
	case positive == 0:
		v.add(path, subject, "all weights are 0").Do("give at least one region a weight")
	case positive > MaxCohorts:
		v.add(path, subject, "%d regions have a weight", positive).Do("use at most %d; group the clients and give each group its own", MaxCohorts)
	}
}

func (v *validator) groups(path, subject string, s Service) {
	names, prefixes := map[string]string{}, map[netip.Prefix]string{}
	for i, g := range s.Policy.Groups {
		at := fmt.Sprintf("%s.groups[%d]", path, i)
		v.id(at+".name", "client group", g.Name, names)
		if len(g.Prefixes) == 0 {
			v.add(at+".prefixes", subject, "group %s has no prefixes", g.Name).Do("list networks, such as 198.51.100.0/24")
		}
		for k, p := range g.Prefixes {
			where := fmt.Sprintf("%s.prefixes[%d]", at, k)
			v.prefix(where, subject, p)
			if first, twice := prefixes[p.Masked()]; twice {
				v.add(where, subject, "%v is already given at %s", p, first).Do("a network can be in one group")
			}
			prefixes[p.Masked()] = where
		}
		switch s.Policy.Kind {
		case Failover, All:
			v.order(at+".order", subject, s, g.Order, false)
			if len(g.Order) == 0 {
				v.add(at+".order", subject, "group %s does not say which regions it prefers", g.Name).Do("give it an order")
			}
		case Weighted:
			v.weights(at+".weights", subject, s, g.Weights, true)
		}
	}
}

// prefix refuses what could never match: clients are known by 24 bits of
// IPv4 and 56 of IPv6 at most, because resolvers send no more.
func (v *validator) prefix(path, subject string, p netip.Prefix) {
	longest := ClientBits6
	if p.Addr().Is4() {
		longest = ClientBits4
	}
	switch {
	case !p.IsValid() || p.Addr().Is4In6():
		v.add(path, subject, "%v is not a network", p).Do("write it like 198.51.100.0/24 or 2001:db8::/48")
	case p != p.Masked():
		v.add(path, subject, "%v has bits beyond its length", p).Do("write %v", p.Masked())
	case p.Bits() > longest:
		v.add(path, subject, "%v is finer than clients are told apart", p).Do("use /%d or shorter", longest)
	}
}

// Clients are known by so many bits of their address: resolvers send no more,
// and rotate what is below.
const (
	ClientBits4 = 24
	ClientBits6 = 56
)

func (v *validator) writes(path, subject string, s Service) {
	if s.Writes == nil {
		return
	}
	d, ok := v.fleet.Database(s.Writes.Database)
	if !ok {
		v.add(path+".database", subject, "database %q does not exist", s.Writes.Database).Do("define it under databases, or remove writes")
		return
	}
	if _, pinned := s.Pinned(); !pinned {
		return
	}
	if _, ok := v.fleet.Region(d.Writer); ok && !slices.Contains(v.regionsOf(s), d.Writer) {
		v.add(path+".database", subject, "the name follows the writer of %s, which is in %s, where it has no endpoint", d.ID, d.Writer).
			Do("add an endpoint in %s", d.Writer)
	}
}
