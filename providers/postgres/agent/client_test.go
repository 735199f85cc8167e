package agent_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"fairlead/providers/postgres/agent"
	"fairlead/providers/postgres/pgtest"
	"fairlead/regions/fault"
)

// TestAnOrderThatMayHaveArrivedIsNeverCalledUntouched: the transport repeats
// an order on a new connection when an old one breaks, so a refused connection
// alone does not say that nothing was heard.
func TestAnOrderThatMayHaveArrivedIsNeverCalledUntouched(t *testing.T) {
	a := pgtest.NewAuthority(t)
	var dies atomic.Bool
	var srv *httptest.Server
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !dies.Load() {
			w.Write([]byte(`{}`))
			return
		}
		srv.Listener.Close() // in the middle of the verb
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	}))
	srv.TLS = a.Config(t, "agent-us-east", "agent")
	srv.StartTLS()
	defer srv.Close()
	c, err := agent.NewClient(srv.Listener.Addr().String(), a.Config(t, "control-1", "control"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), agent.VerbStatus, order("", 0)); err != nil {
		t.Fatal(err)
	}
	dies.Store(true)
	if _, err := c.Do(t.Context(), agent.VerbFence, order("k", 5)); !fault.Is(err, fault.Unavailable) || agent.IsUntouched(err) {
		t.Errorf("an order whose agent died over it = %v, untouched: %v; want unavailable, and nothing known", err, agent.IsUntouched(err))
	}
	if _, err := c.Do(t.Context(), agent.VerbFence, order("k", 5)); !fault.Is(err, fault.Unavailable) || !agent.IsUntouched(err) {
		t.Errorf("an order to nobody = %v, untouched: %v; want unavailable, and certain that nothing was begun", err, agent.IsUntouched(err))
	}
}
