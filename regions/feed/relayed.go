package feed

import (
	"cmp"
	"context"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fairlead/regions"
)

const (
	// MaxDirect is how many senders a node that reports nothing itself hears
	// directly. If there are more it listens through relays.
	MaxDirect = 8

	relays  = 2                      // one to lose
	avoid   = 30 * time.Second       // a relay that fell silent
	look    = 100 * time.Millisecond // between two looks at who is heard
	scatter = 5 * time.Second        // over which all who miss one sender ask it themselves
)

// Sender is a node that reports, and so may also relay.
type Sender struct {
	Peer
	Region regions.ID
}

// Relayed hears many senders through a few of them: two of its own region,
// drawn by a hash of its name so that listeners spread, or else the nearest
// draw elsewhere. A relay that is silent for two ticks is left, and a sender
// that no relay brings is asked itself. Both happen before the judgement
// would count anybody silent.
type Relayed struct {
	Self       regions.NodeID
	Region     regions.ID
	Senders    []Sender
	Subscriber *Subscriber // reads; its Inbox says who is heard
	Log        *slog.Logger
}

// ways is how the senders are heard now.
type ways struct {
	began  time.Time
	relays map[regions.NodeID]time.Time // since when
	avoid  map[regions.NodeID]time.Time // until when
	direct map[regions.NodeID]time.Time // since when
}

// Run listens until ctx ends.
func (r *Relayed) Run(ctx context.Context) error {
	if r.Log == nil {
		r.Log = slog.Default()
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	w := ways{time.Now(), map[regions.NodeID]time.Time{}, map[regions.NodeID]time.Time{}, map[regions.NodeID]time.Time{}}
	r.steer(&w, time.Now())
	all.Go(func() { r.Subscriber.Run(ctx) })
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			r.steer(&w, now)
		}
	}
}

// patience is how long silence is borne from one that speaks so often: less
// than the judgement bears.
func patience(interval time.Duration) time.Duration { return max(time.Second, 2*interval) }

// steer looks who is heard and changes the ways where that is needed.
func (r *Relayed) steer(w *ways, now time.Time) {
	heard := map[regions.NodeID]Heard{}
	for _, h := range r.Subscriber.Inbox.Nodes() {
		heard[h.Table.Node] = h
	}
	lastRelayed, carried := r.Subscriber.relayedSince()
	quiet := func(n regions.NodeID, last, since time.Time) bool {
		if last.Before(since) {
			last = since
		}
		return now.Sub(last) > patience(heard[n].Table.Interval)
	}
	working := 0
	for n, since := range w.relays {
		switch {
		case quiet(n, lastRelayed[n], since):
			w.avoid[n] = now.Add(avoid)
			r.Log.Warn("feed relay is silent, another is asked", "relay", n)
		case lastRelayed[n].After(since):
			working++
		}
	}
	chosen := Choose(r.Self, r.Region, r.Senders, func(n regions.NodeID) bool { return now.Before(w.avoid[n]) })
	next := map[regions.NodeID]time.Time{}
	for _, p := range chosen {
		since, kept := w.relays[p.Node]
		if !kept || now.Before(w.avoid[p.Node]) && quiet(p.Node, lastRelayed[p.Node], since) {
			since = now
		}
		next[p.Node] = since
	}
	changed := !sameKeys(next, w.relays)
	w.relays = next
	for _, s := range r.Senders {
		since, direct := w.direct[s.Node]
		switch {
		case direct && now.Sub(since) > avoid && !quiet(s.Node, carried[s.Node], time.Time{}):
			delete(w.direct, s.Node)
			changed = true
		case !direct && quiet(s.Node, heard[s.Node].At, w.began):
			if working > 0 && !quiet(s.Node, heard[s.Node].At.Add(spread(r.Self, s.Node)), w.began.Add(spread(r.Self, s.Node))) {
				break // the relays work: it is this one that is silent, for all
			}
			w.direct[s.Node] = now
			changed = true
		}
	}
	if changed {
		var direct []Peer
		for _, s := range r.Senders {
			if _, ok := w.direct[s.Node]; ok {
				direct = append(direct, s.Peer)
			}
		}
		r.Subscriber.set(direct, chosen)
	}
}

// Choose picks the relays of a node: those that are not avoided before those
// that are, its own region's before others', and among equals by a hash of both
// names.
func Choose(self regions.NodeID, region regions.ID, senders []Sender, avoided func(regions.NodeID) bool) []Peer {
	rank := func(s Sender) int {
		n := 0
		if s.Region != region {
			n = 1
		}
		if avoided(s.Node) {
			n += 2
		}
		return n
	}
	order := slices.DeleteFunc(slices.Clone(senders), func(s Sender) bool { return s.Node == self })
	slices.SortFunc(order, func(a, b Sender) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(draw(self, a.Node), draw(self, b.Node)), cmp.Compare(a.Node, b.Node))
	})
	var chosen []Peer
	for _, s := range order[:min(relays, len(order))] {
		chosen = append(chosen, s.Peer)
	}
	return chosen
}

// draw is one node's lot for another.
func draw(a, b regions.NodeID) uint64 {
	h := fnv.New64a()
	h.Write([]byte(a + "\x00" + b))
	// FNV's last bytes hardly reach its high bits; this carries them there.
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func spread(self, sender regions.NodeID) time.Duration {
	return time.Duration(draw(self, sender) % uint64(scatter))
}

func sameKeys(a, b map[regions.NodeID]time.Time) bool {
	for n := range a {
		if _, ok := b[n]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}
