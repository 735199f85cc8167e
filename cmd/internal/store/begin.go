package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"fairlead/regions"
)

// begin writes the first entry of the chain, and what this node remembers of
// the store that was there before. Of several nodes that begin at once, one
// does it.
func (s *Store) begin(ctx context.Context) error {
	m := s.set.Remembered()
	incarnation, sentence := uint64(1), "the store begins, incarnation 1"
	if m != nil {
		if err := s.set.Superseded(m.Incarnation); err != nil {
			return err
		}
		incarnation = m.Incarnation + 1
		sentence = fmt.Sprintf("the store begins anew, incarnation %d, with what %s remembers of generation %d of incarnation %d: %d overrides, %d writers",
			incarnation, s.set.Node, m.Generation, m.Incarnation, len(m.Overrides), len(m.Writers))
	}
	number, value, hash, err := s.link(chainHead{}, "genesis", &decision{Entry: Entry{
		Principal: "system", Act: "begin", Subject: "store", Sentence: sentence,
	}})
	if err != nil {
		return err
	}
	out, err := s.kv.Commit(ctx, Txn{
		If: []Compare{Absent(formatKey), Absent(chainHeadKey), Absent(restoringKey)},
		Put: append([]Pair{
			{Key: formatKey, Value: encode(format{Format, s.set.Node})},
			{Key: incarnationKey, Value: encode(incarnation)},
			{Key: clusterKey, Value: encode(clusterOf(m))},
			{Key: headKey, Value: encode(head{})},
			{Key: chainHeadKey, Value: encode(chainHead{Number: number, Hash: hash})},
			{Key: chainKey(number), Value: value},
		}, remembered(m)...),
	})
	if err != nil {
		return fmt.Errorf("begin the store: %w", err)
	}
	if !out.Committed && out.Failed == 2 {
		return s.beingRestored(ctx)
	}
	return nil
}

// clusterOf is the name of a cluster, which outlives its store.
func clusterOf(m *regions.Decided) string {
	if m != nil && m.Cluster != "" {
		return m.Cluster
	}
	return strings.ToLower(rand.Text()[:16])
}

// remembered returns what lasts from one store to the next. Fleet and writers
// come with the first configuration, see [Store.firstEpochs]. What was
// restored does not last: its generations are those of the store that is gone.
func remembered(d *regions.Decided) []Pair {
	if d == nil {
		return nil
	}
	var puts []Pair
	for _, o := range d.Overrides {
		puts = append(puts, Pair{Key: overrideKey(o.ID()), Value: encode(o)})
	}
	if d.Freeze != nil {
		puts = append(puts, Pair{Key: freezeKey, Value: encode(d.Freeze)})
	}
	if d.GlassEnd != nil {
		puts = append(puts, Pair{Key: glassEndKey, Value: encode(d.GlassEnd)})
	}
	return puts
}

// firstEpoch is the epoch of a database that the store does not know: with the
// writer that this node remembers, or else the one that the fleet names. A
// writer moves by an epoch and never because a store was lost.
func (s *Store) firstEpoch(db regions.Database, incarnation uint64) regions.Epoch {
	first := regions.Epoch{Incarnation: incarnation, Number: 1, Writer: db.Writer}
	m := s.set.Remembered()
	if m == nil {
		return first
	}
	known, ok := m.Writers[db.ID]
	if _, member := db.Member(known.Epoch.Writer); !ok || !member {
		return first
	}
	first.Number, first.Writer = known.Epoch.Number+1, known.Epoch.Writer
	return first
}
