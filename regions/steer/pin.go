package steer

import (
	"fmt"

	"fairlead/regions"
)

// pin steers a writer's name: it answers the endpoints in the region of the
// newest epoch, whatever health says. Only an epoch moves it. Where none is
// known, or it names a region without an endpoint, the answer stays what it
// was.
func (d *decider) pin(n Steered, s *regions.Service, db regions.DatabaseID, inputs []input, before *Steered) (Steered, []rank) {
	n.Database = db
	ranks := make([]rank, len(s.Endpoints))
	epoch, known := d.plan.Writers[db]
	if known {
		n.Writer = &epoch
	}
	var set Set
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		st := Standing{Endpoint: e.ID, Region: e.Region, Measured: inputs[i].measured, Effective: inputs[i].effective, Decided: ByInterlock}
		switch {
		case !known:
			ranks[i], st.Because = out, fmt.Sprintf("no epoch of database %s is known yet", db)
		case e.Region == epoch.Writer:
			st.In, st.Because = true, fmt.Sprintf("%s may write database %s (epoch %d.%d)", e.Region, db, epoch.Incarnation, epoch.Number)
			set.Endpoints = append(set.Endpoints, *e)
		default:
			ranks[i], st.Because = out, fmt.Sprintf("%s may write database %s, not %s (epoch %d.%d)", epoch.Writer, db, e.Region, epoch.Incarnation, epoch.Number)
		}
		n.Standing = append(n.Standing, st)
	}
	cell := Cell{Group: Everyone, Decided: ByInterlock}
	switch {
	case len(set.Endpoints) > 0:
		n.Sets = []Set{set}
		cell.Thresholds = []Threshold{{Below: Buckets}}
		cell.Because = fmt.Sprintf("only %s may write database %s (epoch %d.%d)", epoch.Writer, db, epoch.Incarnation, epoch.Number)
		n.Cells = []Cell{cell}
	default:
		cell.Because = fmt.Sprintf("no epoch of database %s is known yet", db)
		if known {
			cell.Because = fmt.Sprintf("%s may write database %s (epoch %d.%d), but has no endpoint of %s", epoch.Writer, db, epoch.Incarnation, epoch.Number, s.ID)
		}
		n.Cells, n.Sets = keep(before, cell)
	}
	markAnswered(&n)
	return n, ranks
}

// keep takes over what a name answered before.
func keep(before *Steered, why Cell) ([]Cell, []Set) {
	if before == nil || len(before.Sets) == 0 {
		return []Cell{why}, nil
	}
	if !endsWith(before.Cells[0].Because, kept) {
		why.Because += kept
	} else {
		why.Because = before.Cells[0].Because
	}
	cells := make([]Cell, len(before.Cells))
	for i, c := range before.Cells {
		c.Decided, c.Because = why.Decided, why.Because
		cells[i] = c
	}
	return cells, before.Sets
}

const kept = ": it answers what it did before"

func endsWith(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}
