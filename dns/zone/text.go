package zone

import (
	"bufio"
	"io"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"
)

// WriteTo writes the zone as text that [Parse] reads back to the same records:
// every name absolute, the SOA first, then by name from the apex down.
func (z *Zone) WriteTo(w io.Writer) (int64, error) {
	sorted := slices.Clone(z.Records)
	keys := make(map[string]string, len(sorted))
	for _, r := range sorted {
		if _, ok := keys[r.Owner]; !ok {
			keys[r.Owner] = reversed(r.Owner)
		}
	}
	slices.SortStableFunc(sorted, func(a, b Record) int {
		if a.Owner != b.Owner {
			return strings.Compare(keys[a.Owner], keys[b.Owner])
		}
		return rank(a.RR.Header().Rrtype) - rank(b.RR.Header().Rrtype)
	})
	bw := bufio.NewWriter(w)
	var n int64
	for _, r := range sorted {
		m, err := bw.WriteString(r.RR.String() + "\n")
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, bw.Flush()
}

// rank puts what makes a zone before what it holds.
func rank(t uint16) int {
	switch t {
	case mdns.TypeSOA:
		return 0
	case mdns.TypeNS:
		return 1
	}
	return 1 + int(t)
}

// reversed returns a key that sorts a name behind its parent and before what
// sorts behind the parent (RFC 4034, section 6.1).
func reversed(wire string) string {
	var labels []string
	for wire[0] != 0 {
		n := 1 + int(wire[0])
		labels = append(labels, wire[1:n])
		wire = wire[n:]
	}
	slices.Reverse(labels)
	return strings.Join(labels, "\x00")
}
