package steer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/regions"
)

// Everyone is the group of those that no other group of a name holds.
const Everyone = "everyone"

// chooser turns the standing of a name's endpoints into answers.
type chooser struct {
	service  *regions.Service
	fleet    *regions.Fleet
	standing []Standing
	ranks    []rank
	ramps    map[regions.ID]int

	level      rank                 // the best there is
	candidates map[regions.ID][]int // endpoints of that rank
	sets       []Set                // made so far
	made       map[regions.ID]int   // which set is a region's
}

// cells returns what each client group gets.
func (c *chooser) cells() ([]Cell, []Set) {
	c.level, c.candidates, c.made = banned, map[regions.ID][]int{}, map[regions.ID]int{}
	for _, r := range c.ranks {
		c.level = min(c.level, r)
	}
	for i, r := range c.ranks {
		if r == c.level {
			id := c.standing[i].Region
			c.candidates[id] = append(c.candidates[id], i)
		}
	}
	p := &c.service.Policy
	cells := make([]Cell, 0, len(p.Groups)+1)
	for i := range p.Groups {
		g := &p.Groups[i]
		cell := Cell{Group: g.Name, Prefixes: g.Prefixes}
		c.fill(&cell, g.Order, g.Weights)
		cells = append(cells, cell)
	}
	cell := Cell{Group: Everyone}
	c.fill(&cell, nil, p.Weights)
	return append(cells, cell), c.sets
}

// fill decides one cell.
func (c *chooser) fill(cell *Cell, order []regions.ID, weights map[regions.ID]int) {
	switch {
	case len(c.standing) == 0:
		cell.Decided, cell.Because = ByPolicy, "the service has no endpoints"
		return
	case c.level >= out:
		c.panic(cell)
		return
	}
	switch c.service.Policy.Kind {
	case regions.Weighted:
		c.weighted(cell, weights)
	case regions.All:
		c.all(cell, order)
	default:
		c.failover(cell, order)
	}
	if c.level == reserve {
		cell.Because = "nothing else is left: " + cell.Because
	}
}

// panic answers with everything, or with nothing, as the policy says. What a
// person has forced down is left out as long as there is anything else.
func (c *chooser) panic(cell *Cell) {
	cell.Decided = ByPolicy
	if c.service.Policy.Panic == regions.FailClosed {
		cell.Because = "nothing serves, and the policy fails closed: " + c.worst()
		return
	}
	cell.Because = "nothing serves, so everything is answered: " + c.worst()
	if _, ok := c.made[""]; !ok {
		var set Set
		for i, r := range c.ranks {
			if r == c.level || r == out {
				set.Endpoints = append(set.Endpoints, c.service.Endpoints[i])
			}
		}
		c.made[""] = len(c.sets)
		c.sets = append(c.sets, set)
	}
	cell.Thresholds = []Threshold{{Buckets, c.made[""]}}
}

// worst is the first endpoint's reason, as an example.
func (c *chooser) worst() string {
	st := &c.standing[0]
	return fmt.Sprintf("%s is %s", st.Endpoint, st.Because)
}

// set returns the index of the answer that holds a region's candidates.
func (c *chooser) set(id regions.ID) int {
	if k, ok := c.made[id]; ok {
		return k
	}
	var set Set
	for _, i := range c.candidates[id] {
		set.Endpoints = append(set.Endpoints, c.service.Endpoints[i])
	}
	c.made[id] = len(c.sets)
	c.sets = append(c.sets, set)
	return c.made[id]
}

// order is a group's own, then the policy's, then the fleet's.
func (c *chooser) order(own []regions.ID) []regions.ID {
	order := make([]regions.ID, 0, len(c.fleet.Regions))
	add := func(ids []regions.ID) {
		for _, id := range ids {
			if !slices.Contains(order, id) {
				order = append(order, id)
			}
		}
	}
	add(own)
	add(c.service.Policy.Order)
	for _, r := range c.fleet.Regions {
		add([]regions.ID{r.ID})
	}
	return order
}

// failover gives all to the first region of the order that serves; while that
// one ramps up, the rest to those after it.
func (c *chooser) failover(cell *Cell, own []regions.ID) {
	order := c.order(own)
	var takes []regions.ID
	below := 0
	for _, id := range order {
		if len(c.candidates[id]) == 0 {
			continue
		}
		takes = append(takes, id)
		ramp, ramping := c.ramps[id]
		if !ramping || ramp >= Buckets {
			below = Buckets
		} else {
			below += (Buckets - below) * max(ramp, 0) / Buckets
		}
		if below > 0 && (len(cell.Thresholds) == 0 || cell.Thresholds[len(cell.Thresholds)-1].Below < below) {
			cell.Thresholds = append(cell.Thresholds, Threshold{below, c.set(id)})
		}
		if below == Buckets || len(cell.Thresholds) == MaxThresholds {
			break
		}
	}
	if len(cell.Thresholds) == 0 {
		cell.Thresholds = []Threshold{{Buckets, c.set(takes[0])}} // all of them at the very start of a ramp
	}
	cell.Thresholds[len(cell.Thresholds)-1].Below = Buckets
	first := takes[0]
	skipped := order[:slices.Index(order, first)]
	cell.Decided, cell.Because = c.because(skipped, fmt.Sprintf("%s is the first of the order that serves", first))
	if len(cell.Thresholds) > 1 {
		cell.Because += fmt.Sprintf("; it ramps up and has %s", percent(cell.Thresholds[0].Below))
	}
}

