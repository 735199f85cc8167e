package steer

import (
	"slices"
	"strings"

	"fairlead/regions"
)

// share is what a region is worth in a weighted policy.
type share struct {
	region regions.ID
	weight int
	// open is how much of its own cohorts the region may have now, in
	// 10,000ths: 0 if it does not serve, less than all during a ramp.
	open int
}

// cohort is a run of buckets, up to Below, that goes to one region.
type cohort struct {
	below  int
	region regions.ID
	own    bool // part of it is the region's own share, not somebody else's
}

// cohorts divides the buckets. Each region has a fixed run of its own, given
// by the weights alone. As long as it serves, the clients in its run stay; if
// it does not, they are divided among the others in proportion, and nobody
// else moves. When it is back so is everybody.
//
// If more than one region is away, those that stood in for one that is gone
// too are divided again in the same way. Only where that would take more than
// MaxThresholds runs are the smallest of the borrowed ones joined.
func cohorts(shares []share) []cohort {
	shares = slices.Clone(shares)
	slices.SortFunc(shares, func(a, b share) int { return strings.Compare(string(a.region), string(b.region)) })
	var runs []cohort
	runs = divide(runs, 0, Buckets, shares, true)
	return bound(runs)
}

func divide(runs []cohort, from, to int, shares []share, own bool) []cohort {
	if only, ok := single(shares); ok {
		return join(runs, cohort{to, only, own && len(shares) == 1})
	}
	total, sum := 0, 0
	for _, s := range shares {
		total += s.weight
	}
	at := from
	for i, s := range shares {
		sum += s.weight
		end := from + int(int64(to-from)*int64(sum)/int64(total))
		if end == at {
			continue
		}
		opened := at + int(int64(end-at)*int64(s.open)/Buckets)
		if opened > at {
			runs = join(runs, cohort{opened, s.region, own})
		}
		if opened < end {
			others := without(shares, i)
			if !anyOpen(others) {
				runs = join(runs, cohort{end, s.region, own})
			} else {
				runs = divide(runs, opened, end, others, false)
			}
		}
		at = end
	}
	return runs
}

// without returns the shares but the ith, beginning with its left neighbour
// and ending with its right one, so that borrowed runs join those beside them.
func without(shares []share, i int) []share {
	others := make([]share, 0, len(shares)-1)
	for k := 1; k < len(shares); k++ {
		others = append(others, shares[(i-k+len(shares))%len(shares)])
	}
	return others
}

func anyOpen(shares []share) bool {
	return slices.ContainsFunc(shares, func(s share) bool { return s.open > 0 })
}

// single returns the only region that is open at all.
func single(shares []share) (regions.ID, bool) {
	var only regions.ID
	n := 0
	for _, s := range shares {
		if s.open > 0 {
			only, n = s.region, n+1
		}
	}
	return only, n == 1
}

func join(runs []cohort, c cohort) []cohort {
	if n := len(runs); n > 0 && runs[n-1].region == c.region {
		runs[n-1].below, runs[n-1].own = c.below, runs[n-1].own || c.own
		return runs
	}
	return append(runs, c)
}

// bound gives the smallest borrowed runs to a neighbour until there are at
// most MaxThresholds.
func bound(runs []cohort) []cohort {
	for len(runs) > MaxThresholds {
		smallest, size := -1, Buckets+1
		from := 0
		for i, c := range runs {
			if !c.own && c.below-from < size {
				smallest, size = i, c.below-from
			}
			from = c.below
		}
		if smallest < 0 {
			return runs // more regions of their own than a valid policy has
		}
		if smallest > 0 {
			runs[smallest-1].below = runs[smallest].below
		}
		rest := runs[smallest+1:]
		runs = runs[:smallest:smallest]
		for _, c := range rest {
			runs = join(runs, c)
		}
	}
	return runs
}
