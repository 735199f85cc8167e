package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Failures limits failed sign-ins by address. It never refuses a good token:
// with 256-bit secrets guessing is hopeless, so what is limited is the work
// and the noise, and nobody can lock an operator out by failing in their name.
type Failures struct {
	mu   sync.Mutex
	from map[netip.Prefix]*failing
}

type failing struct {
	limit *rate.Limiter
	last  time.Time
}

const (
	failuresBurst = 10
	failuresEvery = 6 * time.Second
	maxSources    = 4096
)

// NewFailures returns a limiter without any failures in it.
func NewFailures() *Failures { return &Failures{from: map[netip.Prefix]*failing{}} }

// Add counts one failure and reports whether the address may go on failing;
// if not, wait says how long it should stay away.
func (f *Failures) Add(from netip.Addr, now time.Time) (ok bool, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := source(from)
	s := f.from[key]
	if s == nil {
		f.shrink(now)
		s = &failing{limit: rate.NewLimiter(rate.Every(failuresEvery), failuresBurst)}
		f.from[key] = s
	}
	s.last = now
	return s.limit.AllowN(now, 1), failuresEvery
}

// source is whom a failure is counted against: a host, or with IPv6 the
// network a host can choose its addresses from.
func source(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// shrink forgets addresses that have been quiet long enough to have all their
// failures back; if there are still too many, it forgets all.
func (f *Failures) shrink(now time.Time) {
	if len(f.from) < maxSources {
		return
	}
	for key, s := range f.from {
		if now.Sub(s.last) > failuresBurst*failuresEvery {
			delete(f.from, key)
		}
	}
	if len(f.from) >= maxSources {
		clear(f.from)
	}
}
