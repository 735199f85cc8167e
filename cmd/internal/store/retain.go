package store

import (
	"bytes"
	"context"
	"fmt"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// retains refuses a fleet that takes away what is in use: the server or the
// address of a database's writer, or anything of a database that a run has in
// hand.
func (s *Store) retains(ctx context.Context, next *regions.Fleet) error {
	d, err := s.decidedNow(ctx)
	if err != nil {
		return err
	}
	if err := retainsWriters(d, next); err != nil || d.Fleet == nil {
		return err
	}
	runs, err := s.Executions(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Database == "" || r.Over() {
			continue
		}
		was, _ := d.Fleet.Database(r.Database)
		is, ok := next.Database(r.Database)
		if ok && bytes.Equal(encode(was), encode(is)) {
			continue
		}
		what := "its definition may not change"
		if !ok {
			what = "it may not leave the fleet"
		}
		return fault.Conflictf("database "+string(r.Database), "%s while run %s of %s, started by %s, has it in hand", what, r.ID, r.Runbook, r.By).
			Do("let that run end, or abort it: fairlead execution show %s", r.ID)
	}
	return nil
}

func retainsWriters(d *regions.Decided, next *regions.Fleet) error {
	for _, db := range next.Databases {
		w, ok := d.Writers[db.ID]
		if !ok {
			continue
		}
		by := fmt.Sprintf("it is written in %s (epoch %d.%d)", w.Epoch.Writer, w.Epoch.Incarnation, w.Epoch.Number)
		if _, member := db.Member(w.Epoch.Writer); !member {
			return fault.Conflictf("database "+string(db.ID), "%s, and this fleet has no server of it there", by).
				Do("keep that member, or move the writer first: fairlead runbook run switchover --database %s --to REGION", db.ID)
		}
		for _, svc := range next.Services {
			if pinned, ok := svc.Pinned(); ok && pinned == db.ID && !present(svc, w.Epoch.Writer) {
				return fault.Conflictf("service "+string(svc.ID), "it follows the writer of database %s; %s, where this fleet has no endpoint of it", db.ID, by).
					Do("keep that endpoint, or move the writer first: fairlead runbook run switchover --database %s --to REGION", db.ID)
			}
		}
	}
	return nil
}

func present(s regions.Service, region regions.ID) bool {
	for _, e := range s.Endpoints {
		if e.Region == region {
			return true
		}
	}
	return false
}
