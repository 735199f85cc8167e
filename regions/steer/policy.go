package steer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/regions"
)

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
	cell.Decided, cell.Because = c.because(skipped, takes, fmt.Sprintf("%s is the first of the order that serves", first))
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
	chosen := slices.Sorted(maps.Keys(parts))
	for _, id := range chosen {
		words = append(words, fmt.Sprintf("%s %s", id, percent(parts[id])))
	}
	cell.Decided, cell.Because = c.because(absent, chosen, "shares of clients"+note+": "+strings.Join(words, ", "))
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
	cell.Decided, cell.Because = c.because(missing, slices.Sorted(maps.Keys(c.candidates)), fmt.Sprintf("all %d endpoints that serve", len(take)))
}