// weighted gives each region that serves its share.
func (c *chooser) weighted(cell *Cell, weights map[regions.ID]int) {
	var shares []share
	var absent []regions.ID
	anyPositive := false
	for id, w := range weights {
		if w <= 0 {
			continue
		}
		s := share{region: id, weight: w}
		if len(c.candidates[id]) > 0 {
			s.open = Buckets
			if ramp, ramping := c.ramps[id]; ramping {
				s.open = min(max(ramp, 0), Buckets)
			}
			anyPositive = true
		} else {
			absent = append(absent, id)
		}
		shares = append(shares, s)
	}
	slices.Sort(absent)
	note := ""
	if !anyPositive {
		shares, note = nil, ", as spares"
		for id := range c.candidates {
			shares = append(shares, share{id, 1, Buckets})
		}
	} else if !anyOpen(shares) {
		for i := range shares { // all that serve are at the very start of a ramp
			if len(c.candidates[shares[i].region]) > 0 {
				shares[i].open = Buckets
			}
		}
	}
	parts := map[regions.ID]int{}
	from := 0
	for _, run := range cohorts(shares) {
		cell.Thresholds = append(cell.Thresholds, Threshold{run.below, c.set(run.region)})
		parts[run.region] += run.below - from
		from = run.below
	}
	var words []string
	for _, id := range slices.Sorted(maps.Keys(parts)) {
		words = append(words, fmt.Sprintf("%s %s", id, percent(parts[id])))
	}
	cell.Decided, cell.Because = c.because(absent, "shares of clients"+note+": "+strings.Join(words, ", "))
}

// percent writes 10,000ths.
func percent(n int) string {
	if n%100 == 0 {
		return fmt.Sprintf("%d %%", n/100)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%02d", n/100, n%100), "0") + " %"
}

// all answers with everything that serves, of a group's own regions if any of
// those does.
func (c *chooser) all(cell *Cell, own []regions.ID) {
	key := regions.ID("")
	var take []int
	for _, id := range own {
		if len(c.candidates[id]) > 0 {
			take = append(take, c.candidates[id]...)
			key += "+" + id
		}
	}
	var missing []regions.ID
	if len(take) == 0 {
		for i, r := range c.ranks {
			if r == c.level {
				take = append(take, i)
			}
		}
	}
	slices.Sort(take)
	if _, ok := c.made[key]; !ok {
		var set Set
		for _, i := range take {
			set.Endpoints = append(set.Endpoints, c.service.Endpoints[i])
		}
		c.made[key] = len(c.sets)
		c.sets = append(c.sets, set)
	}
	cell.Thresholds = []Threshold{{Buckets, c.made[key]}}
	for _, r := range c.fleet.Regions {
		if (len(own) == 0 || slices.Contains(own, r.ID)) && c.missing(r.ID) >= 0 {
			missing = append(missing, r.ID)
		}
	}
	cell.Decided, cell.Because = c.because(missing, fmt.Sprintf("all %d endpoints that serve", len(take)))
}

// missing returns the endpoint of a region that is kept out by the highest
// rule, or -1.
func (c *chooser) missing(id regions.ID) int {
	worst := -1
	for i := range c.standing {
		if st := &c.standing[i]; st.Region == id && c.ranks[i] != c.level && (worst < 0 || higher(st.Decided, c.standing[worst].Decided)) {
			worst = i
		}
	}
	return worst
}

// because names the rule that had the last word in a cell: the highest of
// those that kept out what the policy would have preferred, or let in what
// health would not.
func (c *chooser) because(skipped []regions.ID, otherwise string) (Precedence, string) {
	worst := -1
	for _, id := range skipped {
		if i := c.missing(id); i >= 0 && (worst < 0 || higher(c.standing[i].Decided, c.standing[worst].Decided)) {
			worst = i
		}
	}
	if worst >= 0 {
		st := &c.standing[worst]
		return st.Decided, fmt.Sprintf("%s; %s is out: %s", otherwise, st.Endpoint, st.Because)
	}
	for _, members := range c.candidates {
		for _, i := range members {
			if c.standing[i].Decided == ByOverride {
				return ByOverride, fmt.Sprintf("%s; by override", otherwise)
			}
		}
	}
	return ByPolicy, otherwise
}

func higher(a, b Precedence) bool {
	order := PrecedenceOrder()
	return slices.Index(order, a) < slices.Index(order, b)
}
