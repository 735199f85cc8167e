package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Recovery is what people have signed after a quorum was lost, verified by
// whoever hands it in.
type Recovery struct {
	Nonce    string // of the order: it is carried out once
	From, To uint64 // incarnations
	Author   string
	Why      string
	Sentence string          // who signed, and what is declared lost
	Order    json.RawMessage // as it was signed
}

// Recover begins a new incarnation in a database that has outlived its
// quorum, in one decision: every writer stays where it is and gets an epoch
// that is later than any that the lost members may have made, and latches are
// released by none of the restores from before. Done already is no conflict.
func (s *Store) Recover(ctx context.Context, r Recovery) (generation uint64, err error) {
	if err := signed("recovery", r.Author, r.Why); err != nil {
		return 0, err
	}
	key := recoveredAt + escape(r.Nonce)
	done, err := s.decide(ctx, Lease{}, func(ctx context.Context) (*decision, error) {
		if _, done, err := s.get(ctx, key); err != nil || done {
			return &decision{Nothing: true}, err
		}
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		puts := []Pair{{Key: key, Value: encode(r.To)}}
		var deletes []string
		switch d.Incarnation {
		case r.To: // begun anew from this node's memory, which raised it
		case r.From:
			writers, err := s.reissued(d, r.To)
			if err != nil {
				return nil, err
			}
			puts = append(append(puts, Pair{Key: incarnationKey, Value: encode(r.To)}), writers...)
			for region := range d.Restored {
				deletes = append(deletes, restoredKey(region))
			}
		default:
			return nil, fault.Conflictf("recovery", "the order begins incarnation %d after %d, and this store is in %d", r.To, r.From, d.Incarnation).
				Do("make a new order from what is: fairlead recovery propose")
		}
		begins, err := s.change(ctx, Entry{Principal: r.Author, Act: "recover", Subject: "store", Why: r.Why, Sentence: r.Sentence, Data: r.Order}, puts, deletes)
		if err != nil {
			return nil, err
		}
		begins.Recovery = true
		return begins, nil
	})
	return generationOf(done, 0), wrap(err, "begin incarnation %d", r.To)
}

// reissued returns the writers of d with epochs of a later incarnation.
func (s *Store) reissued(d *regions.Decided, incarnation uint64) (puts []Pair, err error) {
	for db, w := range d.Writers {
		signed, err := s.sign(db, regions.Epoch{Incarnation: incarnation, Number: w.Epoch.Number + 1, Writer: w.Epoch.Writer})
		if err != nil {
			return nil, err
		}
		puts = append(puts, Pair{Key: writerKey(db), Value: encode(signed)})
	}
	return puts, nil
}

// superseded refuses to decide in the store of an incarnation after which
// another has begun.
func (s *Store) superseded(ctx context.Context) error {
	var incarnation uint64
	if _, err := s.load(ctx, incarnationKey, &incarnation); err != nil {
		return err
	}
	return s.set.Superseded(incarnation)
}

// EnterGlass writes into the record that a break-glass bundle was carried out,
// once, with what was signed. It decides nothing: nodes have done it long ago.
func (s *Store) EnterGlass(ctx context.Context, b *regions.BreakGlass, text json.RawMessage) error {
	key := glassAt + escape(b.ID)
	_, err := s.decide(ctx, Lease{}, func(ctx context.Context) (*decision, error) {
		if _, done, err := s.get(ctx, key); err != nil || done {
			return &decision{Nothing: true}, err
		}
		var said []string
		for _, o := range b.Orders {
			said = append(said, o.String())
		}
		if len(said) == 0 {
			said = []string{"end what was ordered before"}
		}
		who := strings.Join(b.By, " and ")
		return &decision{
			Entry: Entry{Principal: b.By[0], Act: "break_glass", Subject: "break-glass bundle " + b.ID, Why: b.Why, Data: text,
				Sentence: fmt.Sprintf("past the store, by the signatures of %s: %s", who, strings.Join(said, ", "))},
			Put: []Pair{{Key: key, Value: encode(b.Sequence)}},
		}, nil
	})
	return wrap(err, "enter break-glass bundle %s", b.ID)
}

// EndGlass ends what a break-glass bundle, and each before it, has ordered.
func (s *Store) EndGlass(ctx context.Context, b *regions.BreakGlass, by, why string) (generation uint64, err error) {
	if err := signed("break-glass", by, why); err != nil {
		return 0, err
	}
	end := regions.GlassEnd{Incarnation: b.Incarnation, Sequence: b.Sequence, By: by, Why: why}
	done, err := s.decide(ctx, Lease{}, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		generation = d.Generation
		if len(b.Orders) > 0 && b.After(d.GlassEnd) == nil {
			return &decision{Nothing: true}, nil
		}
		return s.change(ctx, Entry{Principal: by, Act: "break_glass.end", Subject: "break-glass bundle " + b.ID, Why: why, Data: encode(end),
			Sentence: fmt.Sprintf("%s ended what break-glass bundle %s ordered", by, b.ID)}, []Pair{{Key: glassEndKey, Value: encode(end)}}, nil)
	})
	return generationOf(done, generation), wrap(err, "end break-glass bundle %s", b.ID)
}

// keysChange says that a fleet changes who may recover, for its entry.
func (s *Store) keysChange(ctx context.Context, old head, fleet *regions.Fleet) (string, error) {
	var before *regions.Recovery
	if old.Chunks > 0 {
		f, err := s.fleets.get(ctx, s, old)
		if err != nil {
			return "", err
		}
		before = f.Recovery
	}
	if change := before.Change(fleet.Recovery); change != "" {
		return "; " + change, nil
	}
	return "", nil
}
