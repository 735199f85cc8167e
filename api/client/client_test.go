package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/api/apitest"
	"fairlead/api/auth"
	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

func connect(t *testing.T, url, token string) *client.Client {
	t.Helper()
	c, err := client.New(client.Settings{Server: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAFaultComesBackAsItWas(t *testing.T) {
	w := apitest.NewWorld()
	ts := httptest.NewServer(w.Server().Handler())
	defer ts.Close()
	c := connect(t, ts.URL, "")
	for _, want := range []*fault.Error{
		fault.Invalidf("region x", "is wrong").Do("mend it"),
		fault.NotFoundf("region x", "is absent (since Monday)").Do("look (again)"),
		fault.Conflictf("region x", "has moved: by 3"),
		fault.Deniedf("alice", "may not").Do("ask"),
		fault.Unavailablef("store", "is gone").Because(errors.New("no leader")).Do("wait"),
	} {
		w.Fail(want)
		_, err := client.Get[openapi.Status](c.GetStatus(t.Context()))
		got, ok := errors.AsType[*fault.Error](err)
		if !ok || got.Kind != want.Kind || got.Subject != want.Subject || got.Remedy != want.Remedy || got.Error() != want.Error() {
			t.Errorf("got %#v\nwant %#v", got, want)
		}
		if client.Unreachable(err) {
			t.Errorf("%v counts as not reached", err)
		}
	}
}

func TestAnAnswerAndATokenTravel(t *testing.T) {
	w := apitest.NewWorld()
	ts := httptest.NewServer(w.Server().Handler())
	defer ts.Close()
	c := connect(t, ts.URL, w.AddToken("alice", []auth.Role{auth.Admin}))
	who, err := client.Get[openapi.Whoami](c.GetWhoami(t.Context()))
	if err != nil || who.Name != "alice" {
		t.Errorf("whoami = %+v, %v", who, err)
	}
	if err := client.Done(c.DeleteSession(t.Context())); err != nil {
		t.Errorf("an answer without a document: %v", err)
	}
}

func TestAServerThatIsNotThereIsUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = client.Get[openapi.Status](connect(t, "http://"+ln.Addr().String(), "").GetStatus(t.Context()))
	if !client.Unreachable(err) || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one sentence that it cannot be reached, and why", err)
	}
}

func TestWhatIsNoFairleadIsSaidSo(t *testing.T) {
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
			return
		}
		w.Write([]byte("<html>"))
	}))
	defer ts.Close()
	c := connect(t, ts.URL, "")
	if _, err := client.Get[openapi.Whoami](c.GetWhoami(t.Context())); err == nil || !strings.Contains(err.Error(), "Fairlead node") {
		t.Errorf("HTML: %v", err)
	}
	if _, err := client.Get[openapi.Status](c.GetStatus(t.Context())); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v, want it not followed", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		s    client.Settings
		want string
	}{
		{"no URL", client.Settings{Server: "127.0.0.1:8470"}, "not a URL"},
		{"credentials in the URL", client.Settings{Server: "http://a:b@127.0.0.1:8470"}, "credentials"},
		{"a token in clear", client.Settings{Server: "http://fairlead.example", Token: "a.b"}, "in clear"},
		{"no certificate", client.Settings{Server: "https://fairlead.example", CAFile: empty}, "no certificate"},
		{"no file", client.Settings{Server: "https://fairlead.example", CAFile: empty + "x"}, "cannot be read"},
	}
	for _, tt := range tests {
		if _, err := client.New(tt.s); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := client.New(client.Settings{Server: "http://localhost:8470", Token: "a.b"}); err != nil {
		t.Errorf("a token to this machine: %v", err)
	}
}

// cutter is a listener whose connections can all be cut at once.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func TestWatchResumesWhereItBroke(t *testing.T) {
	w := apitest.NewWorld()
	ts := httptest.NewUnstartedServer(w.Server().Handler())
	cut := &cutter{Listener: ts.Listener}
	ts.Listener = cut
	ts.Start()
	defer ts.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- connect(t, ts.URL, "").Watch(ctx, []string{"history", "status"}, func(e client.Event) error {
			seen <- e.Type + " " + string(e.Data)
			return nil
		})
	}()
	await := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-seen:
				if strings.HasPrefix(got, "reset") {
					t.Fatalf("events were missed: %s", got)
				}
				if strings.Contains(got, want) {
					return
				}
			case <-ctx.Done():
				t.Fatalf("no event with %q", want)
			}
		}
	}
	await("status")
	for _, word := range []string{"one", "two", "three"} {
		cut.cut()
		if err := w.Stream.History(openapi.HistoryEntry{Sentence: word}); err != nil {
			t.Fatal(err)
		}
		await(word)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v after its context ended, want nil", err)
	}
}

func TestWatchEndsWithItsReaderAndWithARefusal(t *testing.T) {
	w := apitest.NewWorld()
	ts := httptest.NewServer(w.Server().Handler())
	defer ts.Close()
	enough := errors.New("enough")
	if err := connect(t, ts.URL, "").Watch(t.Context(), nil, func(client.Event) error { return enough }); err != enough {
		t.Errorf("Watch = %v, want what its reader said", err)
	}
	w.AddToken("alice", []auth.Role{auth.Admin})
	if err := connect(t, ts.URL, "a.b").Watch(t.Context(), nil, func(client.Event) error { return nil }); !fault.Is(err, fault.Denied) {
		t.Errorf("Watch with a wrong token = %v, want a refusal", err)
	}
}
