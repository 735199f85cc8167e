package steer

import (
	"fmt"
	"slices"

	"fairlead/regions"
)

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
func (c *chooser) because(skipped, chosen []regions.ID, otherwise string) (Precedence, string) {
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
	for _, id := range chosen {
		for _, i := range c.candidates[id] {
			if st := &c.standing[i]; st.Decided == ByOverride || st.Decided == ByBreakGlass {
				return st.Decided, fmt.Sprintf("%s; %s is %s", otherwise, st.Endpoint, st.Because)
			}
		}
	}
	return ByPolicy, otherwise
}

func higher(a, b Precedence) bool {
	order := PrecedenceOrder()
	return slices.Index(order, a) < slices.Index(order, b)
}
