package postgres

import (
	"sort"
	"sync"
	"time"
)

// sample is where a server was at a time: at or beyond lsn.
type sample struct {
	at  time.Time // on this node's monotonic clock, taken before the question was asked
	lsn LSN
}

// track is how one server's log has grown, as this node saw it.
type track struct {
	mu      sync.Mutex
	samples []sample // oldest first; never going back
	lastErr error
	failing time.Time // since when it has not answered; zero if it answers
}

// maxSamples is an hour at one a second: a standby further behind than that
// has a lag of "more than an hour".
const maxSamples = 3600

func (t *track) add(s sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr, t.failing = nil, time.Time{}
	if n := len(t.samples); n > 0 && s.lsn < t.samples[n-1].lsn {
		t.samples = t.samples[:0] // another history began: rewound, or reseeded
	}
	t.samples = append(t.samples, s)
	if over := len(t.samples) - maxSamples; over > 0 {
		t.samples = append(t.samples[:0], t.samples[over:]...)
	}
}

func (t *track) failed(now time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = err
	if t.failing.IsZero() {
		t.failing = now
	}
}

func (t *track) last() (sample, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.samples) == 0 {
		return sample{}, false
	}
	return t.samples[len(t.samples)-1], true
}

// since returns how long ago the server had surely not written past lsn yet:
// whatever lies beyond lsn was written within that time. It is unknown if no
// sample is that old.
func (t *track) since(lsn LSN, now time.Time) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.samples), func(i int) bool { return t.samples[i].lsn > lsn })
	if i == 0 {
		return 0, false
	}
	return now.Sub(t.samples[i-1].at), true
}

// rate is the fastest that the server was seen to write within the last
// minute of samples, in bytes per second, over two seconds at least.
func (t *track) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.samples) < 2 {
		return 0
	}
	end := t.samples[len(t.samples)-1].at
	fastest := 0.0
	for i, j := 0, 0; j < len(t.samples); j++ {
		for t.samples[j].at.Sub(t.samples[i].at) > 3*time.Second && i < j-1 {
			i++
		}
		took := t.samples[j].at.Sub(t.samples[i].at).Seconds()
		if end.Sub(t.samples[i].at) > time.Minute || took <= 0 {
			continue
		}
		fastest = max(fastest, float64(t.samples[j].lsn.Minus(t.samples[i].lsn))/took)
	}
	return fastest
}
