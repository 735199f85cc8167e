package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"fairlead/api/apitest"
	"fairlead/api/openapi"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// server serves the world on loopback and holds every answer that tests get
// from it against the document.
type server struct {
	t      *testing.T
	world  *apitest.World
	url    string
	router routers.Router
}

func serve(t *testing.T) *server {
	t.Helper()
	w := apitest.NewWorld()
	return serveHandler(t, w, w.Server().Handler())
}

func serveHandler(t *testing.T, w *apitest.World, h http.Handler) *server {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	router, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, world: w, url: ts.URL, router: router}
}

var documented = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi.Document()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// answer is what came back.
type answer struct {
	code int
	head http.Header
	body []byte
}

type edit func(*http.Request)

func bearer(token string) edit {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func header(name, value string) edit { return func(r *http.Request) { r.Header.Set(name, value) } }

func (s *server) call(method, path, body string, edits ...edit) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range edits {
		f(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	s.holdAgainstDocument(req, resp, text)
	return answer{resp.StatusCode, resp.Header, text}
}

// holdAgainstDocument fails the test if an answer is not what the document
// promises.
func (s *server) holdAgainstDocument(req *http.Request, resp *http.Response, body []byte) {
	s.t.Helper()
	route, params, err := s.router.FindRoute(req)
	if err != nil {
		return // no route of the document: nothing is promised
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		s.t.Errorf("%s %s answered %d with what the document does not promise: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, err, body)
	}
}

func (s *server) get(path string, edits ...edit) answer {
	s.t.Helper()
	return s.call(http.MethodGet, path, "", edits...)
}

func (s *server) post(path, body string, edits ...edit) answer {
	s.t.Helper()
	return s.call(http.MethodPost, path, body, edits...)
}

func as[T any](t *testing.T, a answer, code int) (v T) {
	t.Helper()
	if a.code != code {
		t.Fatalf("status %d, want %d: %s", a.code, code, a.body)
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// problem is the answer as a problem document, which it must be.
func problem(t *testing.T, a answer, code int) openapi.Problem {
	t.Helper()
	if got := a.head.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") {
		t.Errorf("content type %q, want application/problem+json (status %d): %s", got, a.code, a.body)
	}
	p := as[openapi.Problem](t, a, code)
	if p.Status != code || p.Detail == "" || p.Title == "" || p.Kind == "" || p.Type == "" {
		t.Errorf("incomplete problem document for %d: %s", code, a.body)
	}
	return p
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
