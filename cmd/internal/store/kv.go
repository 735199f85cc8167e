package store

import (
	"context"
	"fmt"
)

// KV is all that the store asks of a database: ordered keys, one revision
// that grows with each transaction, transactions that compare before they
// write, a watch, and leadership.
//
// Every implementation owes the following. Reads see all transactions that
// were committed before they began. A fault of kind Unavailable from Commit
// may mean that the transaction was committed all the same; any other error
// means that it was not. No call outlives its context, and without a quorum
// each call fails with Unavailable within some seconds even if its context
// has no end.
type KV interface {
	// Range returns keys in order, with the revision at which they stood.
	Range(ctx context.Context, q Query) (Page, error)

	// Commit writes all of t if all of t's comparisons hold, or nothing.
	Commit(ctx context.Context, t Txn) (Outcome, error)

	// Watch calls f with each change in span from revision from on, in order,
	// until ctx ends, and returns why it stopped: nil if ctx did. If from is 0
	// or lies before what the database still remembers, the first Change is
	// Complete. A watch that cannot prove that it is current, because the
	// database is out of reach, ends with Unavailable.
	Watch(ctx context.Context, span Span, from int64, f func(Change)) error

	// Lead calls f whenever the caller becomes the one leader of that name,
	// with a context that ends when the leadership may have ended. It returns
	// when ctx ends (nil), or when f returns while it leads (with f's error);
	// a lost lease or a lost database is waited for. A caller takes over at
	// once from an earlier Lead of the same name and who, so that a process
	// that restarts does not wait for the lease of its dead self.
	Lead(ctx context.Context, name, who string, f func(context.Context, Lease) error) error
}

// Limits of one transaction, the same for every implementation.
const (
	MaxOps   = 128     // comparisons, and writes, each
	MaxBytes = 1 << 20 // of keys and values written
)

// Span is a half-open interval of keys.
type Span struct{ From, To string }

// Key is the span of exactly one key.
func Key(key string) Span { return Span{key, key + "\x00"} }

// Prefix is the span of all keys that begin with p; all keys if p is empty.
func Prefix(p string) Span {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] < 0xff {
			return Span{p, p[:i] + string(p[i]+1)}
		}
	}
	return Span{From: "\x00", To: "\xff\xff"} // our keys are ASCII
}

// Holds reports whether key lies in s.
func (s Span) Holds(key string) bool { return key >= s.From && key < s.To }

// Query asks for the keys of a span.
type Query struct {
	Span
	At       int64 // revision; 0 is the newest
	Limit    int   // at most so many; 0 is all
	Backward bool  // from the end of the span
}

// Pair is a key and what is known of it.
type Pair struct {
	Key      string
	Value    []byte
	Created  int64 // revision at which the key came to be
	Modified int64 // revision at which it was last written
}

// Page is an answer to a [Query].
type Page struct {
	Pairs    []Pair
	Revision int64 // of the database when it was read
	More     bool  // the limit cut something off
}

// One returns the only pair of a page, or false if the key is absent.
func (p Page) One() (Pair, bool) {
	if len(p.Pairs) == 0 {
		return Pair{}, false
	}
	return p.Pairs[0], true
}

// Txn is written whole if all comparisons hold, or not at all. A key appears
// at most once in Put and Delete together.
type Txn struct {
	If     []Compare
	Put    []Pair // Key and Value count
	Delete []string
}

// Check says what makes a transaction impossible for every implementation.
func (t Txn) Check() error {
	size := 0
	for _, p := range t.Put {
		size += len(p.Key) + len(p.Value)
	}
	switch {
	case len(t.If) > MaxOps || len(t.Put)+len(t.Delete) > MaxOps:
		return fmt.Errorf("transaction of %d comparisons and %d writes: at most %d of each", len(t.If), len(t.Put)+len(t.Delete), MaxOps)
	case size > MaxBytes:
		return fmt.Errorf("transaction of %d bytes: at most %d", size, MaxBytes)
	}
	return nil
}

// Outcome tells what became of a transaction.
type Outcome struct {
	Committed bool
	Revision  int64 // of the database after it
	Failed    int   // if not committed: the index in If of the first comparison that did not hold
}

// Field is what a comparison looks at.
type Field uint8

const (
	Created  Field = iota // the revision at which the key was created; 0 if absent
	Modified              // the revision at which it was last written; 0 if absent
)

// Compare is a condition on one key.
type Compare struct {
	Key      string
	Field    Field
	Revision int64
}

// Absent holds while key does not exist.
func Absent(key string) Compare { return Compare{Key: key, Field: Created} }

// CreatedAt holds while key is the one that was created at a revision.
func CreatedAt(key string, revision int64) Compare {
	return Compare{Key: key, Field: Created, Revision: revision}
}

// Unchanged holds while key was last written at a revision; 0 is absent.
func Unchanged(key string, revision int64) Compare {
	return Compare{Key: key, Field: Modified, Revision: revision}
}

// Holds reports whether c holds of what is known of its key.
func (c Compare) Holds(p Pair, present bool) bool {
	switch {
	case !present:
		return c.Revision == 0
	case c.Field == Created:
		return p.Created == c.Revision
	}
	return p.Modified == c.Revision
}

// Change is what a watch reports: all that one or more transactions did to
// the watched span, up to and including Revision.
type Change struct {
	Revision int64
	Complete bool // Put holds every key of the span; forget all others
	Put      []Pair
	Deleted  []string
}

// Lease is proof of leadership, good for one term. The zero Lease is that of
// a person, who leads nothing: its guard always holds.
type Lease struct {
	Name string // what is led
	Who  string
	Key  string // exists as long as the term
	Term int64  // revision at which Key was created; grows from term to term
}

// Guard returns the comparisons that hold while the term lasts.
func (l Lease) Guard() []Compare {
	if l.Key == "" {
		return nil
	}
	return []Compare{CreatedAt(l.Key, l.Term)}
}

// LeaderKeys is the span in which the candidates for a leadership stand; the
// one that was created first leads, and its value is its Who.
func LeaderKeys(name string) Span { return Prefix(leadersAt + name + "/") }
