package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"fairlead/regions/fault"
)

// ErrDeposed says that the leadership under which something was to be written
// is over. Somebody else may lead by now.
var ErrDeposed = errors.New("this node does not lead any more")

const (
	attempts = 200              // two who decide at once make one of them try again
	enough   = 20 * time.Second // and nobody waits longer than that for others
)

// decision is what one transaction will do: its entry in the chain, what is
// written, and what must still be so. Entry.Data is set from Data.
type decision struct {
	Entry
	If     []Compare
	Put    []Pair
	Delete []string
	// Nothing is true if all is as it should be already.
	Nothing bool
	// Recovery is true of the one that begins a new incarnation.
	Recovery bool
}

// decided is what came of it.
type decided struct {
	Number   uint64 // of the entry; 0 if nothing was to be decided
	Revision int64
}

// attempt is a transaction that may have been committed.
type attempt struct {
	number uint64
	value  string
}

// decide commits what f makes of the present state. F may be called several
// times; all that it reads is as of one moment, because the chain's head, read
// before it is called, must be the same when the transaction is committed.
func (s *Store) decide(ctx context.Context, lease Lease, f func(context.Context) (*decision, error)) (decided, error) {
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	select { // those of one process queue up instead of racing each other
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return decided{}, fault.Unavailablef("store", "too many decisions at once").Because(ctx.Err())
	}
	nonce := rand.Text()
	var pending []attempt
	for try := 0; ; try++ {
		done, again, err := s.try(ctx, lease, nonce, &pending, f)
		if !again || try == attempts {
			return done, err
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fault.Unavailablef("store", "others decide faster than this could be decided").Because(ctx.Err())
			}
			return decided{}, err
		case <-time.After(mrand.N(time.Millisecond << min(try, 6))):
		}
	}
}

// try is one attempt to decide. It asks for another one if somebody else was
// faster, or if it cannot be known yet what became of it.
func (s *Store) try(ctx context.Context, lease Lease, nonce string, pending *[]attempt, f func(context.Context) (*decision, error)) (done decided, again bool, err error) {
	if done, err := s.settled(ctx, *pending); done.Number > 0 || err != nil {
		return done, len(*pending) > 0 && err != nil, err
	}
	if err := s.ensure(ctx); err != nil {
		return decided{}, false, err
	}
	head, err := s.chainHead(ctx)
	if err != nil {
		return decided{}, false, err
	}
	if err := s.superseded(ctx); err != nil {
		return decided{}, false, err
	}
	if head.Number == 0 { // the database was emptied under us: begin it again
		s.sure.Store(false)
		return decided{}, true, nil
	}
	d, err := f(ctx)
	if err != nil || d.Nothing {
		return decided{}, false, err
	}
	if !d.Recovery && s.set.Recovering() {
		return decided{}, false, fault.Unavailablef("store", "it is being recovered, and nothing is decided before its new incarnation has begun").Do("ask again in a moment")
	}
	number, value, hash, err := s.link(head, nonce, d)
	if err != nil {
		return decided{}, false, err
	}
	newHead, err := json.Marshal(chainHead{Number: number, Hash: hash})
	if err != nil {
		return decided{}, false, err
	}
	guard := lease.Guard()
	txn := Txn{
		If:     append(append(guard, Unchanged(chainHeadKey, head.revision), Absent(chainKey(number))), d.If...),
		Put:    append([]Pair{{Key: chainHeadKey, Value: newHead}, {Key: chainKey(number), Value: value}}, d.Put...),
		Delete: d.Delete,
	}
	out, err := s.kv.Commit(ctx, txn)
	switch {
	case fault.Is(err, fault.Unavailable):
		*pending = append(*pending, attempt{number, string(value)})
		return decided{}, true, err
	case err != nil:
		return decided{}, false, fmt.Errorf("decide %s: %w", d.Act, err)
	case out.Committed:
		return decided{number, out.Revision}, false, nil
	case out.Failed < len(guard):
		return decided{}, false, fault.Conflictf("leadership of "+lease.Name, "it has passed on").Because(ErrDeposed)
	case out.Failed == len(guard)+1:
		return decided{}, false, broken(number, "exists, and the head of the chain does not know it")
	case out.Failed > len(guard)+1:
		return decided{}, false, fault.Conflictf(d.Subject, "the store changed meanwhile").Do("look again, then ask again")
	}
	return decided{}, true, nil // somebody decided something else in between
}

// settled looks whether one of the attempts whose end was not seen has been
// committed after all.
func (s *Store) settled(ctx context.Context, pending []attempt) (decided, error) {
	for _, a := range pending {
		p, ok, err := s.get(ctx, chainKey(a.number))
		switch {
		case err != nil:
			return decided{}, fault.Unavailablef("store", "it is not known whether this was written").Because(err).
				Do("look at the audit trail when the store is back, then ask again")
		case ok && string(p.Value) == a.value:
			return decided{a.number, p.Modified}, nil
		}
	}
	return decided{}, nil
}

// link makes the entry that follows head.
func (s *Store) link(head chainHead, nonce string, d *decision) (number uint64, value []byte, hash string, err error) {
	e := d.Entry
	e.Number, e.Previous, e.Nonce = head.Number+1, head.Hash, nonce
	e.At, e.Node = time.Now().UTC(), s.set.Node
	if e.Data != nil {
		e.DataHash = digest(e.Data)
	}
	value, err = json.Marshal(e)
	return e.Number, value, digest(value), err
}

// encode makes JSON of a value of our own types, which cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}
