package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fairlead/api"
	"fairlead/api/apitest"
	"fairlead/api/auth"
	"fairlead/api/openapi"
)

// acts are one request for each operation that changes something.
var acts = []struct {
	verb               auth.Verb
	method, path, body string
}{
	{auth.Drain, "POST", "/api/v1/regions/us-east/drain", `{"reason":"x"}`},
	{auth.Restore, "POST", "/api/v1/regions/us-east/restore", `{"reason":"x"}`},
	{auth.Override, "POST", "/api/v1/overrides", `{"region":"us-east","state":"up","reason":"x","for":"1h"}`},
	{auth.Freeze, "POST", "/api/v1/freeze", `{"reason":"x","for":"1h"}`},
	{auth.Override, "POST", "/api/v1/break-glass", `{"bundle":"{}"}`},
	{auth.Override, "DELETE", "/api/v1/break-glass?reason=x", ``},
	{auth.Freeze, "DELETE", "/api/v1/freeze?reason=x", ``},
	{auth.Run, "POST", "/api/v1/executions", order},
	{auth.Operate, "POST", "/api/v1/executions/r1/pause", `{"reason":"x"}`},
	{auth.Operate, "POST", "/api/v1/executions/r1/abort", `{"reason":"x"}`},
	{auth.Approve, "POST", "/api/v1/executions/r1/approve", `{"reason":"x"}`},
	{auth.Approve, "POST", "/api/v1/executions/r1/decline", `{"reason":"x"}`},
	{auth.Tokens, "GET", "/api/v1/tokens", ``},
	{auth.Tokens, "POST", "/api/v1/tokens", `{"name":"eve","roles":["admin"]}`},
	{auth.Tokens, "DELETE", "/api/v1/tokens/abc", ``},
}

func TestEachActNeedsItsRole(t *testing.T) {
	allowed := map[auth.Role][]auth.Verb{
		auth.Viewer:   {},
		auth.Operator: {auth.Drain, auth.Restore, auth.Override, auth.Freeze, auth.Run, auth.Operate},
		auth.Approver: {auth.Approve},
		auth.Admin:    {auth.Drain, auth.Restore, auth.Override, auth.Freeze, auth.Run, auth.Operate, auth.Approve, auth.Tokens},
	}
	for role, may := range allowed {
		s := serve(t)
		s.post("/api/v1/executions", order, bearer(s.world.AddToken("starter", []auth.Role{auth.Admin})))
		token := bearer(s.world.AddToken("somebody", []auth.Role{role}))
		for _, act := range acts {
			t.Run(fmt.Sprintf("%s %s %s", role, act.method, act.path), func(t *testing.T) {
				s.t = t
				a := s.call(act.method, act.path, act.body, token)
				want := slices.Contains(may, act.verb)
				if got := a.code != http.StatusForbidden && a.code != http.StatusUnauthorized; got != want {
					t.Errorf("%s may %s: %v (%d), want %v: %s", role, act.verb, got, a.code, want, a.body)
				}
				if !want && !strings.Contains(problem(t, a, 403).Remedy, "ask somebody who is") {
					t.Errorf("the refusal names nobody who may: %s", a.body)
				}
			})
		}
	}
}

func TestALimitedTokenActsOnNothingElse(t *testing.T) {
	s := serve(t)
	s.world.AddToken("root", []auth.Role{auth.Admin})
	elsewhere, err := auth.ParseScope("region/mars")
	if err != nil {
		t.Fatal(err)
	}
	eve := bearer(s.world.AddToken("eve", []auth.Role{auth.Admin}, elsewhere))
	s.post("/api/v1/executions", order, bearer(s.world.AddToken("carol", []auth.Role{auth.Operator})))
	for _, act := range acts {
		if act.method == "GET" {
			continue
		}
		a := s.call(act.method, act.path, act.body, eve)
		if a.code != 403 || !strings.Contains(string(a.body), "limited to region/mars") {
			t.Errorf("%s %s: %d %s, want 403 for a token limited to another region", act.method, act.path, a.code, a.body)
		}
	}
	if a := s.get("/api/v1/status", eve); a.code != 200 {
		t.Errorf("a limited token may not look: %d", a.code)
	}
}

