package backup

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions/fault"
)

// Verify proves that a backup can be restored: its audit trail fits together
// up to the entry that its header names, and the decided state can be read.
func Verify(ctx context.Context, c *Content) (store.Verification, error) {
	kv := memory.New()
	pairs := slices.Clone(c.Pairs)
	slices.SortStableFunc(pairs, func(a, b store.Pair) int { return cmp.Compare(a.Modified, b.Modified) })
	for _, p := range pairs {
		if _, err := kv.Commit(ctx, store.Txn{Put: []store.Pair{p}}); err != nil {
			return store.Verification{}, fmt.Errorf("look into the backup: %w", err)
		}
	}
	s := store.New(kv, store.Settings{Node: "verify"})
	v, err := s.VerifyChain(ctx)
	if err != nil {
		return v, fmt.Errorf("verify the backup: %w", err)
	}
	if v.Last != c.Number || v.HeadHash != c.Hash {
		return v, fault.Invalidf("backup", "its header names entry %d, sealed as %s, and its audit trail ends with entry %d, sealed as %s", c.Number, c.Hash, v.Last, v.HeadHash).
			Do("use another copy of it, or an older one")
	}
	if _, err := s.Decided(ctx); err != nil {
		return v, fmt.Errorf("verify the backup: %w", err)
	}
	return v, nil
}
