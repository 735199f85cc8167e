package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/regions"
)

// outcome makes one check and returns its reason; empty is a success.
func outcome(t *testing.T, target regions.Target, dial DialFunc) string {
	t.Helper()
	p, err := New(target, dial)
	if err != nil {
		t.Fatal(err)
	}
	return once(t, p, target.Check.Timeout)
}

func once(t *testing.T, p Prober, timeout time.Duration) string {
	t.Helper()
	o, ended := observe(t.Context(), p, timeout)
	if ended {
		t.Fatal("the test's own context ended")
	}
	if o.State == regions.Up {
		return ""
	}
	return o.Reason
}

func target(kind regions.CheckKind, address string) regions.Target {
	return regions.Target{ID: "www@us", Address: address, Host: "www.example.com",
		Check: regions.Check{Kind: kind, Interval: time.Second, Timeout: 5 * time.Second, Rise: 1, Fall: 1}}
}

func TestAnHTTPCheckAsksAsItWasTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/host":
			fmt.Fprint(w, r.Host)
		case "/elsewhere":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/broken":
			http.Error(w, "no", http.StatusServiceUnavailable)
		case "/late":
			w.Write([]byte(strings.Repeat(" ", regions.MaxContains) + "ok"))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("o"))
		default:
			fmt.Fprint(w, "all is ok")
		}
	}))
	defer server.Close()
	tests := []struct {
		name string
		http regions.HTTPCheck
		want string
	}{
		{"a 200 is enough", regions.HTTPCheck{}, ""},
		{"a text in the body", regions.HTTPCheck{Contains: "ok"}, ""},
		{"which is not there", regions.HTTPCheck{Contains: "fine"}, `body lacks "fine"`},
		{"or too far back", regions.HTTPCheck{Path: "/late", Contains: "ok"}, `body lacks "ok"`},
		{"the Host header is the service's name", regions.HTTPCheck{Path: "/host", Contains: "www.example.com"}, ""},
		{"a 503", regions.HTTPCheck{Path: "/broken"}, "HTTP 503"},
		{"which may be what is wanted", regions.HTTPCheck{Path: "/broken", StatusMin: 503, StatusMax: 503}, ""},
		{"a redirect is an answer and is not followed", regions.HTTPCheck{Path: "/elsewhere"}, ""},
		{"unless only 200 will do", regions.HTTPCheck{Path: "/elsewhere", StatusMin: 200, StatusMax: 200}, "HTTP 302"},
		{"a body that breaks off", regions.HTTPCheck{Path: "/cut", Contains: "ok"}, "connection closed without an answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := target(regions.HTTP, server.Listener.Addr().String())
			target.Check.HTTP = tt.http
			if got := outcome(t, target, nil); got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnHTTPSCheckVerifiesTheCertificateUnlessTold(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.ServerName != "www.example.com" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	}))
	server.Config.ErrorLog = nil
	defer server.Close()
	target := target(regions.HTTPS, server.Listener.Addr().String())
	if got := outcome(t, target, nil); got != "certificate: unknown authority" {
		t.Errorf("reason %q", got)
	}
	target.Check.HTTP.Insecure = true
	if got := outcome(t, target, nil); got != "" {
		t.Errorf("reason %q, want none: reachability was asked, and the name is sent by SNI", got)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	target.Address = plain.Listener.Addr().String()
	if got := outcome(t, target, nil); got != "does not speak TLS" {
		t.Errorf("reason %q", got)
	}
}

func TestAnHTTPCheckKeepsItsConnectionAndOpensAFreshOneAfterAFailure(t *testing.T) {
	var fail atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fail.Load() {
			w.WriteHeader(500)
		}
	}))
	defer server.Close()
	var dials atomic.Int32
	p, err := New(target(regions.HTTP, server.Listener.Addr().String()), func(ctx context.Context, n, a string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, n, a)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		once(t, p, 5*time.Second)
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for three successes, want 1", n)
	}
	fail.Store(true)
	once(t, p, 5*time.Second)
	fail.Store(false)
	once(t, p, 5*time.Second)
	if n := dials.Load(); n != 2 {
		t.Errorf("%d connections, want a second one after the failure", n)
	}
}

func TestATCPCheckIsSatisfiedByAConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := target(regions.TCP, ln.Addr().String())
	if got := outcome(t, target, nil); got != "" {
		t.Errorf("reason %q", got)
	}
	ln.Close()
	if got := outcome(t, target, nil); got != "connection refused" {
		t.Errorf("reason %q, want connection refused", got)
	}
}

func TestReasonsAreShortAndPlain(t *testing.T) {
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	target := target(regions.TCP, "x:1")
	target.Check.Timeout = 20 * time.Millisecond
	if got := outcome(t, target, silent); got != "timeout after 20ms" {
		t.Errorf("reason %q", got)
	}
	tests := []struct {
		err  error
		want string
	}{
		{io.EOF, "connection closed without an answer"},
		{&net.DNSError{Name: "db.internal"}, "cannot resolve db.internal"},
		{Degraded("replication is late"), "replication is late"},
		{errors.New("a very long story\nover several lines that nobody wants to read ä"), "a very long story over several lines that nob…"},
		{errors.New("ääääääääääääääääääääääääääääää"), "ääääääääääääääääääääää…"},
	}
	for _, tt := range tests {
		if got := reason(tt.err, false, 0); got != tt.want || len(got) > MaxReason {
			t.Errorf("reason(%q) = %q (%d bytes), want %q", tt.err, got, len(got), tt.want)
		}
	}
}

func TestACheckOfNoKindIsRefused(t *testing.T) {
	if _, err := New(regions.Target{ID: "x"}, nil); err == nil || !strings.Contains(err.Error(), "use http, https, tcp or postgres") {
		t.Errorf("error %v", err)
	}
}
