package sim

import "fairlead/regions"

// truth is what really is, which nobody in the history knows.
type truth struct {
	dead map[regions.TargetID]int // endpoints, by how many faults
	dark map[regions.ID]int       // regions without power
}

func (t *truth) alive(s *simulation, target *regions.Target) bool {
	if t.dark[target.Region] > 0 || t.dead[target.ID] > 0 {
		return false
	}
	if target.Database != "" {
		return s.pair.members[target.Region].running
	}
	return true
}

// seen is what one check from a region shows of a target.
func (t *truth) seen(s *simulation, from regions.ID, target *regions.Target) (up bool, why string) {
	there, ok := s.net.passes(from, target.Region)
	back, ok2 := s.net.passes(target.Region, from)
	switch {
	case !ok || !ok2 || there+back > target.Check.Timeout:
		return false, "timeout"
	case !t.alive(s, target):
		return false, "connection refused"
	}
	return true, ""
}
