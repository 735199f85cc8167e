package api_test

import (
	"strings"
	"testing"
	"time"

	"fairlead/api"
	"fairlead/api/openapi"
)

func TestDrainAndRestore(t *testing.T) {
	s := serve(t)
	dry := as[openapi.SteeringResult](t, s.post("/api/v1/regions/us-east/drain", `{"reason":"x","dry_run":true}`), 200)
	if !dry.DryRun || len(dry.Effects) == 0 || dry.Generation != 41 {
		t.Errorf("a dry run = %+v, want effects and the old generation", dry)
	}
	if got := as[openapi.OverrideList](t, s.get("/api/v1/overrides"), 200).Overrides; len(got) != 0 {
		t.Fatalf("a dry run left %+v", got)
	}
	done := as[openapi.SteeringResult](t, s.post("/api/v1/regions/us-east/drain", `{"reason":"maintenance","for":"30m","service":"www"}`), 200)
	if done.Generation != 42 || len(done.Overrides) != 1 || done.Overrides[0].Kind != "drain" || done.Overrides[0].By != "local" || done.Overrides[0].Service != "www" {
		t.Errorf("drain = %+v", done)
	}
	p := problem(t, s.post("/api/v1/regions/us-east/drain", `{"reason":"again","service":"www"}`), 409)
	if p.Remedy != "lift that override first" {
		t.Errorf("remedy %q", p.Remedy)
	}
	as[openapi.SteeringResult](t, s.post("/api/v1/regions/us-east/restore", `{"reason":"done","service":"www"}`), 200)
	if got := as[openapi.OverrideList](t, s.get("/api/v1/overrides"), 200).Overrides; len(got) != 0 {
		t.Errorf("after the restore there is %+v", got)
	}
	acts := s.world.Acts()
	if acts[1].For != 30*time.Minute || acts[0].For != time.Hour || acts[1].Verb != api.Drain || acts[1].Scope.Service != "www" {
		t.Errorf("acts %+v; want 30 min for www, and an hour where nobody said", acts)
	}
	problem(t, s.post("/api/v1/regions/mars/drain", `{"reason":"x"}`), 404)
}

func TestForceAndEnd(t *testing.T) {
	s := serve(t)
	s.world.Kill("us-east")
	up := as[openapi.SteeringResult](t, s.post("/api/v1/overrides", `{"region":"us-east","state":"up","reason":"the check is wrong","for":"1h"}`), 200)
	if up.Overrides[0].Kind != "force_up" {
		t.Errorf("forced: %+v", up.Overrides[0])
	}
	id := up.Overrides[0].Id
	as[openapi.SteeringResult](t, s.post("/api/v1/overrides/"+id+"/end", `{"reason":"mended"}`), 200)
	if p := problem(t, s.post("/api/v1/overrides/"+id+"/end", `{"reason":"mended"}`), 404); p.Subject != "override "+id {
		t.Errorf("subject %q", p.Subject)
	}
}

func TestFreeze(t *testing.T) {
	s := serve(t)
	if f := as[openapi.Freeze](t, s.get("/api/v1/freeze"), 200); f.Frozen {
		t.Errorf("frozen from the start: %+v", f)
	}
	f := as[openapi.Freeze](t, s.post("/api/v1/freeze", `{"reason":"black friday","for":"2h"}`), 200)
	if !f.Frozen || f.By != "local" || f.Reason != "black friday" {
		t.Errorf("freeze = %+v", f)
	}
	if f := as[openapi.Freeze](t, s.call("DELETE", "/api/v1/freeze?reason=over", ""), 200); f.Frozen {
		t.Errorf("still frozen: %+v", f)
	}
	problem(t, s.call("DELETE", "/api/v1/freeze?reason=over", ""), 409)
	if p := problem(t, s.call("DELETE", "/api/v1/freeze", ""), 400); !strings.Contains(p.Detail, "reason is missing") {
		t.Errorf("without a reason: %s", p.Detail)
	}
}

func TestNothingIsDecidedWithoutTheStore(t *testing.T) {
	s := serve(t)
	as[openapi.Status](t, s.get("/api/v1/status"), 200) // so that it is known that there are no tokens
	s.world.LoseStore()
	problem(t, s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`), 503)
	if st := as[openapi.Status](t, s.get("/api/v1/status"), 200); st.Store.Reachable {
		t.Errorf("the store is told to be reachable")
	}
}
