package api_test

import (
	"slices"
	"strings"
	"testing"

	"fairlead/api/auth"
	"fairlead/api/openapi"
)

const order = `{"runbook":"switchover","database":"orders","to":"eu-central","reason":"storm warning","plan_hash":"plan-eu-central"}`

func TestRunbooks(t *testing.T) {
	s := serve(t)
	list := as[openapi.RunbookList](t, s.get("/api/v1/runbooks"), 200).Runbooks
	if len(list) != 1 || list[0].StepsTotal != 4 || list[0].Source != "shipped" {
		t.Errorf("runbooks %+v", list)
	}
	one := as[openapi.Runbook](t, s.get("/api/v1/runbooks/switchover"), 200)
	if !one.Steps[1].NeedsApproval || one.Steps[1].ApprovalsTotal != 1 || one.Steps[3].Danger == "" || one.Steps[2].Compensate == "" || one.Text == "" {
		t.Errorf("steps %+v", one.Steps)
	}
	problem(t, s.get("/api/v1/runbooks/nothing"), 404)
	check := as[openapi.CheckResult](t, s.post("/api/v1/runbooks/check", `{"text":"bad","file":"move.yaml"}`), 200)
	if check.Ok || check.Problems[0].File != "move.yaml" || check.Problems[0].Line != 3 || check.Problems[0].Remedy == "" {
		t.Errorf("check = %+v", check)
	}
	if check := as[openapi.CheckResult](t, s.post("/api/v1/runbooks/check", `{"text":"good"}`), 200); !check.Ok {
		t.Errorf("check of a good one = %+v", check)
	}
}

func TestPreviewTellsPlanDangersAndRefusals(t *testing.T) {
	s := serve(t)
	p := as[openapi.Plan](t, s.post("/api/v1/executions/preview", `{"runbook":"switchover","database":"orders","to":"eu-central"}`), 200)
	if p.Title != "switchover of orders from us-east to eu-central" || len(p.Steps) != 4 || p.PlanHash == "" || len(p.Dangers) != 1 || len(p.Refusals) != 0 {
		t.Errorf("plan = %+v", p)
	}
	p = as[openapi.Plan](t, s.post("/api/v1/executions/preview", `{"runbook":"switchover","database":"orders","to":"ap-south"}`), 200)
	if len(p.Refusals) != 1 || p.Refusals[0].Remedy != "use eu-central" {
		t.Errorf("refusals = %+v", p.Refusals)
	}
	if p := problem(t, s.post("/api/v1/executions/preview", `{"runbook":"switchover","database":"nothing"}`), 404); p.Remedy == "" {
		t.Errorf("a database that is not there: %+v", p)
	}
	if list := as[openapi.ExecutionList](t, s.get("/api/v1/executions"), 200).Executions; len(list) != 0 {
		t.Errorf("a preview started %+v", list)
	}
}

// The story of a run: started by one person, approved by another.
func TestARunNeedsTwoPeople(t *testing.T) {
	s := serve(t)
	s.world.AddToken("root", []auth.Role{auth.Admin})
	carol := bearer(s.world.AddToken("carol", []auth.Role{auth.Operator, auth.Approver}))
	dave := bearer(s.world.AddToken("dave", []auth.Role{auth.Approver}))
	key := header("Idempotency-Key", "intent-0001")

	x := as[openapi.Execution](t, s.post("/api/v1/executions", order, carol, key), 201)
	again := as[openapi.Execution](t, s.post("/api/v1/executions", order, carol, key), 201)
	if again.Id != x.Id {
		t.Errorf("the same key started %s and %s", x.Id, again.Id)
	}
	if x.State != openapi.ExecutionAwaitingApproval || x.StartedBy != "carol" || x.CurrentStep != "agree" || x.Steps[0].State != openapi.StepSucceeded {
		t.Errorf("run = %s by %s at %s", x.State, x.StartedBy, x.CurrentStep)
	}
	if slices.Contains(x.AllowedOperations, openapi.OperationApprove) {
		t.Errorf("carol may approve her own run: %v", x.AllowedOperations)
	}
	i := slices.IndexFunc(x.RefusedOperations, func(r openapi.RefusedOperation) bool { return r.Operation == openapi.OperationApprove })
	if i < 0 || !strings.Contains(x.RefusedOperations[i].Because, "may not approve it") {
		t.Errorf("refused to carol: %+v, want approve and why", x.RefusedOperations)
	}
	p := problem(t, s.post("/api/v1/executions/"+x.Id+"/approve", `{"reason":"fine"}`, carol), 403)
	if !strings.Contains(p.Detail, "whoever started a run may not approve it") || p.Remedy != "ask another person" {
		t.Errorf("approving one's own run: %+v", p)
	}
	p = problem(t, s.post("/api/v1/executions/"+x.Id+"/approve", `{"reason":"fine","plan_hash":"another"}`, dave), 409)
	if !strings.Contains(p.Detail, "another plan") {
		t.Errorf("approving another plan: %+v", p)
	}
	seen := as[openapi.Execution](t, s.get("/api/v1/executions/"+x.Id, dave), 200)
	if !slices.Contains(seen.AllowedOperations, openapi.OperationApprove) || slices.Contains(seen.AllowedOperations, openapi.OperationAbort) {
		t.Errorf("dave, an approver, may %v; want approve and not abort", seen.AllowedOperations)
	}
	done := as[openapi.Execution](t, s.post("/api/v1/executions/"+x.Id+"/approve", `{"reason":"seen the plan","plan_hash":"`+x.PlanHash+`"}`, dave), 200)
	if done.State != openapi.ExecutionEnded || done.Outcome != openapi.OutcomeDone || done.Steps[1].Approvals[0].By != "dave" {
		t.Errorf("after the approval: %s %s, %+v", done.State, done.Outcome, done.Steps[1])
	}
	if got := done.Steps[3].Evidence; len(got) != 1 || got[0].Value != "promote" {
		t.Errorf("evidence %+v", got)
	}
	if len(done.Journal) < 8 || done.Journal[0].Principal != "carol" || done.Journal[0].Hash == "" {
		t.Errorf("journal %+v", done.Journal)
	}
	problem(t, s.post("/api/v1/executions/"+x.Id+"/pause", `{"reason":"too late"}`, carol), 409)
	if open := as[openapi.ExecutionList](t, s.get("/api/v1/executions?open=true", dave), 200).Executions; len(open) != 0 {
		t.Errorf("open runs: %+v", open)
	}
	problem(t, s.get("/api/v1/executions/r99", dave), 404)
}

func TestAPersonAloneIsToldWhyNobodyCanApprove(t *testing.T) {
	s := serve(t)
	x := as[openapi.Execution](t, s.post("/api/v1/executions", order), 201)
	if slices.Contains(x.AllowedOperations, openapi.OperationApprove) {
		t.Errorf("local may approve its own run")
	}
	if who := as[openapi.Whoami](t, s.get("/api/v1/whoami"), 200); who.Method != openapi.MethodLocal || !strings.Contains(who.Note, "token create") {
		t.Errorf("whoami = %+v, want a note on how to become two", who)
	}
}

func TestAPlanThatMovedIsNotStarted(t *testing.T) {
	s := serve(t)
	problem(t, s.post("/api/v1/executions", strings.Replace(order, "plan-eu-central", "plan-of-yesterday", 1)), 409)
}