func TestWithTokensNobodyIsNobody(t *testing.T) {
	s := serve(t)
	token := s.world.AddToken("root", []auth.Role{auth.Admin})
	for _, path := range []string{"/api/v1/status", "/api/v1/events", "/api/v1/whoami", "/metrics"} {
		a := s.get(path)
		if p := problem(t, a, 401); p.Remedy == "" || a.head.Get("WWW-Authenticate") == "" {
			t.Errorf("GET %s without a token: %s", path, a.body)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/", "/api/v1/openapi.json"} {
		if a := s.get(path); a.code != 200 {
			t.Errorf("GET %s without a token: %d", path, a.code)
		}
	}
	problem(t, s.get("/api/v1/status", bearer("wrong.wrong")), 401)
	problem(t, s.get("/api/v1/status", header("Authorization", "Basic cm9vdDpyb290")), 401)
	id, _, _ := strings.Cut(token, ".")
	problem(t, s.get("/api/v1/status", bearer(id+".wrong")), 401)
	if who := as[openapi.Whoami](t, s.get("/api/v1/whoami", bearer(token)), 200); who.Name != "root" || who.Method != openapi.MethodToken || len(who.May) != len(auth.Verbs()) {
		t.Errorf("whoami = %+v", who)
	}
}

func TestSession(t *testing.T) {
	s := serve(t)
	token := s.world.AddToken("root", []auth.Role{auth.Admin})
	a := s.post("/api/v1/session", `{"token":"`+token+`"}`)
	if a.code != 200 || strings.Contains(string(a.body), token) {
		t.Fatalf("sign-in: %d %s", a.code, a.body)
	}
	set := a.head.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		if !strings.Contains(set, want) {
			t.Errorf("cookie %q lacks %s", set, want)
		}
	}
	value, _, _ := strings.Cut(set, ";")
	cookie := header("Cookie", value)
	if who := as[openapi.Whoami](t, s.get("/api/v1/whoami", cookie), 200); who.Method != openapi.MethodSession || who.ExpiresAt.IsZero() {
		t.Errorf("whoami = %+v", who)
	}
	problem(t, s.get("/api/v1/whoami", header("Cookie", value+"x")), 401)

	drain := func(edits ...edit) answer {
		return s.post("/api/v1/regions/us-east/drain", `{"reason":"x","dry_run":true}`, append(edits, cookie)...)
	}
	if a := drain(header("Sec-Fetch-Site", "same-origin")); a.code != 200 {
		t.Errorf("the console's own request: %d %s", a.code, a.body)
	}
	for _, site := range []string{"cross-site", "same-site"} {
		if p := problem(t, drain(header("Sec-Fetch-Site", site)), 403); !strings.Contains(p.Detail, "another site") {
			t.Errorf("a request made by another site: %s", p.Detail)
		}
	}
	problem(t, drain(header("Origin", "https://evil.example")), 403)

	if a := s.call("DELETE", "/api/v1/session", "", cookie); a.code != 204 {
		t.Errorf("sign-out: %d", a.code)
	}
	problem(t, s.get("/api/v1/whoami", cookie), 401)
}

func TestASessionEndsWithItsToken(t *testing.T) {
	s := serve(t)
	root := bearer(s.world.AddToken("root", []auth.Role{auth.Admin}))
	token := s.world.AddToken("carol", []auth.Role{auth.Operator})
	value, _, _ := strings.Cut(s.post("/api/v1/session", `{"token":"`+token+`"}`).head.Get("Set-Cookie"), ";")
	id, _, _ := strings.Cut(token, ".")
	if a := s.call("DELETE", "/api/v1/tokens/"+id, "", root); a.code != 204 {
		t.Fatalf("revoke: %d %s", a.code, a.body)
	}
	problem(t, s.get("/api/v1/whoami", header("Cookie", value)), 401)
	problem(t, s.get("/api/v1/whoami", bearer(token)), 401)
}

