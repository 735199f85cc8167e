package publish

import (
	"crypto/sha256"
	"fmt"

	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// load brings the zones up to date and reports whether any changed. A zone
// whose new text is bad stays as it was; one that never was good fails.
func (p *Publisher) load(wanted []regions.Zone, plan *steer.Plan) (zones []*zone.Zone, changed bool) {
	keep := make(map[regions.Name]*loaded, len(wanted))
	p.problems = nil
	for _, w := range wanted {
		origin := regions.CanonicalName(string(w.Origin))
		if keep[origin] != nil {
			p.problem(Problem{Zone: origin, Reason: fmt.Sprintf("zone %s is configured twice, also in %s (configure it once)", origin, w.File)})
			continue
		}
		l := p.zones[origin]
		if l == nil {
			l = &loaded{}
		}
		if h := sha256.Sum256([]byte(w.Text)); l.hash != h {
			z, err := zone.Parse(string(w.Origin), w.File, []byte(w.Text))
			if err != nil {
				l = &loaded{zone: l.zone, hash: h, bad: &Problem{Zone: origin, Reason: err.Error(), Held: l.zone != nil}}
			} else {
				changed = changed || l.zone == nil || l.zone.Hash != z.Hash
				if l.zone != nil && l.zone.Hash == z.Hash {
					z = l.zone // the same words, perhaps from another file
				}
				if len(z.Warnings) > 0 {
					p.cfg.Log.Warn("a zone is served with parts that are hardly meant so", "zone", z.Origin, "because", z.Warnings.Error())
				}
				l = &loaded{zone: z, hash: h}
			}
		}
		if l.waiting != nil && !steers(plan, l.blocker) {
			l = &loaded{zone: l.waiting, hash: l.hash}
			changed = true
		}
		keep[origin] = l
	}
	for origin := range p.zones {
		changed = changed || keep[origin] == nil
	}
	p.zones = keep
	return p.served(wanted), changed
}

// served returns the zones in the order wanted and notes what is wrong with
// them.
func (p *Publisher) served(wanted []regions.Zone) []*zone.Zone {
	var zones []*zone.Zone
	seen := make(map[*loaded]bool)
	for _, w := range wanted {
		l := p.zones[regions.CanonicalName(string(w.Origin))]
		if l == nil || seen[l] {
			continue
		}
		seen[l] = true
		if l.bad != nil {
			p.problem(*l.bad)
		}
		if l.zone != nil {
			zones = append(zones, l.zone)
		}
	}
	return zones
}

// failing returns the zones that never were good.
func (p *Publisher) failing() (origins []string) {
	for origin, l := range p.zones {
		if _, err := zone.Wire(string(origin)); l.zone == nil && err == nil {
			origins = append(origins, string(origin))
		}
	}
	return origins
}

func (p *Publisher) problem(x Problem) {
	for _, have := range p.problems {
		if have == x {
			return
		}
	}
	p.problems = append(p.problems, x)
}

// defend keeps the former text of a zone whose new one would turn a name that
// is steered now into a fixed one. It reports whether there was such a zone.
func (p *Publisher) defend(before, after *dns.Snapshot, plan *steer.Plan) (reverted bool) {
	former := make(map[string]*zone.Zone)
	for _, z := range before.Zones() {
		former[z.Origin] = z
	}
	for _, q := range after.Quarantined() {
		if q.Held || !steers(plan, q.Name) || !before.Steered(q.Name) {
			continue
		}
		z := around(after.Zones(), q.Name)
		if z == nil || former[z.Origin] == nil || former[z.Origin] == z {
			continue // its zone was taken away, which somebody decided
		}
		l := p.zones[regions.Name(z.Origin)]
		p.zones[regions.Name(z.Origin)] = &loaded{zone: former[z.Origin], hash: l.hash, waiting: z, blocker: q.Name,
			bad: &Problem{Zone: regions.Name(z.Origin), Held: true, Reason: fmt.Sprintf("zone %s stays as it was: %s", z.Origin, q.Reason)}}
		reverted = true
	}
	return reverted
}

// steers reports whether the plan wants to answer the name.
func steers(plan *steer.Plan, n regions.Name) bool {
	s, ok := plan.Name(n)
	return ok && s.Mode != regions.Observe
}

// around returns the deepest zone around a name.
func around(zones []*zone.Zone, n regions.Name) (deepest *zone.Zone) {
	wire, err := zone.Wire(string(n))
	if err != nil {
		return nil
	}
	for _, z := range zones {
		if zone.Within(wire, z.Apex) && (deepest == nil || len(z.Apex) > len(deepest.Apex)) {
			deepest = z
		}
	}
	return deepest
}
