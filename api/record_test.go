package api_test

import (
	"testing"

	"fairlead/api/openapi"
)

func TestAuditPages(t *testing.T) {
	s := serve(t)
	for range 5 {
		s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`)
		s.post("/api/v1/regions/us-east/restore", `{"reason":"y"}`)
	}
	newest := as[openapi.AuditPage](t, s.get("/api/v1/audit?limit=3"), 200)
	if len(newest.Entries) != 3 || newest.Entries[2].Position != newest.Head || newest.Head != 9 || newest.Next != nil {
		t.Errorf("the newest three: %+v", newest)
	}
	first := as[openapi.AuditPage](t, s.get("/api/v1/audit?from=0&limit=4"), 200)
	if len(first.Entries) != 4 || first.Entries[0].Position != 0 || *first.Next != 4 || first.Entries[0].Reason != "x" {
		t.Errorf("the first four: %+v", first)
	}
	if v := as[openapi.AuditVerification](t, s.get("/api/v1/audit/verify"), 200); !v.Ok || v.Checked != 10 {
		t.Errorf("verify = %+v", v)
	}
	s.world.BreakChain()
	if v := as[openapi.AuditVerification](t, s.get("/api/v1/audit/verify"), 200); v.Ok || *v.BrokenAt != 0 {
		t.Errorf("verify of a broken chain = %+v", v)
	}
}

func TestHistoryAndConfig(t *testing.T) {
	s := serve(t)
	if h := as[openapi.HistoryPage](t, s.get("/api/v1/history?from=7"), 200); h.Entries[0].Position != 7 || h.Node != "n1" {
		t.Errorf("history = %+v", h)
	}
	if c := as[openapi.Config](t, s.get("/api/v1/config"), 200); !c.Ok || len(c.Files) != 1 {
		t.Errorf("config = %+v", c)
	}
	if c := as[openapi.CheckResult](t, s.post("/api/v1/config/check", `{"text":"bad"}`), 200); c.Ok || c.Problems[0].File != "text" {
		t.Errorf("check = %+v", c)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	s := serve(t)
	doc := as[struct{ Paths map[string]any }](t, s.get("/api/v1/openapi.json"), 200)
	if _, ok := doc.Paths["/api/v1/status"]; !ok {
		t.Errorf("paths %v", doc.Paths)
	}
}
