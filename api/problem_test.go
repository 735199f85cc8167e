package api_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/api"
	"fairlead/api/apitest"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

func TestEachKindOfFaultHasItsStatus(t *testing.T) {
	tests := []struct {
		err  error
		code int
		kind openapi.ProblemKind
	}{
		{fault.Invalidf("region x", "is wrong").Do("mend it"), 400, openapi.ProblemInvalid},
		{fault.NotFoundf("region x", "is absent").Do("look"), 404, openapi.ProblemNotFound},
		{fault.Conflictf("region x", "has moved").Do("look again"), 409, openapi.ProblemConflict},
		{fault.Deniedf("region x", "is not yours").Do("ask"), 403, openapi.ProblemDenied},
		{fmt.Errorf("ask the store: %w", fault.Unavailablef("store", "is gone").Do("wait")), 503, openapi.ProblemUnavailable},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			s := serve(t)
			s.world.Fail(tt.err)
			p := problem(t, s.get("/api/v1/status"), tt.code)
			if p.Kind != tt.kind || p.Detail != tt.err.Error() || p.Remedy == "" || p.Subject == "" {
				t.Errorf("problem %+v, want kind %s and the whole sentence %q", p, tt.kind, tt.err)
			}
		})
	}
}

func TestTheCauseOfOurOwnFaultStaysInTheLog(t *testing.T) {
	s := serve(t)
	s.world.Fail(errors.New("password hunter2 refused by db"))
	a := s.get("/api/v1/status")
	p := problem(t, a, 500)
	if strings.Contains(string(a.body), "hunter2") || !strings.Contains(p.Remedy, "request ") {
		t.Errorf("an internal fault is told as %s", a.body)
	}
}

func TestAPanicIsAProblemDocument(t *testing.T) {
	w := apitest.NewWorld()
	s := serveHandler(t, w, w.Server(func(p *api.Parts) {
		p.Console = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret state") })
	}).Handler())
	a := s.get("/whatever")
	if problem(t, a, 500); strings.Contains(string(a.body), "secret") {
		t.Errorf("a panic is told as %s", a.body)
	}
}

func TestRequestsThatDoNotFitAreExplained(t *testing.T) {
	long := strings.Repeat("x", 501)
	tests := []struct {
		name, method, path, body string
		want                     string
	}{
		{"a field is missing", "POST", "/api/v1/regions/us-east/drain", `{}`, "field reason: is missing"},
		{"a field is not known", "POST", "/api/v1/regions/us-east/drain", `{"reason":"x","untill":"1h"}`, "untill"},
		{"a field is empty", "POST", "/api/v1/regions/us-east/drain", `{"reason":""}`, "field reason: is empty"},
		{"a field is too long", "POST", "/api/v1/regions/us-east/drain", `{"reason":"` + long + `"}`, "longer than 500"},
		{"a duration is none", "POST", "/api/v1/regions/us-east/drain", `{"reason":"x","for":"soon"}`, "field for: does not look like 1h30m"},
		{"a duration is zero", "POST", "/api/v1/regions/us-east/drain", `{"reason":"x","for":"0s"}`, "not a length of time"},
		{"a type is wrong", "POST", "/api/v1/regions/us-east/drain", `{"reason":7}`, "field reason: must be text"},
		{"all problems at once", "POST", "/api/v1/regions/us-east/drain", `{"for":"soon","force":"yes"}`, "field for: does not look like 1h30m; field force: must be true or false; field reason: is missing"},
		{"it is not JSON", "POST", "/api/v1/regions/us-east/drain", `{"reason":`, "not well-formed JSON"},
		{"it is two documents", "POST", "/api/v1/regions/us-east/drain", `{"reason":"x","dry_run":true}{"reason":"y"}`, "more than one document"},
		{"there is no body", "POST", "/api/v1/regions/us-east/drain", ``, "body is missing"},
		{"a state that cannot be forced", "POST", "/api/v1/overrides", `{"region":"us-east","state":"degraded","reason":"x","for":"1h"}`, "must be one of up, down"},
		{"a name that cannot be one", "POST", "/api/v1/regions/us%20east/drain", `{"reason":"x"}`, "parameter region"},
		{"an operation that is none", "POST", "/api/v1/executions/r1/explode", `{"reason":"x"}`, "must be one of approve, decline"},
		{"a number that is none", "GET", "/api/v1/audit?limit=many", ``, "parameter limit"},
		{"a number that is too large", "GET", "/api/v1/audit?limit=100000", ``, "is more than 1000"},
		{"a parameter that is not known", "GET", "/api/v1/audit?limt=5", ``, "parameter limt: is not known"},
		{"a parameter that is missing", "GET", "/api/v1/explain", ``, "parameter name is missing"},
		{"a client that is none", "GET", "/api/v1/explain?name=a&client=here", ``, "neither an address nor a prefix"},
		{"an instant that is none", "GET", "/api/v1/explain?name=a&at=yesterday", ``, "parameter at"},
		{"an event type that is none", "GET", "/api/v1/events?types=status,weather", ``, "weather"},
	}
	s := serve(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.t = t
			p := problem(t, s.call(tt.method, tt.path, tt.body), 400)
			if !strings.Contains(p.Detail, tt.want) || p.Remedy == "" {
				t.Errorf("%s %s %s\n got %s\nwant %s, and a remedy", tt.method, tt.path, tt.body, p.Detail, tt.want)
			}
		})
	}
	if len(s.world.Acts()) != 0 {
		t.Errorf("a request that did not fit was acted on: %+v", s.world.Acts())
	}
}

