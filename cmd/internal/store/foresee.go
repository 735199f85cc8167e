package store

import (
	"maps"
	"slices"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// What follows foretells decisions: what d would be after one, or why it would
// be refused, by the functions that would make it. Nothing is decided.

// ForeseeOverride foretells [Store.PutOverride].
func ForeseeOverride(d *regions.Decided, o regions.Override, safety Safety) (*regions.Decided, error) {
	replaced, same, err := admit(d, o, safety)
	if err != nil || same {
		return d, err
	}
	next := without(d, replaced...)
	next.Overrides = append(next.Overrides, o)
	return next, nil
}

// ForeseeRestore foretells [Store.Restore].
func ForeseeRestore(d *regions.Decided, scope regions.Scope) (*regions.Decided, error) {
	taken, err := takenOut(d, scope)
	if err != nil {
		return nil, err
	}
	next := without(d, taken...)
	if scope.Service == "" {
		next.Restored = maps.Clone(d.Restored)
		if next.Restored == nil {
			next.Restored = map[regions.ID]uint64{}
		}
		next.Restored[scope.Region] = next.Generation
	}
	return next, nil
}

// ForeseeEnd foretells [Store.EndOverride].
func ForeseeEnd(d *regions.Decided, id string) (*regions.Decided, error) {
	i := slices.IndexFunc(d.Overrides, func(o regions.Override) bool { return o.ID() == id })
	if i < 0 {
		return nil, noOverride(id)
	}
	return without(d, d.Overrides[i]), nil
}

func noOverride(id string) error {
	return fault.NotFoundf("override "+id, "there is none of that name in force").Do("see fairlead override list")
}

// without is the generation after d, in which some overrides are gone.
func without(d *regions.Decided, gone ...regions.Override) *regions.Decided {
	next := *d
	next.Generation++
	next.Overrides = slices.DeleteFunc(slices.Clone(d.Overrides), func(o regions.Override) bool {
		return slices.ContainsFunc(gone, func(g regions.Override) bool { return g.ID() == o.ID() })
	})
	return &next
}
