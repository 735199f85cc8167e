package health

import (
	"fmt"
	"strings"
	"time"

	"fairlead/regions"
)

// judgeRegions sums up the verdicts on what answers steer to. A region is
// down when all of that is; where nothing is steered, what is observed
// counts, and where there is no endpoint at all nothing is known.
func (j *Judgement) judgeRegions(places map[regions.ID]*place, verdicts map[regions.TargetID]regions.Verdict, d doubts, now time.Time) map[regions.ID]regions.RegionVerdict {
	all := make(map[regions.ID]regions.RegionVerdict, len(places))
	for id, p := range places {
		v := p.sum(verdicts)
		before := j.Regions[id]
		v.Since = before.Since
		if v.State != before.State || v.Since.IsZero() {
			v.Since = now
		}
		if d.onsets[id].Held {
			v.Withdrawn = before.Withdrawn
			if before.State == regions.Down && v.State != regions.Down {
				v.Withdrawn = before.Since
			}
		}
		all[id] = v
	}
	return all
}

func (p *place) sum(verdicts map[regions.TargetID]regions.Verdict) regions.RegionVerdict {
	t := p.tally(verdicts, regions.Steer)
	what := "endpoints"
	if t.all == 0 {
		t, what = p.tally(verdicts, regions.Observe), "observed endpoints"
	}
	switch {
	case t.all == 0:
		return regions.RegionVerdict{Because: "unknown: no endpoint is here"}
	case t.down == t.all:
		return regions.RegionVerdict{State: regions.Down, Because: "down: " + t.whole(what) + t.reason()}
	case t.down > 0:
		return regions.RegionVerdict{State: regions.Degraded, Because: fmt.Sprintf("degraded: %d of %d %s are down%s", t.down, t.all, what, t.reason())}
	case t.serving == 0:
		return regions.RegionVerdict{Because: "unknown: " + t.whole(what) + " still to be judged"}
	case t.held > 0:
		return regions.RegionVerdict{State: regions.Up, Because: fmt.Sprintf("held up: %d of %d %s are measured down, but we may be blind", t.held, t.all, what)}
	case t.degraded > 0:
		return regions.RegionVerdict{State: regions.Degraded, Because: fmt.Sprintf("degraded: %d of %d %s are", t.degraded, t.all, what)}
	}
	return regions.RegionVerdict{State: regions.Up, Because: fmt.Sprintf("up: %d of %d %s", t.serving, t.all, what)}
}

type tally struct {
	all, down, serving, degraded, held int
	reasons                            []string
}

func (p *place) tally(verdicts map[regions.TargetID]regions.Verdict, mode regions.Mode) tally {
	var t tally
	for _, s := range p.sights {
		if s.target.Service == "" || s.target.Mode != mode {
			continue
		}
		t.all++
		v := verdicts[s.target.ID]
		switch {
		case v.Effective == regions.Down:
			t.down++
			for _, r := range s.reports {
				if r.State == regions.Down && r.Reason != "" {
					t.reasons = append(t.reasons, r.Reason)
				}
			}
		case v.Effective.Serves():
			t.serving++
			if v.Effective == regions.Degraded {
				t.degraded++
			}
		}
		if v.Measured == regions.Down && v.Effective != regions.Down {
			t.held++
		}
	}
	return t
}

// whole reads like "all 2 endpoints".
func (t tally) whole(what string) string {
	if t.all == 1 {
		return "its only " + strings.TrimSuffix(what, "s")
	}
	return fmt.Sprintf("all %d %s", t.all, what)
}

func (t tally) reason() string {
	if r := commonest(t.reasons); r != "" {
		return ": " + r
	}
	return ""
}
