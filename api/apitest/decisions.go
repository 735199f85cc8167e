package apitest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Explain implements [api.Explainer].
func (w *World) Explain(_ context.Context, q api.Question) (api.Explained, error) {
	leave, err := w.enter()
	if err != nil {
		return api.Explained{}, err
	}
	defer leave()
	if !strings.HasSuffix(string(q.Name), ".shop.example.") {
		return api.Explained{}, fault.NotFoundf("name "+string(q.Name), "is in no zone of this fleet").Do("see fairlead status for the names")
	}
	if !q.At.IsZero() && q.At.Before(Began) {
		return api.Explained{}, fault.NotFoundf("instant "+q.At.Format(time.RFC3339), "lies before what this node remembers").Do("ask from %s on", Began.Format(time.RFC3339))
	}
	decided, plan := w.decided, w.plan()
	wire := ";; status: NXDOMAIN"
	if s, ok := plan.Name(q.Name); ok {
		set := s.Sets[s.Choose(q.Client).Set]
		wire = fmt.Sprintf(";; status: NOERROR\n%s\t%d\tIN\tA\t%s", q.Name, int(s.TTL.Seconds()), set.Endpoints[0].Addresses[0])
	}
	return api.Explained{At: time.Now(), Node: "n1", Plan: plan, Decided: &decided, Wire: wire}, nil
}

// Steer implements [api.Overrider].
func (w *World) Steer(ctx context.Context, a api.Act) (api.Decision, error) {
	leave, err := w.enter()
	if err != nil {
		return api.Decision{}, err
	}
	defer leave()
	if _, ok := w.decided.Fleet.Region(a.Scope.Region); !ok {
		return api.Decision{}, fault.NotFoundf("region "+string(a.Scope.Region), "is not in the fleet").Do("see fairlead status for the regions")
	}
	w.acts = append(w.acts, a)
	overrides, effect, err := w.after(ctx, a)
	if err != nil || a.DryRun {
		return api.Decision{Generation: w.decided.Generation, Effects: []string{effect}, Overrides: overrides}, err
	}
	if err := w.decide(); err != nil {
		return api.Decision{}, err
	}
	w.decided.Overrides = overrides
	w.record(ctx, string(a.Verb), "region "+string(a.Scope.Region), effect, a.Reason, "")
	return api.Decision{Generation: w.decided.Generation, Effects: []string{effect}, Overrides: overrides}, nil
}

func (w *World) after(ctx context.Context, a api.Act) ([]regions.Override, string, error) {
	by, now := auth.From(ctx).Name, time.Now()
	scope := a.Scope.String()
	i := slices.IndexFunc(w.decided.Overrides, func(o regions.Override) bool {
		return o.Phase() != regions.Ended && (a.Verb == api.End && o.ID() == a.ID || a.Verb != api.End && o.Scope() == a.Scope)
	})
	id := fmt.Sprintf("o%d", len(w.trail)+1)
	switch a.Verb {
	case api.Drain:
		if i >= 0 {
			return nil, "", fault.Conflictf("region "+scope, "already drained by %s", w.decided.Overrides[i].By()).Do("lift that override first")
		}
		o, err := regions.NewDrain(id, a.Scope, by, a.Reason, now, now.Add(a.For))
		return append(slices.Clone(w.decided.Overrides), o), scope + " loses its traffic; the next region of each order takes it", err
	case api.Restore, api.End:
		if i < 0 {
			return nil, "", fault.Conflictf("region "+scope, "there is nothing to restore")
		}
		return slices.Delete(slices.Clone(w.decided.Overrides), i, i+1), scope + " takes traffic again as measured", nil
	default:
		state := regions.Up
		if a.Verb == api.ForceDown {
			state = regions.Down
		}
		o, err := regions.NewForce(id, a.Scope, state, by, a.Reason, now, now.Add(a.For))
		return append(slices.Clone(w.decided.Overrides), o), fmt.Sprintf("%s is %v whatever is measured", scope, state), err
	}
}

// Freeze implements [api.Freezer].
func (w *World) Freeze(ctx context.Context, reason string, d time.Duration) (*regions.Freeze, error) {
	leave, err := w.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := w.decide(); err != nil {
		return nil, err
	}
	w.decided.Freeze = &regions.Freeze{By: auth.From(ctx).Name, Why: reason, From: time.Now(), Until: time.Now().Add(d)}
	w.record(ctx, "freeze", "fleet", "automatic changes are frozen", reason, "")
	return w.decided.Freeze, nil
}

