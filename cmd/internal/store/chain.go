package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Entry is one link of the chain: who did what, when and why. Its hash is the
// SHA-256 of the bytes as stored, and is part of the entry that follows.
type Entry struct {
	Number    uint64    `json:"number"`   // from 1, without gaps
	Previous  string    `json:"previous"` // hash of entry Number-1, in hexadecimal; empty for the first
	Nonce     string    `json:"nonce"`    // tells a decision from one that looks the same
	At        time.Time `json:"at"`       // by the clock of the node that wrote it
	Node      string    `json:"node"`     // which node that was
	Principal string    `json:"principal"`
	Act       string    `json:"act"`      // "drain", "run.intended", "sign_in.refused", …
	Subject   string    `json:"subject"`  // "region us-east"
	Sentence  string    `json:"sentence"` // all of it for a reader
	Why       string    `json:"why,omitempty"`

	Execution runbooks.ExecutionID `json:"execution,omitempty"`
	Step      runbooks.StepID      `json:"step,omitempty"`

	// Data is what was decided, if it is small. Else it lies under DataKey as
	// long as it is kept; DataHash is the SHA-256 of it either way.
	Data     json.RawMessage `json:"data,omitempty"`
	DataKey  string          `json:"data_key,omitempty"`
	DataHash string          `json:"data_hash,omitempty"`

	Hash     string `json:"-"` // of this entry
	Revision int64  `json:"-"` // of the database at which it was written
}

// chainHead is the newest entry.
type chainHead struct {
	Number uint64 `json:"number"`
	Hash   string `json:"hash"`

	revision int64
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func parseEntry(p Pair) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(p.Value, &e); err != nil {
		return e, err
	}
	e.Hash, e.Revision = digest(p.Value), p.Modified
	return e, nil
}

// BrokenChain says where the audit trail does not fit together: something
// wrote to the database past Fairlead, or its disk is failing.
type BrokenChain struct {
	At      uint64 // number of the first entry that does not fit
	Problem string
}

func (b *BrokenChain) Error() string { return fmt.Sprintf("entry %d %s", b.At, b.Problem) }

func broken(at uint64, format string, args ...any) error {
	b := &BrokenChain{at, fmt.Sprintf(format, args...)}
	return fault.New(fault.Internal, "audit trail", "it is broken").Because(b).
		Do("keep a copy of the store as it is, and compare it with a backup; what was decided stays in force")
}

func (s *Store) chainHead(ctx context.Context) (chainHead, error) { return s.chainHeadAt(ctx, 0) }

// chainHeadAt returns the head as of a revision; 0 is the newest.
func (s *Store) chainHeadAt(ctx context.Context, revision int64) (chainHead, error) {
	page, err := s.kv.Range(ctx, Query{Span: Key(chainHeadKey), At: revision})
	p, ok := page.One()
	if err != nil || !ok {
		return chainHead{}, err
	}
	var h chainHead
	if err := json.Unmarshal(p.Value, &h); err != nil {
		return h, broken(0, "cannot be found: the head of the chain cannot be read: %v", err)
	}
	h.revision = p.Modified
	return h, nil
}

const auditPage = 500

// Audit returns up to limit entries in rising order from a number on; a
// negative from means the newest ones. Head is the newest number.
func (s *Store) Audit(ctx context.Context, from int64, limit int) (entries []Entry, head uint64, err error) {
	if limit <= 0 || limit > auditPage {
		limit = auditPage
	}
	h, err := s.chainHead(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit trail: %w", err)
	}
	if from < 0 {
		from = int64(h.Number) - int64(limit) + 1
	}
	span := Span{chainKey(uint64(max(from, 1))), Prefix(chainAt).To}
	page, err := s.kv.Range(ctx, Query{Span: span, Limit: limit})
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit trail: %w", err)
	}
	for _, p := range page.Pairs {
		e, err := parseEntry(p)
		if err != nil {
			return nil, 0, broken(uint64(from), "cannot be read: %v", err)
		}
		entries = append(entries, e)
	}
	return entries, max(h.Number, last(entries)), nil
}

func last(entries []Entry) uint64 {
	if len(entries) == 0 {
		return 0
	}
	return entries[len(entries)-1].Number
}

