package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
)

// alarms says what people should know about our own sight. An alarm keeps its
// Since for as long as it stands.
func (j *Judgement) alarms(next *Judgement, s Scene, sights []sight, d doubts, now time.Time) []regions.Alarm {
	var all []regions.Alarm
	if d.why != "" {
		var held []string
		for _, id := range slices.Sorted(maps.Keys(d.onsets)) {
			if d.onsets[id].Held {
				held = append(held, string(id))
			}
		}
		all = append(all, regions.Alarm{ID: "blind", Severity: regions.Critical, Subject: "our own sight",
			Sentence: fmt.Sprintf("%s: what was good in %s is kept in answers", d.why, list(held)),
			Remedy:   fmt.Sprintf(`look at it from somewhere else; if it is gone, run: fairlead drain %s --reason "…"`, held[0])})
	}
	if now.Sub(next.Began) > MinSilence {
		all = append(all, silences(s, sights, now)...)
	}
	slices.SortFunc(all, func(a, b regions.Alarm) int { return strings.Compare(a.ID, b.ID) })
	for i := range all {
		all[i].Since = now
		for _, old := range j.Alarms {
			if old.ID == all[i].ID {
				all[i].Since = old.Since
			}
		}
	}
	return all
}

func silences(s Scene, sights []sight, now time.Time) []regions.Alarm {
	var all []regions.Alarm
	for k := range s.Tables {
		t := &s.Tables[k]
		if !t.Silent(now) {
			continue
		}
		sentence := fmt.Sprintf("node %s has stopped reporting; its last word no longer counts", t.Node)
		if t.Heard.IsZero() {
			sentence = fmt.Sprintf("node %s has not been heard since this node started", t.Node)
		}
		all = append(all, regions.Alarm{ID: "silent/" + string(t.Node), Severity: regions.Warning, Subject: "node " + string(t.Node),
			Sentence: sentence, Remedy: "see whether the node runs and its feed port can be reached"})
	}
	unheard, beyond := 0, 0
	example := regions.TargetID("")
	for i := range sights {
		switch rule := int(sights[i].target.Quorum); {
		case sights[i].heard == 0:
			unheard++
		case rule > len(sights[i].reports):
			beyond++
			example = sights[i].target.ID
		}
	}
	if unheard > 0 {
		all = append(all, regions.Alarm{ID: "unwatched", Severity: regions.Warning, Subject: "checks",
			Sentence: fmt.Sprintf("%d of %d targets are watched by nobody now; what was last believed of them is kept", unheard, len(sights)),
			Remedy:   "see which probe nodes run: fairlead status"})
	}
	if beyond > 0 {
		all = append(all, regions.Alarm{ID: "quorum", Severity: regions.Warning, Subject: "checks",
			Sentence: fmt.Sprintf("%d targets, such as %s, need more vantage points to agree than there are, so they are never judged", beyond, example),
			Remedy:   "lower quorum in the configuration, or start more probe nodes"})
	}
	return all
}
