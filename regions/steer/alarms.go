package steer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
)

// alarms gathers what a person should look at. They are counted by cause: a
// region that takes a thousand names with it raises one alarm, not a thousand.
// An alarm keeps its Since for as long as it stands.
func (d *decider) alarms(now time.Time) []regions.Alarm {
	all := slices.Clone(d.world.Alarms)
	all = append(all, d.regionAlarms()...)
	all = append(all, d.heldAlarms()...)
	all = append(all, glassAlarm(d.world.BreakGlass)...)
	all = append(all, d.nameAlarms()...)
	for i := range all {
		if !all[i].Since.IsZero() {
			continue
		}
		all[i].Since = now
		for _, old := range d.previous.Alarms {
			if old.ID == all[i].ID {
				all[i].Since = old.Since
			}
		}
	}
	slices.SortFunc(all, func(a, b regions.Alarm) int {
		return cmp.Or(cmp.Compare(gravity(a.Severity), gravity(b.Severity)), strings.Compare(a.ID, b.ID))
	})
	return all
}

func gravity(s regions.Severity) int {
	if s == regions.Critical {
		return 0
	}
	return 1
}

func (d *decider) regionAlarms() []regions.Alarm {
	var all []regions.Alarm
	for _, v := range d.plan.Regions {
		restore := fmt.Sprintf(`fairlead restore %s --reason "…"`, v.Region)
		switch measured := d.world.Regions[v.Region]; {
		case v.Measured == regions.Down && v.Latched:
			all = append(all, regions.Alarm{ID: "region-down/" + string(v.Region), Severity: regions.Critical, Subject: "region " + string(v.Region),
				Sentence: fmt.Sprintf("%s; it is out of all answers and does not return by itself", measured.Because),
				Remedy:   "mend the region, then run: " + restore})
		case v.Measured == regions.Down:
			all = append(all, regions.Alarm{ID: "region-down/" + string(v.Region), Severity: regions.Critical, Subject: "region " + string(v.Region),
				Sentence: measured.Because + "; it has been restored and returns as soon as it answers",
				Remedy:   "mend the region"})
		case v.Latched && v.Measured.Serves():
			all = append(all, regions.Alarm{ID: "latched/" + string(v.Region), Severity: regions.Warning, Subject: "region " + string(v.Region),
				Sentence: fmt.Sprintf("was down as a whole and answers again (%s); it stays out until a person lets it back", measured.Because),
				Remedy:   restore})
		case v.Latched:
			all = append(all, regions.Alarm{ID: "latched/" + string(v.Region), Severity: regions.Warning, Subject: "region " + string(v.Region),
				Sentence: fmt.Sprintf("was down as a whole; now %s", measured.Because),
				Remedy:   restore})
		}
	}
	return all
}

func (d *decider) heldAlarms() []regions.Alarm {
	var all []regions.Alarm
	for _, o := range d.world.Overrides {
		if o.Phase() != regions.Held {
			continue
		}
		scope := o.Scope()
		id, remedy := "held/"+string(scope.Region), "fairlead restore "+string(scope.Region)
		if scope.Service != "" {
			id, remedy = id+"/"+string(scope.Service), remedy+" --service "+string(scope.Service)
		}
		_, because := o.Effective(regions.Unknown)
		if slices.ContainsFunc(all, func(a regions.Alarm) bool { return a.ID == id }) {
			continue
		}
		all = append(all, regions.Alarm{ID: id, Severity: regions.Warning, Subject: scope.String(), Sentence: because, Remedy: remedy + ` --reason "…"`})
	}
	return all
}

// names collects services that share a trouble.
type names struct {
	count int
	first []string
}

func (n *names) add(s regions.ServiceID) {
	if n.count++; n.count <= 3 {
		n.first = append(n.first, string(s))
	}
}

