package publish_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/dns/publish"
	"fairlead/regions/fault"
)

const (
	interleavings = 10_000
	generations   = 4 // that each publisher has to say
)

// moment is one state of the world, told by its incarnation and generation;
// the only address that www is answered with says which one it is.
type moment struct{ incarnation, generation uint64 }

func (m moment) address() string { return fmt.Sprintf("198.51.100.%d", 16*m.incarnation+m.generation) }

func (m moment) before(other moment) bool {
	return m.incarnation < other.incarnation || m.incarnation == other.incarnation && m.generation < other.generation
}

// moments returns every update that a publisher of the race may have.
func moments(t *testing.T) map[moment]publish.Update {
	all := map[moment]publish.Update{}
	for incarnation := uint64(1); incarnation <= 2; incarnation++ {
		for generation := uint64(1); generation <= 2*generations; generation++ {
			m := moment{incarnation, generation}
			u := update(t, generation, zoneText, "name www.example.com\nset s "+m.address()+"\ncell everyone = s\n")
			u.Plan.Incarnation = incarnation
			all[m] = u
		}
	}
	return all
}

// TestTwoPublishersNeverBringBackWhatIsOlder: two who publish at once, each
// with delays before each update and with updates that overtake one another,
// as a stale leader and a new one do. Whatever their order, every snapshot that
// becomes current answers, none is older than the one before it, and in the end
// the newest is current.
func TestTwoPublishersNeverBringBackWhatIsOlder(t *testing.T) {
	updates := moments(t)
	refused := 0
	for seed := range uint64(interleavings) {
		synctest.Test(t, func(t *testing.T) { refused += race(t, seed, updates) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	// A race in which nothing was ever late would have proved nothing.
	if refused < interleavings {
		t.Errorf("in %d interleavings only %d updates came too late, want at least one in each on average", interleavings, refused)
	}
	t.Logf("%d interleavings, %d updates came too late and were refused", interleavings, refused)
}

// race lets two publishers run once and returns how many updates were refused.
func race(t *testing.T, seed uint64, updates map[moment]publish.Update) (refused int) {
	dice := rand.New(rand.NewPCG(seed, 0))
	current := moment{1, 1}
	p := publish.New(publish.Config{Log: slog.New(slog.DiscardHandler), Published: func(before, after *dns.Snapshot) {
		// Called for each snapshot that becomes current, before the next.
		var now moment
		now.incarnation, now.generation = after.Generation()
		if now.before(current) {
			t.Errorf("%+v became current after %+v", now, current)
		}
		if got, want := asked(t, after), []string{now.address()}; !slices.Equal(got, want) {
			t.Errorf("%+v is answered with %v, want %v", now, got, want)
		}
		current = now
	}})
	if err := p.Publish(updates[current]); err != nil {
		t.Fatal(err)
	}
	newest := current
	var mu sync.Mutex // guards refused
	var publishers sync.WaitGroup
	for who := range uint64(2) {
		incarnation := 1 + who*dice.Uint64N(2) // the second may be of a newer incarnation
		for range generations {
			m := moment{incarnation, 1 + dice.Uint64N(2*generations)}
			if newest.before(m) {
				newest = m
			}
			// Few different delays, so that many fall together and really race.
			delay := time.Duration(dice.IntN(6)) * time.Millisecond
			publishers.Go(func() {
				time.Sleep(delay)
				switch err := p.Publish(updates[m]); {
				case fault.Is(err, fault.Conflict):
					mu.Lock()
					refused++
					mu.Unlock()
				case err != nil:
					t.Errorf("Publish(%+v) = %v", m, err)
				}
			})
		}
	}
	publishers.Wait()
	if current != newest {
		t.Errorf("in the end %+v is current, want the newest, %+v", current, newest)
	}
	if got, want := asked(t, p.Current()), []string{newest.address()}; !slices.Equal(got, want) {
		t.Errorf("in the end %v is answered, want %v", got, want)
	}
	return refused
}

// asked returns what a snapshot answers for www.
func asked(t *testing.T, s *dns.Snapshot) (addresses []string) {
	query, err := new(mdns.Msg).SetQuestion("www.example.com.", mdns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	var answer mdns.Msg
	if err := answer.Unpack(s.Answer(nil, query, netip.MustParseAddr("203.0.113.1"))); err != nil {
		t.Errorf("the answer cannot be read: %v", err)
		return nil
	}
	for _, rr := range answer.Answer {
		if a, ok := rr.(*mdns.A); ok {
			addresses = append(addresses, a.A.String())
		}
	}
	return addresses
}
