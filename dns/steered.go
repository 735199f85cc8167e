package dns

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	mdns "github.com/miekg/dns"

	"fairlead/regions"
	"fairlead/regions/steer"
)

// slot is the compiled answer of one steered name.
type slot struct {
	from steer.Steered // what Choose reads; set at compile time, never changed
	ttl  uint32
	a    []*rrset // by index into from.Sets; nil where a set has no such address
	aaaa []*rrset
	hash [16]byte

	reason string // why the newest plan could not be taken, if so
	held   bool   // what is answered is the plan before
}

// compileSlot makes the answer of a name. What a plan must never say of it is
// refused with a reason, and the caller keeps the answer before.
func compileSlot(s steer.Steered) (*slot, error) {
	ttl := s.TTL / time.Second
	if s.TTL < 0 || ttl > math.MaxInt32 {
		return nil, fmt.Errorf("its TTL %v is out of range (use 0s to 24h)", s.TTL)
	}
	if len(s.Cells) == 0 {
		return nil, fmt.Errorf("the plan has no client group for it, not even everyone (report this: it is a fault of the planner)")
	}
	for _, c := range s.Cells {
		below := 0
		for i, t := range c.Thresholds {
			if t.Set < -1 || t.Set >= len(s.Sets) || t.Below < below || t.Below > steer.Buckets {
				return nil, fmt.Errorf("group %q divides its clients wrongly (report this: it is a fault of the planner)", c.Group)
			}
			if below = t.Below; i == len(c.Thresholds)-1 && i > 0 && below != steer.Buckets {
				return nil, fmt.Errorf("group %q leaves some of its clients without an answer (report this: it is a fault of the planner)", c.Group)
			}
		}
	}
	out := &slot{from: s, ttl: uint32(ttl)}
	for i, set := range s.Sets {
		var addrs []netip.Addr
		for _, e := range set.Endpoints {
			addrs = append(addrs, e.Addresses...)
		}
		a, aaaa := addresses(mdns.TypeA, out.ttl, addrs), addresses(mdns.TypeAAAA, out.ttl, addrs)
		if a == nil && aaaa == nil {
			return nil, fmt.Errorf("answer %d of it has no address (give its endpoints addresses)", i+1)
		}
		out.a, out.aaaa = append(out.a, a), append(out.aaaa, aaaa)
	}
	out.hash = hashSlot(s)
	return out, nil
}

// family returns the compiled sets of an address type.
func (s *slot) family(rtype uint16) []*rrset {
	if rtype == mdns.TypeA {
		return s.a
	}
	return s.aaaa
}

// sameAnswers reports whether two plans answer a name alike, whatever words
// they have for it.
func sameAnswers(a, b *steer.Steered) bool {
	return a.Name == b.Name && a.Service == b.Service && a.Mode == b.Mode && a.TTL == b.TTL &&
		slices.EqualFunc(a.Sets, b.Sets, func(x, y steer.Set) bool {
			return slices.EqualFunc(x.Endpoints, y.Endpoints, func(e, f regions.Endpoint) bool {
				return slices.Equal(e.Addresses, f.Addresses)
			})
		}) &&
		slices.EqualFunc(a.Cells, b.Cells, func(x, y steer.Cell) bool {
			return slices.Equal(x.Prefixes, y.Prefixes) && slices.Equal(x.Thresholds, y.Thresholds)
		})
}

// hashSlot covers all that the answers depend on: two nodes with equal hashes
// answer every client alike.
func hashSlot(s steer.Steered) (out [16]byte) {
	b := make([]byte, 0, 512)
	text := func(v string) { b = append(append(b, v...), 0) }
	number := func(v int64) { b = binary.BigEndian.AppendUint64(b, uint64(v)) }
	text(string(s.Name))
	text(string(s.Service))
	text(string(s.Mode))
	number(int64(s.TTL))
	number(int64(len(s.Sets)))
	for _, set := range s.Sets {
		number(int64(len(set.Endpoints)))
		for _, e := range set.Endpoints {
			for _, a := range e.Addresses {
				text(a.String())
			}
			text("")
		}
	}
	for _, c := range s.Cells {
		for _, p := range c.Prefixes {
			text(p.String())
		}
		text("")
		for _, t := range c.Thresholds {
			number(int64(t.Below))
			number(int64(t.Set))
		}
		number(-2)
	}
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}
