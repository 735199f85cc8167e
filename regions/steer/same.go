package steer

import (
	"net/netip"
	"slices"

	"fairlead/regions"
)

// Changed returns the names that p answers otherwise than previous does, those
// that are new and those that are gone: what has to be compiled again. Words
// and states that leave the answers alone do not count.
func (p *Plan) Changed(previous *Plan) []regions.Name {
	if sharedSlice(p.Names, previous.Names) {
		return nil
	}
	var changed []regions.Name
	i, j := 0, 0
	for i < len(p.Names) || j < len(previous.Names) {
		switch {
		case j == len(previous.Names) || i < len(p.Names) && p.Names[i].Name < previous.Names[j].Name:
			changed = append(changed, p.Names[i].Name)
			i++
		case i == len(p.Names) || previous.Names[j].Name < p.Names[i].Name:
			changed = append(changed, previous.Names[j].Name)
			j++
		default:
			if !p.Names[i].SameAnswers(&previous.Names[j]) {
				changed = append(changed, p.Names[i].Name)
			}
			i, j = i+1, j+1
		}
	}
	return changed
}

// Same reports whether two plans say the same in every respect, words
// included.
func (p *Plan) Same(o *Plan) bool {
	return p.Incarnation == o.Incarnation && p.Generation == o.Generation && sameFreeze(p.Freeze, o.Freeze) &&
		equalMaps(p.Latched, o.Latched) && equalMaps(p.Waiting, o.Waiting) && equalMaps(p.Writers, o.Writers) &&
		slices.Equal(p.Regions, o.Regions) && slices.Equal(p.Alarms, o.Alarms) &&
		(sharedSlice(p.Names, o.Names) || slices.EqualFunc(p.Names, o.Names, func(a, b Steered) bool { return a.equal(&b) }))
}

func equalMaps[K comparable, V comparable](a, b map[K]V) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// SameAnswers reports whether every client gets the same from both.
func (s *Steered) SameAnswers(o *Steered) bool {
	return s.Name == o.Name && s.Service == o.Service && s.Mode == o.Mode && s.TTL == o.TTL &&
		(sharedSlice(s.Sets, o.Sets) || slices.EqualFunc(s.Sets, o.Sets, sameSet)) &&
		(sharedSlice(s.Cells, o.Cells) || slices.EqualFunc(s.Cells, o.Cells, sameCell))
}

func (s *Steered) equal(o *Steered) bool {
	return s.SameAnswers(o) && s.Database == o.Database && sameWriter(s.Writer, o.Writer) &&
		(sharedSlice(s.Standing, o.Standing) || slices.Equal(s.Standing, o.Standing)) &&
		(sharedSlice(s.Cells, o.Cells) || slices.EqualFunc(s.Cells, o.Cells, func(a, b Cell) bool {
			return a.Group == b.Group && a.Decided == b.Decided && a.Because == b.Because
		}))
}

func sameWriter(a, b *regions.Epoch) bool { return a == b || a != nil && b != nil && *a == *b }

func sameCell(a, b Cell) bool {
	return slices.Equal(a.Thresholds, b.Thresholds) && slices.Equal(a.Prefixes, b.Prefixes)
}

func sameSet(a, b Set) bool {
	return slices.EqualFunc(a.Endpoints, b.Endpoints, func(x, y regions.Endpoint) bool {
		return x.ID == y.ID && x.Region == y.Region && slices.EqualFunc(x.Addresses, y.Addresses, func(p, q netip.Addr) bool { return p == q })
	})
}

// sharedSlice reports whether two slices are one and the same.
func sharedSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