// Unfreeze implements [api.Freezer].
func (w *World) Unfreeze(ctx context.Context, reason string) error {
	leave, err := w.enter()
	if err != nil {
		return err
	}
	defer leave()
	if w.decided.Freeze == nil {
		return fault.Conflictf("freeze", "there is none")
	}
	w.decided.Freeze = nil
	w.record(ctx, "unfreeze", "fleet", "automatic changes go on", reason, "")
	return w.decide()
}

// Audit implements [api.Auditor].
func (w *World) Audit(_ context.Context, from int64, limit int) (openapi.AuditPage, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.AuditPage{}, err
	}
	defer leave()
	n := int64(len(w.trail))
	if from < 0 {
		from = max(n-int64(limit), 0)
	}
	page := openapi.AuditPage{Head: n - 1}
	end := min(from+int64(limit), n)
	if from < n {
		page.Entries = slices.Clone(w.trail[from:end])
	}
	if end < n {
		page.Next = &end
	}
	return page, nil
}

// VerifyAudit implements [api.Auditor].
func (w *World) VerifyAudit(context.Context) (openapi.AuditVerification, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.AuditVerification{}, err
	}
	defer leave()
	v := openapi.AuditVerification{Ok: !w.broken, Checked: int64(len(w.trail)), Sentence: "every hash fits"}
	if w.broken {
		at := int64(0)
		v.BrokenAt, v.Sentence = &at, "entry 0 is not the one that was sealed"
	}
	return v, nil
}

// Backup implements [api.Archivist].
func (w *World) Backup(ctx context.Context, out io.Writer) error {
	leave, err := w.enter()
	if err != nil {
		return err
	}
	w.record(ctx, "backup", "store", "a backup was taken", "", "")
	b := w.backup
	leave()
	_, err = out.Write(b)
	return err
}

// Note implements [api.Auditor].
func (w *World) Note(ctx context.Context, kind, subject, sentence string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.record(ctx, kind, subject, sentence, "", "")
	return nil
}

// History implements [api.Historian].
func (w *World) History(_ context.Context, from int64, limit int) (openapi.HistoryPage, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.HistoryPage{}, err
	}
	defer leave()
	return openapi.HistoryPage{Node: "n1", Head: 0, OldestAt: Began, Entries: []openapi.HistoryEntry{{Position: max(from, 0), At: Began, Node: "n1",
		Kind: "verdict", Subject: "endpoint www@us-east", From: "unknown", To: "up", Sentence: fmt.Sprintf("asked for %d", limit)}}}, nil
}

// Config implements [api.Configuration].
func (w *World) Config(context.Context) (openapi.Config, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.Config{}, err
	}
	defer leave()
	return openapi.Config{Source: "/etc/fairlead/fleet.yaml", Files: []string{"/etc/fairlead/fleet.yaml"}, Ok: true, LoadedAt: Began, ContentHash: "5eed"}, nil
}

// CheckConfig implements [api.Configuration].
func (w *World) CheckConfig(_ context.Context, file, text string) []openapi.TextProblem {
	if !strings.Contains(text, "bad") {
		return nil
	}
	return []openapi.TextProblem{{File: file, Line: 1, Column: 1, Problem: "this is bad", Remedy: "write something good"}}
}

// Unready implements [api.Readiness].
func (w *World) Unready(context.Context) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.unready)
}

// Tokens implements [auth.Store].
func (w *World) Tokens(context.Context) ([]auth.Token, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return nil, fault.Unavailablef("store", "cannot be reached")
	}
	return slices.Clone(w.tokens), nil
}

// PutToken implements [auth.Store].
func (w *World) PutToken(ctx context.Context, t auth.Token, by string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = append(w.tokens, t)
	w.record(ctx, "token", "token "+t.ID, "created for "+t.Name+" by "+by, "", "")
	return nil
}

// RevokeToken implements [auth.Store].
func (w *World) RevokeToken(ctx context.Context, id, by string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens = slices.DeleteFunc(w.tokens, func(t auth.Token) bool { return t.ID == id })
	w.record(ctx, "token", "token "+id, "revoked by "+by, "", "")
	return nil
}

// CheckRunbook implements [api.Library].
func (w *World) CheckRunbook(_ context.Context, file, text string) []runbooks.Problem {
	if !strings.Contains(text, "bad") {
		return nil
	}
	return []runbooks.Problem{{File: file, Line: 3, Column: 5, What: "the step kind bad is not known", Do: "see fairlead runbook list"}}
}