func TestABodyMustSayThatItIsJSON(t *testing.T) {
	s := serve(t)
	p := problem(t, s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`, header("Content-Type", "text/plain")), 400)
	if !strings.Contains(p.Detail, "application/json") {
		t.Errorf("detail %q", p.Detail)
	}
}

// endless is a body of a given size that counts how much of it was taken.
type endless struct {
	size  int64
	taken atomic.Int64
}

func (e *endless) Read(b []byte) (int, error) {
	n := min(int64(len(b)), e.size-e.taken.Load())
	if n == 0 {
		return 0, io.EOF
	}
	e.taken.Add(n)
	return int(n), nil
}

func TestABodyOf100MBIsRefusedUnread(t *testing.T) {
	for _, declared := range []bool{true, false} {
		t.Run(fmt.Sprintf("length declared %v", declared), func(t *testing.T) {
			s := serve(t)
			body := &endless{size: 100 << 20}
			req, err := http.NewRequest(http.MethodPost, s.url+"/api/v1/config/check", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if declared {
				req.ContentLength = body.size
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			p := problem(t, answer{resp.StatusCode, resp.Header, text}, 413)
			if !strings.Contains(p.Detail, "larger than 1 MiB") || p.Remedy == "" {
				t.Errorf("detail %q", p.Detail)
			}
			if taken := body.taken.Load(); taken > 20<<20 {
				t.Errorf("%d MB of 100 MB were taken", taken>>20)
			}
		})
	}
}

func TestWhatIsNotThereIsAProblemInTheAPIAndTheConsoleElsewhere(t *testing.T) {
	s := serve(t)
	problem(t, s.get("/api/v1/nothing"), 404)
	problem(t, s.get("/api/v2/status"), 404)
	if a := s.call(http.MethodPut, "/api/v1/status", ""); problem(t, a, 405).Detail == "" {
		t.Errorf("PUT status: %s", a.body)
	}
	if a := s.get("/regions/us-east"); a.code != 200 || string(a.body) != "console /regions/us-east" {
		t.Errorf("the console answers %d %s", a.code, a.body)
	}
}

func TestProbesAndMetrics(t *testing.T) {
	s := serve(t)
	if a := s.get("/livez"); a.code != 200 {
		t.Errorf("livez %d", a.code)
	}
	if a := s.get("/readyz"); a.code != 200 || string(a.body) != "ready\n" {
		t.Errorf("readyz %d %s", a.code, a.body)
	}
	s.world.Unwell("no decided state yet", "no zone is served")
	if a := s.get("/readyz"); a.code != 503 || string(a.body) != "no decided state yet\nno zone is served\n" {
		t.Errorf("readyz of an unwell node: %d %s", a.code, a.body)
	}
	if a := s.get("/metrics"); a.code != 200 || !strings.Contains(string(a.body), "fairlead_up 1") {
		t.Errorf("metrics %d %s", a.code, a.body)
	}
}

func TestAnswersCarrySecurityHeaders(t *testing.T) {
	s := serve(t)
	for path, policy := range map[string]string{"/api/v1/status": "default-src 'none'", "/": "default-src 'self'"} {
		h := s.get(path).head
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), policy) {
			t.Errorf("GET %s: headers %v", path, h)
		}
	}
}

func TestListenRefusesOtherMachinesWithoutTokens(t *testing.T) {
	anywhere, here := &net.TCPAddr{IP: net.IPv4zero, Port: 8470}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8470}
	if err := api.CheckListen(here, 0); err != nil {
		t.Errorf("loopback without tokens: %v", err)
	}
	if err := api.CheckListen(anywhere, 1); err != nil {
		t.Errorf("everywhere with a token: %v", err)
	}
	if err := api.CheckListen(anywhere, 0); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "token") {
		t.Errorf("everywhere without tokens: %v, want a refusal that says how", err)
	}
}

func TestAPartThatIsMissingIsNamed(t *testing.T) {
	_, err := api.New(api.Parts{})
	if err == nil || !strings.Contains(err.Error(), "Overview is missing") {
		t.Errorf("New without parts = %v", err)
	}
}

func TestRunEndsWithItsContextAlthoughSomebodyWatches(t *testing.T) {
	w := apitest.NewWorld()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextOf(t)
	ended := make(chan error, 1)
	go func() { ended <- w.Server().Run(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run did not end with its context")
	}
}
