package steer

import (
	"fmt"
	"slices"
	"strings"

	"fairlead/regions"
)

// glassRank is where an order of a break-glass bundle puts an endpoint. It
// stands above overrides and freeze, and below the interlock: names that
// follow a writer never come here.
func glassRank(o regions.GlassOrder) rank {
	switch o.Act {
	case regions.GlassUp:
		return serving
	case regions.GlassDrain:
		return out
	}
	return banned
}

// glassAlarm is loud on purpose: what was ordered past the store stands in no
// record before somebody has entered it, and no clock ends it.
func glassAlarm(b *regions.BreakGlass) []regions.Alarm {
	if b == nil || len(b.Orders) == 0 {
		return nil
	}
	var said []string
	for _, o := range b.Orders {
		said = append(said, o.String())
	}
	return []regions.Alarm{{ID: "break-glass/" + b.ID, Severity: regions.Critical, Subject: "break-glass bundle " + b.ID,
		Sentence: fmt.Sprintf("rules here past the store: %s; signed by %s: %s", strings.Join(said, ", "), strings.Join(b.By, " and "), b.Why),
		Remedy:   `end it when the store decides again: fairlead bundle end --reason "…"; without a store, by a later bundle that ends it`}}
}

func sameGlass(a, b *regions.BreakGlass) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Incarnation == b.Incarnation && a.Sequence == b.Sequence && a.Why == b.Why && slices.Equal(a.By, b.By) && slices.Equal(a.Orders, b.Orders)
}