func (n *names) String() string {
	text := strings.Join(n.first, ", ")
	if more := n.count - len(n.first); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// nameAlarms looks at all names that are really answered.
func (d *decider) nameAlarms() []regions.Alarm {
	var all []regions.Alarm
	var panics, silent, epochless, spent names
	alone := map[regions.ID]*names{}
	at := 0
	for k := range d.plan.Names {
		n := &d.plan.Names[k]
		ranks := d.memo.ranks[at : at+len(n.Standing)]
		at += len(n.Standing)
		if n.Mode != regions.Steer || len(n.Standing) == 0 {
			continue
		}
		if n.Database != "" {
			if a, ok := writerDown(n); ok {
				all = append(all, a)
			}
			if n.Writer == nil || !slices.ContainsFunc(n.Standing, func(st Standing) bool { return st.In }) {
				epochless.add(n.Service)
			}
			continue
		}
		best := slices.Min(ranks)
		switch {
		case best >= out && len(n.Sets) == 0:
			silent.add(n.Service)
		case best >= out:
			panics.add(n.Service)
		case best == reserve:
			spent.add(n.Service)
		default:
			if only, ok := onlyRegion(n); ok {
				if alone[only] == nil {
					alone[only] = &names{}
				}
				alone[only].add(n.Service)
			}
		}
	}
	if panics.count > 0 {
		all = append(all, regions.Alarm{ID: "panic", Severity: regions.Critical, Subject: panics.String(),
			Sentence: "nothing serves by a sound verdict, so every endpoint is answered",
			Remedy:   "mend a region; see what is measured: fairlead status"})
	}
	if spent.count > 0 {
		all = append(all, regions.Alarm{ID: "reserve", Severity: regions.Critical, Subject: spent.String(),
			Sentence: "nothing is left but regions that are kept out, so those answer",
			Remedy:   "restore one of them if it is well: fairlead status"})
	}
	if silent.count > 0 {
		all = append(all, regions.Alarm{ID: "fail-closed", Severity: regions.Critical, Subject: silent.String(),
			Sentence: "nothing serves, and the policy fails closed: no address is answered",
			Remedy:   "mend a region, or say panic: answer_all in the policy"})
	}
	if epochless.count > 0 {
		all = append(all, regions.Alarm{ID: "no-writer", Severity: regions.Critical, Subject: epochless.String(),
			Sentence: "a writer's name cannot follow its database: no epoch is known, or its region has no endpoint",
			Remedy:   "see who may write, and add the endpoint that is missing: fairlead status"})
	}
	for id, n := range alone {
		all = append(all, regions.Alarm{ID: "no-standby/" + string(id), Severity: regions.Warning, Subject: n.String(),
			Sentence: fmt.Sprintf("only %s is left to serve; its loss would take the names with it", id),
			Remedy:   "bring another region back: fairlead status"})
	}
	return all
}

// onlyRegion returns the one region that a name of several still has.
func onlyRegion(n *Steered) (regions.ID, bool) {
	several := false
	var in regions.ID
	for i := range n.Standing {
		st := &n.Standing[i]
		several = several || st.Region != n.Standing[0].Region
		if !st.In {
			continue
		}
		if in != "" && in != st.Region {
			return "", false
		}
		in = st.Region
	}
	return in, several && in != ""
}

// writerDown tells that a writer's name points to something dead. DNS does
// not mend that, on purpose.
func writerDown(n *Steered) (regions.Alarm, bool) {
	if n.Writer == nil {
		return regions.Alarm{}, false
	}
	found := false
	var because string
	for i := range n.Standing {
		st := &n.Standing[i]
		if !st.In {
			continue
		}
		if st.Effective != regions.Down {
			return regions.Alarm{}, false
		}
		found, because = true, string(st.Endpoint)
	}
	return regions.Alarm{ID: "writer-down/" + string(n.Service), Severity: regions.Critical, Subject: "service " + string(n.Service),
		Sentence: fmt.Sprintf("%s, where database %s is written, is down; only a new writer can move the name", because, n.Database),
		Remedy:   fmt.Sprintf("mend it, or move the writer: fairlead runbook run failover --database %s --to REGION --ungraceful --reason \"…\"", n.Database)}, found
}
