// Package ledger is where the demo's observers write down what they saw:
// every visit, every order with its fate, every DNS answer, with the times at
// which each was sent and settled by one clock.
//
// Entries are facts, never conclusions; those are drawn by package measure
// from a copy. Orders that were acknowledged, and those whose fate is unknown,
// can go to a file as well, one JSON line each, before anything is made of
// them.
package ledger

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"
)

// Habit is how a client treats what DNS told it.
type Habit string

const (
	Honest    Habit = "honest"    // caches no longer than the TTL
	Stretcher Habit = "stretcher" // caches longer than it was told
	Keeper    Habit = "keeper"    // keeps its connection as long as it works
	Forgetful Habit = "forgetful" // asks before each request
	Direct    Habit = "direct"    // knows both database servers and tries them in turn
)

// Fate is what became of an order, as its sender knows.
type Fate string

const (
	Acknowledged  Fate = "acknowledged"
	Refused       Fate = "refused"       // certainly not written
	Indeterminate Fate = "indeterminate" // sent, and no answer came that proves either
)

// Order is one attempt to place an order.
type Order struct {
	ID      string    `json:"id"`
	Client  string    `json:"client"`
	Habit   Habit     `json:"habit"`
	Fate    Fate      `json:"fate"`
	Region  string    `json:"region,omitempty"` // that acknowledged it
	Sent    time.Time `json:"sent"`
	Settled time.Time `json:"settled"`
	Problem string    `json:"problem,omitempty"`
}

// Visit is one attempt to read the shop's page.
type Visit struct {
	Client  string
	Habit   Habit
	Origin  string // the region that the client is in
	Region  string // that served it
	OK      bool
	Sent    time.Time
	Settled time.Time
	Problem string
}

// Reply is one question to our DNS servers, asked as a resolver asks.
type Reply struct {
	Client    netip.Prefix
	Addresses []netip.Addr
	Answered  bool
	Sent      time.Time
	Settled   time.Time
}

// Book collects entries. The zero Book keeps everything in memory.
type Book struct {
	// Recent bounds how many visits and orders are kept in memory; 0 keeps
	// all, which only a story of known length may do.
	Recent int
	// File gets a line for every order acknowledged or indeterminate; nil
	// writes none. It is used under the book's lock.
	File *bufio.Writer

	mu      sync.Mutex
	orders  []Order
	visits  []Visit
	replies []Reply
	counts  Counts
	fileErr error
}

// Counts is how many of each there were since the book was opened, also of
// what is no longer kept.
type Counts struct {
	Acknowledged, Refused, Indeterminate int
	Served, Failed                       int            // visits
	ByRegion                             map[string]int // visits served
}

// AddOrder enters an order.
func (b *Book) AddOrder(o Order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch o.Fate {
	case Acknowledged:
		b.counts.Acknowledged++
	case Refused:
		b.counts.Refused++
	case Indeterminate:
		b.counts.Indeterminate++
	}
	if b.File != nil && o.Fate != Refused && b.fileErr == nil {
		b.fileErr = json.NewEncoder(b.File).Encode(o)
	}
	b.orders = keep(append(b.orders, o), b.Recent)
}

// AddVisit enters a visit.
func (b *Book) AddVisit(v Visit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counts.ByRegion == nil {
		b.counts.ByRegion = map[string]int{}
	}
	if v.OK {
		b.counts.Served++
		b.counts.ByRegion[v.Region]++
	} else {
		b.counts.Failed++
	}
	b.visits = keep(append(b.visits, v), b.Recent)
}

// AddReply enters an answer of our DNS, or its absence.
func (b *Book) AddReply(r Reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replies = keep(append(b.replies, r), b.Recent)
}

// keep drops the older half once there are twice as many as wanted, so that
// dropping costs little.
func keep[T any](all []T, recent int) []T {
	if recent <= 0 || len(all) < 2*recent {
		return all
	}
	return append([]T(nil), all[len(all)-recent:]...)
}

// Orders returns the orders settled at or after from, in the order in which
// they were settled.
func (b *Book) Orders(from time.Time) []Order {
	b.mu.Lock()
	defer b.mu.Unlock()
	return since(b.orders, from, func(o Order) time.Time { return o.Settled })
}

// Visits returns the visits settled at or after from.
func (b *Book) Visits(from time.Time) []Visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return since(b.visits, from, func(v Visit) time.Time { return v.Settled })
}

// Replies returns the DNS answers settled at or after from.
func (b *Book) Replies(from time.Time) []Reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	return since(b.replies, from, func(r Reply) time.Time { return r.Settled })
}

// since filters rather than searches: entries of many writers are nearly, not
// wholly, in order.
func since[T any](all []T, from time.Time, at func(T) time.Time) []T {
	var out []T
	for _, e := range all {
		if !at(e).Before(from) {
			out = append(out, e)
		}
	}
	return out
}

// Counts returns the totals so far.
func (b *Book) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts
	c.ByRegion = make(map[string]int, len(b.counts.ByRegion))
	for k, v := range b.counts.ByRegion {
		c.ByRegion[k] = v
	}
	return c
}

// Flush writes what is buffered for the file, and returns the first error
// that writing it met.
func (b *Book) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.File == nil {
		return nil
	}
	if err := b.File.Flush(); b.fileErr == nil {
		b.fileErr = err
	}
	if b.fileErr != nil {
		return fmt.Errorf("write the log of orders: %w", b.fileErr)
	}
	return nil
}

// ReadOrders reads a log of orders back.
func ReadOrders(r io.Reader) ([]Order, error) {
	var out []Order
	for d := json.NewDecoder(r); ; {
		var o Order
		switch err := d.Decode(&o); err {
		case nil:
			out = append(out, o)
		case io.EOF:
			return out, nil
		default:
			return out, fmt.Errorf("read the log of orders, after entry %d: %w", len(out), err)
		}
	}
}
