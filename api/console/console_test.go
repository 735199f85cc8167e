package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	whole := fstest.MapFS{
		"index.html":            {Data: []byte("<title>Fairlead</title>")},
		"theme.js":              {Data: []byte("theme")},
		"assets/app-1a2b.js":    {Data: []byte("plain")},
		"assets/app-1a2b.js.br": {Data: []byte("brotli")},
		"assets/app-1a2b.js.gz": {Data: []byte("gzip")},
		".keep":                 {},
	}
	unbuilt := fstest.MapFS{".keep": {}}

	tests := []struct {
		name, method, path, accept string
		files                      fstest.MapFS
		code                       int
		body, coding, cache        string
	}{
		{"the root is the page", "GET", "/", "", whole, 200, "Fairlead", "", "no-cache"},
		{"a path the console routes itself is the page", "GET", "/regions/us-east", "", whole, 200, "Fairlead", "", "no-cache"},
		{"a hashed file may be kept for ever", "GET", "/assets/app-1a2b.js", "", whole, 200, "plain", "", "public, max-age=31536000, immutable"},
		{"brotli where it is accepted", "GET", "/assets/app-1a2b.js", "gzip, br", whole, 200, "brotli", "br", "public, max-age=31536000, immutable"},
		{"gzip where brotli is refused", "GET", "/assets/app-1a2b.js", "br;q=0, gzip;q=0.5", whole, 200, "gzip", "gzip", "public, max-age=31536000, immutable"},
		{"a file of another build is not answered with the page", "GET", "/assets/old-9f.js", "", whole, 404, "reload the page", "", ""},
		{"paths of the API are never the console's", "GET", "/api/v1/nothing", "", whole, 404, "openapi.json", "", ""},
		{"nothing outside the build is reachable", "GET", "/../../etc/passwd", "", whole, 200, "Fairlead", "", "no-cache"},
		{"hidden files stay hidden", "GET", "/.keep", "", whole, 200, "Fairlead", "", "no-cache"},
		{"only reading is allowed", "POST", "/", "", whole, 405, "only answers GET", "", ""},
		{"without a build it says how to make one", "GET", "/", "", unbuilt, 503, "make build", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(tt.method, "http://console.test/", nil)
			req.URL.Path = tt.path
			if tt.accept != "" {
				req.Header.Set("Accept-Encoding", tt.accept)
			}
			rec := httptest.NewRecorder()
			handler(tt.files).ServeHTTP(rec, req)
			if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("%s %s = %d %q, want %d with %q", tt.method, tt.path, rec.Code, rec.Body, tt.code, tt.body)
			}
			if got := rec.Header().Get("Content-Encoding"); got != tt.coding {
				t.Errorf("%s %s came as %q, want %q", tt.method, tt.path, got, tt.coding)
			}
			if got := rec.Header().Get("Cache-Control"); got != tt.cache {
				t.Errorf("%s %s is cached as %q, want %q", tt.method, tt.path, got, tt.cache)
			}
		})
	}
}

func TestThePageMayLoadNothingFromElsewhere(t *testing.T) {
	rec := httptest.NewRecorder()
	Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	got := rec.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(got, "default-src 'none'") || strings.Contains(got, "http") || strings.Contains(got, "*") {
		t.Errorf("policy = %q, want nothing but 'self' on top of default-src 'none'", got)
	}
}
