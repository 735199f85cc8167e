package history

import (
	"context"
	"errors"
	"os"

	"fairlead/regions/fault"
)

// Scan calls f with each record from a position on, up to and including to (0:
// the newest there is now), until f returns false. Restated records and what
// is damaged or forgotten are passed over.
func (h *History) Scan(from, to Position, f func(Record) bool) error {
	for _, s := range h.list() {
		if s.last < from {
			continue
		}
		goOn := true
		_, err := read(s.path, s.size, func(payload []byte) bool {
			r, _, err := header(payload)
			switch {
			case err != nil:
				return true // counted as damage when it was opened
			case to > 0 && r.Position > to:
				goOn = false
			case r.Position >= from && !r.Restated:
				if r, err = decode(payload); err == nil {
					goOn = f(r)
				}
			}
			return goOn
		})
		if err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.Internal, "history", "%s cannot be read", s.path).Because(err).Do("ask another node")
		}
		if !goOn {
			return nil
		}
	}
	return nil
}

// Page returns up to limit records in rising order from a position on; a
// negative from means the newest ones. Head is the newest position.
func (h *History) Page(from int64, limit int) (records []Record, head Position, err error) {
	head = h.Head()
	if from >= 0 {
		err = h.Scan(Position(from), head, func(r Record) bool {
			records = append(records, r)
			return len(records) < limit
		})
		return records, head, err
	}
	// Backward by segments: restated records make positions sparse.
	segments := h.list()
	for i := len(segments) - 1; i >= 0 && len(records) < limit; i-- {
		var here []Record
		err = h.Scan(segments[i].first, segments[i].last, func(r Record) bool {
			if here = append(here, r); len(here) > 2*limit {
				here = append(here[:0:0], here[len(here)-limit:]...)
			}
			return true
		})
		if err != nil {
			return nil, head, err
		}
		records = append(here, records...)
	}
	return records[max(0, len(records)-limit):], head, nil
}

// Follow calls f with each record from a position on, and with each new one as
// it comes, until f returns false, ctx ends or the history is closed. A
// follower that is slow misses nothing and holds nobody up: it reads the disk.
func (h *History) Follow(ctx context.Context, from Position, f func(Record) bool) error {
	for {
		h.mu.Lock()
		changed, head, closed := h.changed, h.next-1, h.closed
		h.mu.Unlock()
		if from <= head {
			goOn := true
			err := h.Scan(from, head, func(r Record) bool {
				goOn = ctx.Err() == nil && f(r)
				return goOn
			})
			if err != nil || !goOn {
				return err
			}
			from = head + 1
		}
		if closed {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
