package regions

import "net/netip"

// Target is one thing that is checked: an endpoint of a service, or a
// database's member. It is what the probes, the feed and the judgement share.
type Target struct {
	ID       TargetID
	Region   ID
	Service  ServiceID  // of an endpoint
	Database DatabaseID // of a member
	Mode     Mode       // of the service; Observe for a member, which no answer depends on
	Quorum   Rule
	Check    Check
	Address  string // host:port to check; empty for a member
	Host     string // what to call the endpoint in Host header and SNI
	DSN      string // of a member
	// PasswordFile is read at each connection, so that a rotated password
	// needs no restart.
	PasswordFile string
}

// Targets lists everything that is checked: endpoints in the order of the
// services, then database members.
func (f *Fleet) Targets() []Target {
	var all []Target
	for _, s := range f.Services {
		for _, e := range s.Endpoints {
			check := s.CheckOf(e)
			host := check.HTTP.Host
			if host == "" {
				host = string(s.Name[:max(len(s.Name)-1, 0)])
			}
			all = append(all, Target{ID: e.ID, Region: e.Region, Service: s.ID, Mode: s.Mode, Quorum: s.Quorum,
				Check: check, Address: e.addressToCheck(check), Host: host})
		}
	}
	for _, d := range f.Databases {
		check := d.Check
		if check.Kind == "" {
			check.Kind = Postgres
		}
		for _, m := range d.Members {
			all = append(all, Target{ID: MemberID(d.ID, m.Region), Region: m.Region, Database: d.ID, Mode: Observe,
				Check: check, DSN: m.DSN, PasswordFile: m.PasswordFile})
		}
	}
	return all
}

func (e Endpoint) addressToCheck(c Check) string {
	if e.CheckAddress != "" || len(e.Addresses) == 0 {
		return e.CheckAddress
	}
	return netip.AddrPortFrom(e.Addresses[0], c.port()).String()
}

func (c Check) port() uint16 {
	switch {
	case c.Port != 0:
		return c.Port
	case c.Kind == HTTPS:
		return 443
	case c.Kind == HTTP:
		return 80
	}
	return 0
}

// Hash is the target's key on the wire, the same on every node: FNV-1a, mixed,
// 64 bits. Of a million targets two share one with a chance of 1 in 37
// million.
func (t TargetID) Hash() uint64 {
	h := uint64(14695981039346656037)
	for i := range len(t) {
		h = (h ^ uint64(t[i])) * 1099511628211
	}
	return Mix(h)
}

// Mix spreads what distinguishes similar 64-bit values over all their bits
// (the finaliser of MurmurHash3).
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
