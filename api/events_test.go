package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead/api"
	"fairlead/api/apitest"
	"fairlead/api/openapi"
)

type live struct {
	id, kind string
	data     string
}

// watch returns the live events of a server, and a function that hangs up.
func watch(t *testing.T, url, query, last string) (<-chan live, func()) {
	t.Helper()
	ctx, hangUp := context.WithCancel(context.Background())
	t.Cleanup(hangUp)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("content type %q (%s)", got, resp.Status)
	}
	events := make(chan live, 100)
	go func() {
		defer resp.Body.Close()
		defer close(events)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		var e live
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if e.kind != "" {
					events <- e
				}
				e = live{}
			}
		}
	}()
	return events, hangUp
}

func next(t *testing.T, events <-chan live) live {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event in 20 s")
	}
	panic("unreachable")
}

// until reads on to the first event of a kind.
func until(t *testing.T, events <-chan live, kind string) live {
	t.Helper()
	for {
		if e := next(t, events); e.kind == kind {
			return e
		}
	}
}

// running serves the world as a node does, with the loop that draws.
func running(t *testing.T) *server {
	t.Helper()
	w := apitest.NewWorld()
	srv := w.Server()
	s := serveHandler(t, w, srv.Handler())
	ctx, cancel := contextOf(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		api.Draw(srv, ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

func TestEventsBeginWithThePictureAndFollowWhatChanges(t *testing.T) {
	s := running(t)
	events, _ := watch(t, s.url, "", "")
	first := next(t, events)
	var st openapi.Status
	if err := json.Unmarshal([]byte(first.data), &st); err != nil || first.kind != "status" || len(st.Regions) != 3 {
		t.Fatalf("the first event is %s %.80s (%v)", first.kind, first.data, err)
	}
	s.post("/api/v1/regions/us-east/drain", `{"reason":"x"}`)
	var e openapi.AuditEntry
	if err := json.Unmarshal([]byte(until(t, events, "audit").data), &e); err != nil || e.Kind != "drain" {
		t.Errorf("audit %+v (%v)", e, err)
	}
	for {
		if err := json.Unmarshal([]byte(until(t, events, "status").data), &st); err != nil {
			t.Fatal(err)
		}
		if st.Regions[0].Effective == openapi.StateDown {
			break
		}
	}
}

func TestEventsTellAlarmsAndRuns(t *testing.T) {
	s := running(t)
	events, _ := watch(t, s.url, "?types=alarm,execution", "")
	time.Sleep(600 * time.Millisecond) // the first picture holds what stood before
	s.world.Kill("us-east")
	var a openapi.AlarmEvent
	if err := json.Unmarshal([]byte(until(t, events, "alarm").data), &a); err != nil || !a.Raised {
		t.Errorf("alarm %+v (%v)", a, err)
	}
	s.post("/api/v1/executions", order)
	var x openapi.ExecutionSummary
	if err := json.Unmarshal([]byte(until(t, events, "execution").data), &x); err != nil || x.Id != "r1" {
		t.Errorf("execution %+v (%v)", x, err)
	}
}

func TestAWatcherThatComesBackMissesNothing(t *testing.T) {
	s := serve(t)
	events, hangUp := watch(t, s.url, "?types=audit", "")
	s.post("/api/v1/regions/us-east/drain", `{"reason":"1"}`)
	last := until(t, events, "audit").id
	hangUp()
	s.post("/api/v1/regions/us-east/restore", `{"reason":"2"}`)
	s.post("/api/v1/regions/us-east/drain", `{"reason":"3"}`)
	for name, reconnect := range map[string]func() (<-chan live, func()){
		"by header":    func() (<-chan live, func()) { return watch(t, s.url, "?types=audit", last) },
		"by parameter": func() (<-chan live, func()) { return watch(t, s.url, "?types=audit&last_event_id="+last, "") },
	} {
		t.Run(name, func(t *testing.T) {
			events, _ := reconnect()
			for _, want := range []string{"2", "3"} {
				var e openapi.AuditEntry
				if err := json.Unmarshal([]byte(next(t, events).data), &e); err != nil || e.Reason != want {
					t.Errorf("entry %+v (%v), want reason %s", e, err, want)
				}
			}
		})
	}
}

func TestAWatcherOfAnotherNodeOrLifeIsToldToStartAnew(t *testing.T) {
	s := serve(t)
	for _, last := range []string{"0123456789ab.7", "nonsense"} {
		events, hangUp := watch(t, s.url, "", last)
		if e := next(t, events); e.kind != "status" {
			t.Errorf("after %q the first event is %s", last, e.kind)
		}
		if e := next(t, events); e.kind != "reset" {
			t.Errorf("after %q comes %s, want reset", last, e.kind)
		}
		hangUp()
	}
}

func TestAWatcherAwayForTooLongIsToldToStartAnew(t *testing.T) {
	s := serve(t)
	events, hangUp := watch(t, s.url, "?types=history", "")
	if err := s.world.Stream.History(openapi.HistoryEntry{Position: 0}); err != nil {
		t.Fatal(err)
	}
	last := until(t, events, "history").id
	hangUp()
	for i := range 5000 {
		if err := s.world.Stream.History(openapi.HistoryEntry{Position: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	events, _ = watch(t, s.url, "?types=history", last)
	if e := next(t, events); e.kind != "reset" {
		t.Errorf("comes %s, want reset", e.kind)
	}
}

// The limits that protect the server from slow clients must not cut a stream
// that is only quiet.
func TestAQuietStreamOutlivesTheTimeLimitsOfRequests(t *testing.T) {
	w := apitest.NewWorld()
	ts := httptest.NewUnstartedServer(w.Server().Handler())
	ts.Config.ReadTimeout, ts.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	ts.Start()
	t.Cleanup(ts.Close)
	events, _ := watch(t, ts.URL, "", "")
	next(t, events)
	time.Sleep(time.Second)
	if err := w.Stream.History(openapi.HistoryEntry{Sentence: "still here"}); err != nil {
		t.Fatal(err)
	}
	if e := next(t, events); e.kind != "history" {
		t.Errorf("after a second of silence comes %s", e.kind)
	}
}
