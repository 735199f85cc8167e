package daemon

import (
	"fmt"

	"fairlead/api"
	"fairlead/regions"
)

// ailing tells of databases whose servers are measured down. Steering does not
// look at them: a name moves with the epoch alone, so somebody has to.
func ailing(v api.View) (all []regions.Alarm) {
	if v.Decided == nil || v.Decided.Fleet == nil {
		return nil
	}
	for _, db := range v.Decided.Fleet.Databases {
		writer := v.Decided.Writers[db.ID].Epoch.Writer
		for _, m := range db.Members {
			verdict := v.Verdicts[regions.MemberID(db.ID, m.Region)]
			if verdict.Measured != regions.Down {
				continue
			}
			a := regions.Alarm{ID: fmt.Sprintf("database/%s/%s", db.ID, m.Region), Severity: regions.Warning, Subject: "database " + string(db.ID), Since: verdict.Since,
				Sentence: fmt.Sprintf("its standby in %s does not serve: %s; the writer cannot move there", m.Region, verdict.Because),
				Remedy:   "mend it; fairlead status says how every server stands"}
			if m.Region == writer {
				a.Severity = regions.Critical
				a.Sentence = fmt.Sprintf("its writer in %s does not serve: %s", m.Region, verdict.Because)
				a.Remedy = fmt.Sprintf(`mend it, or move the writer: fairlead runbook run failover --database %s --to REGION --ungraceful --reason "…"`, db.ID)
			}
			all = append(all, a)
		}
	}
	return all
}