func TestTokensAreShownOnce(t *testing.T) {
	s := serve(t)
	if p := problem(t, s.post("/api/v1/tokens", `{"name":"carol","roles":["operator"]}`), 409); !strings.Contains(p.Detail, "first token must be an admin's") {
		t.Errorf("a first token that would lock everybody out: %s", p.Detail)
	}
	made := as[openapi.TokenCreated](t, s.post("/api/v1/tokens", `{"name":"root","roles":["admin"]}`), 201)
	root := bearer(made.Token)
	list := s.get("/api/v1/tokens", root)
	_, secret, _ := strings.Cut(made.Token, ".")
	if strings.Contains(string(list.body), secret) || len(as[openapi.TokenList](t, list, 200).Tokens) != 1 {
		t.Errorf("tokens: %s", list.body)
	}
	limited := as[openapi.TokenCreated](t, s.post("/api/v1/tokens", `{"name":"carol","roles":["operator"],"only":["database/orders"]}`, root), 201)
	if who := as[openapi.Whoami](t, s.get("/api/v1/whoami", bearer(limited.Token)), 200); len(who.Only) != 1 || who.Only[0] != "database/orders" {
		t.Errorf("whoami = %+v", who)
	}
	problem(t, s.post("/api/v1/tokens", `{"name":"engine@n1","roles":["admin"]}`, root), 400)
	problem(t, s.call("DELETE", "/api/v1/tokens/nothing", "", root), 404)
	if p := problem(t, s.call("DELETE", "/api/v1/tokens/"+made.Id, "", root), 409); !strings.Contains(p.Detail, "last admin") {
		t.Errorf("revoking the last admin: %s", p.Detail)
	}
}

func TestFailedSignInsAreSlowedAndGoodOnesAreNot(t *testing.T) {
	s := serve(t)
	good := bearer(s.world.AddToken("root", []auth.Role{auth.Admin}))
	var last answer
	for range 12 {
		last = s.get("/api/v1/status", bearer("abc.def"))
	}
	if p := problem(t, last, 429); last.head.Get("Retry-After") != "6" || p.Remedy == "" {
		t.Errorf("after twelve failures: %v %s", last.head, last.body)
	}
	if a := s.get("/api/v1/status", good); a.code != 200 {
		t.Errorf("a good token after them: %d %s", a.code, a.body)
	}
}

// A site in the same browser can send requests to loopback, and with a name of
// its own that resolves to it.
func TestLocalIsNotForOtherSites(t *testing.T) {
	s := serve(t)
	drain := func(edits ...edit) answer {
		return s.post("/api/v1/regions/us-east/drain", `{"reason":"x","dry_run":true}`, edits...)
	}
	if a := drain(); a.code != 200 {
		t.Errorf("the command line on this machine: %d %s", a.code, a.body)
	}
	problem(t, drain(header("Sec-Fetch-Site", "cross-site")), 403)
	problem(t, drain(header("Origin", "https://evil.example")), 403)
	problem(t, drain(func(r *http.Request) { r.Host = "evil.example" }), 401)
	problem(t, drain(header("X-Forwarded-For", "203.0.113.9")), 401)
	if a := s.get("/api/v1/status", func(r *http.Request) { r.Host = "evil.example:8470" }); a.code != 401 {
		t.Errorf("status for another site's name: %d", a.code)
	}
}

func TestNobodyIsLocalWhereOtherMachinesCall(t *testing.T) {
	w := apitest.NewWorld()
	s := serveHandler(t, w, w.Server(func(p *api.Parts) { p.Loopback = false }).Handler())
	problem(t, s.get("/api/v1/status"), 401)
}

func TestWhileTokensAreNotKnownLocalOnlyLooks(t *testing.T) {
	s := serve(t)
	s.world.LoseStore()
	if a := s.get("/api/v1/status"); a.code != 200 {
		t.Errorf("status: %d %s", a.code, a.body)
	}
	problem(t, s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`), 503)
}

func TestTheTrailRemembersSignInsAndRefusals(t *testing.T) {
	s := serve(t)
	root := bearer(s.world.AddToken("root", []auth.Role{auth.Admin}))
	eve := s.world.AddToken("eve", []auth.Role{auth.Viewer})
	s.post("/api/v1/session", `{"token":"`+eve+`"}`)
	for range 100 {
		s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`, bearer(eve))
	}
	s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`, bearer("wrong.wrong"))
	entries := as[openapi.AuditPage](t, s.get("/api/v1/audit?limit=1000", root), 200).Entries
	if entries[0].Kind != "sign-in" || entries[0].Principal != "eve" || entries[1].Kind != "refused" || !strings.Contains(entries[1].Sentence, "may not drain") {
		t.Errorf("the trail begins with %+v", entries[:2])
	}
	if len(entries) > 40 {
		t.Errorf("a hundred refusals filled the trail with %d entries", len(entries))
	}
}

func TestEveryOperationHasItsVerb(t *testing.T) {
	doc, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !api.HasVerb(op.OperationID) {
				t.Errorf("%s %s (%s) has no verb in the table", method, path, op.OperationID)
			}
		}
	}
}
