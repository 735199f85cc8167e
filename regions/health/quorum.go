package health

import "fairlead/regions"

// Quorum weighs what the vantage points report of one target. There is one
// report for each vantage point that watches it; one that is silent is
// Unknown. As many as rule says must agree; with rule 0 a majority of those
// that are heard, be it one alone: in the worst hour one vantage point may be
// all that is left, and whether it is blind is for [Judgement.Next] to doubt. A
// target is down as long as enough say so. Where too few agree, it stays what
// it was.
func Quorum(reports []Report, rule regions.Rule, last regions.State) regions.State {
	serving, degraded, down := 0, 0, 0
	for _, r := range reports {
		switch r.State {
		case regions.Down:
			down++
		case regions.Degraded:
			degraded++
			serving++
		case regions.Up:
			serving++
		}
	}
	heard, need := serving+down, int(rule)
	if rule <= 0 {
		if heard == 0 {
			return last
		}
		need = heard/2 + 1
	}
	switch {
	case down >= need:
		return regions.Down
	case serving < need:
		return last
	case 2*degraded > serving:
		return regions.Degraded
	}
	return regions.Up
}
