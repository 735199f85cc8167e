package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fairlead/api/apitest"
)

// Whatever somebody sends, it is their fault or it works; it is never ours.
func FuzzRequestsNeverBreakTheServer(f *testing.F) {
	for _, act := range acts {
		f.Add(act.method, act.path, act.body)
	}
	f.Add("GET", "/api/v1/explain?name=%00&client=::ffff:1.2.3.4/120", "")
	f.Add("GET", "/api/v1/audit?from=9223372036854775807&limit=1000", "")
	f.Add("POST", "/api/v1/regions/us-east/drain", `{"reason":"\ud800","for":"9999999999999h"}`)
	f.Add("POST", "/api/v1/executions", `{"runbook":"switchover","params":{"a":null},"reason":"x"}`)
	f.Add("POST", "/api/v1/executions/preview", `{"runbook":"switchover","database":"orders","to":"eu-central"}{}`)
	h := apitest.NewWorld().Server().Handler()
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if strings.Contains(path, "/events") {
			return // a stream has no end
		}
		r, err := http.NewRequest(method, "http://localhost", strings.NewReader(body))
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		if r.URL, err = r.URL.Parse(path); err != nil || r.URL.Host != "localhost" {
			return
		}
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s %q = %d %s", method, path, body, w.Code, w.Body)
		}
	})
}