// Verification is what [Store.VerifyChain] walked over.
type Verification struct {
	Checked     uint64 // entries
	First, Last uint64
	HeadHash    string // seals everything before; worth noting down elsewhere
}

// VerifyChain walks the whole trail: each entry fits the one before, the head
// fits the last, and each event of each journal is the one that was sealed.
// The error is a [BrokenChain] where it does not fit.
func (s *Store) VerifyChain(ctx context.Context) (Verification, error) {
	var v Verification
	at, err := s.revision(ctx)
	if err != nil {
		return v, fmt.Errorf("verify the audit trail: %w", err)
	}
	head, err := s.chainHeadAt(ctx, at)
	if err != nil {
		return v, fmt.Errorf("verify the audit trail: %w", err)
	}
	sealed := map[string]string{} // key of an event → its hash
	numbers := map[string]uint64{}
	previous := ""
	for next := uint64(1); ; {
		page, err := s.kv.Range(ctx, Query{Span: Span{chainKey(next), Prefix(chainAt).To}, At: at, Limit: auditPage})
		if err != nil {
			return v, fmt.Errorf("verify the audit trail: %w", err)
		}
		for _, p := range page.Pairs {
			e, err := parseEntry(p)
			switch {
			case err != nil:
				return v, broken(next, "cannot be read: %v", err)
			case p.Key != chainKey(next) || e.Number != next:
				return v, broken(next, "is missing: %s follows entry %d", p.Key, next-1)
			case e.Previous != previous:
				return v, broken(next, "does not follow the entry before: that one was changed, or this one")
			case p.Created != p.Modified:
				return v, broken(next, "was written over")
			case e.Data != nil && digest(e.Data) != e.DataHash:
				return v, broken(next, "holds other data than it seals")
			}
			if e.DataKey != "" {
				sealed[e.DataKey], numbers[e.DataKey] = e.DataHash, e.Number
			}
			previous, next = e.Hash, next+1
			v.Checked, v.First, v.Last, v.HeadHash = v.Checked+1, 1, e.Number, e.Hash
		}
		if !page.More {
			break
		}
	}
	switch {
	case head.Number > v.Last:
		return v, broken(v.Last+1, "is missing: the head of the chain is %d", head.Number)
	case head.Number == 0 && v.Last > 0:
		return v, broken(v.Last, "is the last one, but the head of the chain that would seal it is missing")
	case head.Number < v.Last:
		return v, broken(head.Number+1, "stands beyond the head of the chain, which is %d", head.Number)
	case head.Hash != v.HeadHash:
		return v, broken(v.Last, "is not the one that the head of the chain names")
	}
	return v, s.verifyJournals(ctx, at, sealed, numbers)
}

func (s *Store) verifyJournals(ctx context.Context, at int64, sealed map[string]string, numbers map[string]uint64) error {
	span := Prefix(journalAt)
	for {
		page, err := s.kv.Range(ctx, Query{Span: span, At: at, Limit: auditPage})
		if err != nil {
			return fmt.Errorf("verify the journals: %w", err)
		}
		for _, p := range page.Pairs {
			hash, ok := sealed[p.Key]
			switch name := strings.TrimPrefix(p.Key, journalAt); {
			case !ok:
				return broken(0, "is missing: event %s of a journal is in no entry", name)
			case hash != digest(p.Value):
				return broken(numbers[p.Key], "seals another event than the journal holds at %s", name)
			}
			delete(sealed, p.Key)
		}
		if !page.More {
			break
		}
		span.From = page.Pairs[len(page.Pairs)-1].Key + "\x00"
	}
	for key, number := range numbers {
		if _, left := sealed[key]; left && strings.HasPrefix(key, journalAt) {
			return broken(number, "seals an event that the journal lacks: %s", strings.TrimPrefix(key, journalAt))
		}
	}
	return nil
}

// Record appends an entry that decides nothing, such as a sign-in or a
// refusal. Number, Previous, At and hashes are filled in.
func (s *Store) Record(ctx context.Context, e Entry) (number uint64, err error) {
	if e.Principal == "" || e.Act == "" || e.Sentence == "" {
		return 0, fault.Invalidf("audit entry", "needs who, what and a sentence")
	}
	done, err := s.decide(ctx, Lease{}, func(context.Context) (*decision, error) {
		return &decision{Entry: e}, nil
	})
	return done.Number, err
}
