package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

const chores = `
runbook: %s
version: 1
title: Ask a colleague
params: {what: {type: string, required: true, about: what to ask}}
steps: [{id: ask, kind: approve, title: Ask}]
`

// An idempotency key is one intent: it starts one run however often and however
// concurrently it is sent, and nothing else under the same key passes for it.
func TestAKeyStartsOneRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.yaml")
	put(t, path, "regions: {a: {}}")
	n := bare(t, memory.New(), path)
	n.registry = providers.NewRegistry(n.log)
	fleet := &regions.Fleet{Regions: []regions.Region{{ID: "a"}}}
	for _, name := range []string{"ask", "beg"} {
		fleet.Runbooks = append(fleet.Runbooks, regions.Document{Name: name, File: name + ".yaml", Text: fmt.Sprintf(chores, name)})
	}
	if _, _, err := n.store.ApplyFleet(t.Context(), store.Lease{}, "ada", "test", fleet, "content"); err != nil {
		t.Fatal(err)
	}
	d, err := n.store.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.newest.Store(d)
	start := func(who, key, runbook, what string) (runbooks.ExecutionID, error) {
		ctx := auth.With(context.WithoutCancel(t.Context()), auth.Principal{Name: who, Roles: auth.Roles()})
		return runs{n}.Start(ctx, api.Order{Key: key, Runbook: runbook, Params: map[string]string{"what": what}, Reason: "test"})
	}
	ids := make([]runbooks.ExecutionID, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			id, err := start("ada", "the-same-key", "ask", "whether")
			if err != nil {
				t.Errorf("order %d of the same: %v", i, err)
			}
			ids[i] = id
		})
	}
	all.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("one key started the runs %v", ids)
			break
		}
	}
	for name, order := range map[string][2]string{"another value": {"ask", "why"}, "another runbook": {"beg", "whether"}} {
		if id, err := start("ada", "the-same-key", order[0], order[1]); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), string(ids[0])) {
			t.Errorf("%s under the same key = %q, %v; want a Conflict that names run %s", name, id, err, ids[0])
		}
	}
	if id, err := start("bob", "the-same-key", "beg", "why"); err != nil || id == ids[0] {
		t.Errorf("another person's key of the same text = %q, %v; want a run of their own", id, err)
	}
	if list, err := n.store.Executions(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d runs, %v; want two", len(list), err)
	}
	entries, _, err := n.store.Audit(t.Context(), 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Act == "run.refused" {
			t.Errorf("the trail tells of a refusal where there was none: %s", e.Sentence)
		}
	}
}
