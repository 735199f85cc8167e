package daemon

import (
	"context"
	"errors"
	"fmt"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/history"
	"fairlead/cmd/internal/store"
)

// record reads the trail of decisions. It implements [api.Auditor].
type record struct{ *Node }

// Audit implements [api.Auditor].
func (r record) Audit(ctx context.Context, from int64, limit int) (openapi.AuditPage, error) {
	entries, head, err := r.store.Audit(ctx, from, limit)
	if err != nil {
		return openapi.AuditPage{}, err
	}
	page := openapi.AuditPage{Entries: []openapi.AuditEntry{}, Head: int64(head)}
	for _, e := range entries {
		page.Entries = append(page.Entries, auditEntry(e))
	}
	if n := len(entries); n > 0 && entries[n-1].Number < head {
		next := int64(entries[n-1].Number) + 1
		page.Next = &next
	}
	return page, nil
}

func auditEntry(e store.Entry) openapi.AuditEntry {
	return openapi.AuditEntry{
		Position: int64(e.Number), At: e.At.UTC(), Principal: e.Principal, Kind: e.Act, Subject: e.Subject, Sentence: e.Sentence,
		Reason: e.Why, Execution: string(e.Execution), Step: string(e.Step), Generation: e.Revision, Hash: e.Hash,
	}
}

// VerifyAudit implements [api.Auditor].
func (r record) VerifyAudit(ctx context.Context) (openapi.AuditVerification, error) {
	v, err := r.store.VerifyChain(ctx)
	out := openapi.AuditVerification{Checked: int64(v.Checked), First: int64(v.First), Last: int64(v.Last), HeadHash: v.HeadHash}
	if at, ok := errors.AsType[*store.BrokenChain](err); ok {
		position := int64(at.At)
		out.BrokenAt, out.Sentence = &position, err.Error()
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Ok = true
	out.Sentence = fmt.Sprintf("all %d entries fit together; the newest is sealed as %s", v.Checked, v.HeadHash)
	return out, nil
}

// Note implements [api.Auditor].
func (r record) Note(ctx context.Context, kind, subject, sentence string) error {
	by := auth.From(ctx).Name
	_, err := r.store.Record(ctx, store.Entry{Principal: by, Act: kind, Subject: subject, Sentence: sentence})
	return err
}

// History implements [api.Historian].
func (r record) History(_ context.Context, from int64, limit int) (openapi.HistoryPage, error) {
	records, head, err := r.history.Page(from, limit)
	if err != nil {
		return openapi.HistoryPage{}, err
	}
	page := openapi.HistoryPage{Node: string(r.settings.Name), Entries: []openapi.HistoryEntry{}, Head: int64(head), OldestAt: r.history.Horizon().UTC()}
	for _, rec := range records {
		page.Entries = append(page.Entries, r.historyEntry(rec))
	}
	if n := len(records); n > 0 && records[n-1].Position < head {
		next := int64(records[n-1].Position) + 1
		page.Next = &next
	}
	return page, nil
}

func (n *Node) historyEntry(rec history.Record) openapi.HistoryEntry {
	return openapi.HistoryEntry{Position: int64(rec.Position), At: rec.At.UTC(), Node: string(n.settings.Name), Kind: rec.Kind.String(),
		Subject: rec.Subject, From: rec.From, To: rec.To, Sentence: rec.Sentence}
}

// publishHistory hands what this node sees to the live stream, until ctx ends.
func (n *Node) publishHistory(ctx context.Context) {
	err := n.history.Follow(ctx, n.history.Head()+1, func(rec history.Record) bool {
		if err := n.stream.History(n.historyEntry(rec)); err != nil {
			n.log.Error("a record could not be shown live", "position", uint64(rec.Position), "problem", err.Error())
		}
		return true
	})
	if err != nil && ctx.Err() == nil {
		n.log.Error("history is not shown live any more", "problem", err.Error())
	}
}

// publishEntries hands new entries of the trail to the live stream, until ctx
// ends. What was there before it began is in the record.
func (n *Node) publishEntries(ctx context.Context) {
	var told uint64
	first := true
	for view := range n.store.WatchViews(ctx) {
		if first || view.Entries < told { // a store that was begun anew counts from one
			told, first = view.Entries, false
			continue
		}
		told = n.publishNew(ctx, told, view.Entries)
	}
}

// publishNew publishes the entries after told up to newest, and returns the
// last one that it did.
func (n *Node) publishNew(ctx context.Context, told, newest uint64) uint64 {
	for told < newest {
		entries, _, err := n.store.Audit(ctx, int64(told)+1, int(min(newest-told, 100)))
		if err != nil || len(entries) == 0 {
			if err != nil && ctx.Err() == nil {
				n.log.Warn("new entries of the trail could not be shown live", "from", told+1, "problem", err.Error())
			}
			return told
		}
		for _, e := range entries {
			if err := n.stream.Audit(auditEntry(e)); err != nil {
				n.log.Error("an entry could not be shown live", "entry", e.Number, "problem", err.Error())
			}
		}
		told = entries[len(entries)-1].Number
	}
	return told
}
