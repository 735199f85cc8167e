package store

import (
	"context"
	"fmt"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// AdvanceEpoch makes to the epoch of a database if from is its epoch now, and
// returns it signed, with the generation. Epochs never go backwards. Asking
// for what is so already is no conflict.
func (s *Store) AdvanceEpoch(ctx context.Context, lease Lease, database regions.DatabaseID, from, to regions.Epoch, execution runbooks.ExecutionID, by, why string) (signedEpoch regions.SignedEpoch, generation uint64, err error) {
	subject := "database " + string(database)
	if err := signed(subject, by, why); err != nil {
		return signedEpoch, 0, err
	}
	if to.Compare(from) <= 0 || to.Writer == "" {
		return signedEpoch, 0, fault.Invalidf(subject, "epoch %s does not follow %s", to, from)
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		generation = d.Generation
		current, ok := d.Writers[database]
		switch {
		case !ok:
			return nil, fault.NotFoundf(subject, "it has no epoch, so it is not in the fleet").Do("add it to the configuration")
		case current.Epoch == to:
			signedEpoch = current
			return &decision{Nothing: true}, nil
		case current.Epoch != from:
			return nil, fault.Conflictf(subject, "its epoch is %s, not %s: somebody moved the writer meanwhile", current.Epoch, from).
				Do("look who writes now, and plan anew")
		case to.Incarnation > d.Incarnation:
			return nil, fault.Invalidf(subject, "epoch %s is of incarnation %d, and this cluster is %d", to, to.Incarnation, d.Incarnation)
		}
		if d.Fleet != nil {
			db, ok := d.Fleet.Database(database)
			if !ok {
				return nil, fault.NotFoundf(subject, "it is not in the fleet").Do("add it to the configuration")
			}
			if _, ok := db.Member(to.Writer); !ok {
				return nil, fault.Invalidf(subject, "it has no server in %s", to.Writer).Do("name the region of one of its members: fairlead status")
			}
		}
		if signedEpoch, err = s.sign(database, to); err != nil {
			return nil, err
		}
		return s.change(ctx, Entry{
			Principal: by, Act: "epoch.advance", Subject: subject, Why: why, Execution: execution, Data: encode(signedEpoch),
			Sentence: fmt.Sprintf("%s is written in %s from epoch %d.%d on, no longer in %s", database, to.Writer, to.Incarnation, to.Number, from.Writer),
		}, []Pair{{Key: writerKey(database), Value: encode(signedEpoch)}}, nil)
	})
	return signedEpoch, generationOf(done, generation), wrap(err, "advance the epoch of %s", database)
}
