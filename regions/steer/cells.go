package steer

import (
	"fmt"

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
		cell.Decided, cell.Because = ByHealth, fmt.Sprintf("nothing else is left, so what is healthy but kept out answers: %s", c.keptOut(cell))
	}
}

// keptOut is why the first endpoint that answers in a cell is kept out while
// there is a better one.
func (c *chooser) keptOut(cell *Cell) string {
	first := c.sets[cell.Thresholds[0].Set].Endpoints[0].ID
	for i := range c.standing {
		if c.standing[i].Endpoint == first {
			return fmt.Sprintf("%s, %s", first, c.standing[i].Because)
		}
	}
	return string(first)
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
