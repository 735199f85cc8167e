package api_test

import (
	"strings"
	"testing"

	"fairlead/api/openapi"
)

func TestStatusShowsMeasuredAndEffectiveApart(t *testing.T) {
	s := serve(t)
	s.post("/api/v1/regions/eu-central/drain", `{"reason":"new switches"}`)
	s.world.Kill("us-east")
	st := as[openapi.Status](t, s.get("/api/v1/status"), 200)

	byID := map[string]openapi.Region{}
	for _, r := range st.Regions {
		byID[r.Id] = r
	}
	eu, us := byID["eu-central"], byID["us-east"]
	if eu.Measured != openapi.StateUp || eu.Effective != openapi.StateDown || eu.Override.By != "local" || !strings.Contains(eu.Because, "new switches") {
		t.Errorf("a drained region: measured %s, effective %s, by %q because %q", eu.Measured, eu.Effective, eu.Override.By, eu.Because)
	}
	if us.Measured != openapi.StateDown || us.EndpointsDown != 2 || us.EndpointsTotal != 2 {
		t.Errorf("a dead region: measured %s, %d of %d down", us.Measured, us.EndpointsDown, us.EndpointsTotal)
	}
	www := st.Services[0]
	if got := www.Answers[0].Regions[0]; got.Region != "ap-south" || got.SharePercent != 100 || got.Addresses[0] != "127.30.0.1" {
		t.Errorf("www is answered with %+v, want all from ap-south", got)
	}
	if www.State != openapi.StateDegraded || www.Endpoints[0].Reports[0].AgeMs != 200 || *www.Endpoints[0].LatencyMs != 1.5 {
		t.Errorf("www: state %s, reports %+v", www.State, www.Endpoints[0].Reports)
	}
	if st.Services[1].WritesDatabase != "orders" {
		t.Errorf("orders writes %q, want orders", st.Services[1].WritesDatabase)
	}
	db := st.Databases[0]
	if db.WriterRegion != "us-east" || db.Epoch.Number != 3 || *db.Members[1].LagBytes != 0 || db.Members[1].Agent != nil || !db.Members[0].Agent.Reachable {
		t.Errorf("database: %+v", db)
	}
	if len(st.Alarms) != 1 || st.Alarms[0].Severity != openapi.AlarmCritical {
		t.Errorf("alarms: %+v", st.Alarms)
	}
}

// A console that meets null where a list should be stops drawing.
func TestEmptyListsAreNeverNull(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/api/v1/status", "/api/v1/overrides", "/api/v1/executions", "/api/v1/tokens", "/api/v1/audit", "/api/v1/config",
		"/api/v1/explain?name=mail.shop.example"} {
		if a := s.get(path); a.code != 200 || strings.Contains(string(a.body), "null") {
			t.Errorf("GET %s = %d with null in it: %s", path, a.code, a.body)
		}
	}
}

func TestPartsOfTheStatus(t *testing.T) {
	s := serve(t)
	if got := len(as[openapi.RegionList](t, s.get("/api/v1/regions"), 200).Regions); got != 3 {
		t.Errorf("%d regions, want 3", got)
	}
	if got := len(as[openapi.ServiceList](t, s.get("/api/v1/services"), 200).Services); got != 2 {
		t.Errorf("%d services, want 2", got)
	}
	if got := len(as[openapi.DatabaseList](t, s.get("/api/v1/databases"), 200).Databases); got != 1 {
		t.Errorf("%d databases, want 1", got)
	}
	if got := len(as[openapi.NodeList](t, s.get("/api/v1/nodes"), 200).Nodes); got != 2 {
		t.Errorf("%d nodes, want 2", got)
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name, query string
		decidedBy   string
		answered    string
		applies     string
	}{
		{"policy decides while all is well", "name=www.shop.example", "policy", "us-east", "health"},
		{"case and final dot do not matter", "name=WWW.Shop.Example.&client=198.51.100.7", "policy", "us-east", "policy"},
		{"an epoch decides where writes go", "name=orders.shop.example&type=A&client=2001:db8::/48", "writer_interlock", "us-east", "writer_interlock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			e := as[openapi.Explanation](t, s.get("/api/v1/explain?"+tt.query), 200)
			if e.DecidedBy != tt.decidedBy || len(e.Regions) != 1 || e.Regions[0].Region != tt.answered || !strings.Contains(e.Wire, "NOERROR") {
				t.Errorf("decided by %q with %+v and %q; want %q with %s", e.DecidedBy, e.Regions, e.Wire, tt.decidedBy, tt.answered)
			}
			for i, r := range e.Reasons {
				if string(r.Rule) == tt.applies && !r.Applies {
					t.Errorf("rule %d, %s, does not apply: %s", i, r.Rule, r.Sentence)
				}
			}
			if len(e.Endpoints) != 3 || !e.Endpoints[0].Answered || e.Endpoints[1].Answered {
				t.Errorf("endpoints %+v, want the first of three answered", e.Endpoints)
			}
		})
	}
}

func TestExplainOfWhatIsNotSteered(t *testing.T) {
	s := serve(t)
	e := as[openapi.Explanation](t, s.get("/api/v1/explain?name=mail.shop.example"), 200)
	if e.Service != "" || !strings.Contains(e.Answer, "not a steered name") {
		t.Errorf("answer %q of service %q", e.Answer, e.Service)
	}
	if p := problem(t, s.get("/api/v1/explain?name=www.elsewhere.test"), 404); p.Remedy == "" {
		t.Errorf("no remedy: %+v", p)
	}
	if p := problem(t, s.get("/api/v1/explain?name=www.shop.example&at=2020-01-01T00:00:00Z"), 404); !strings.Contains(p.Detail, "before what this node remembers") {
		t.Errorf("beyond the horizon: %s", p.Detail)
	}
}
