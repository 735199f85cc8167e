package client

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// Event is one live event. Its data is JSON of the type that the document
// names for Type.
type Event struct {
	ID   string // the resume point after it
	Type string
	Data json.RawMessage
}

const (
	silence   = 45 * time.Second // three missed heartbeats: the connection is dead
	firstWait = 250 * time.Millisecond
	longWait  = 10 * time.Second
	maxEvent  = 16 << 20
)

// Watch calls f with each live event of the given types (all if none are
// given) until ctx ends (nil), f fails (its error), or the server refuses. A
// connection that breaks is made again and resumed where it broke, so f misses
// nothing, or gets an event of type "reset" if it did.
func (c *Client) Watch(ctx context.Context, types []string, f func(Event) error) error {
	w := watcher{client: c, types: types, f: f, wait: firstWait}
	for {
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case w.failed != nil:
			return w.failed
		case err != nil && !again(err):
			return err
		case err != nil && !w.reached:
			return err // never once connected: the caller should hear of it
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.wait):
			w.wait = min(2*w.wait, longWait)
		}
	}
}

// again reports whether connecting once more may help.
func again(err error) bool { return fault.Is(err, fault.Unavailable) }

type watcher struct {
	client  *Client
	types   []string
	f       func(Event) error
	last    string
	wait    time.Duration
	reached bool
	failed  error // of f
}

func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	url := w.client.base + "/api/v1/events"
	if len(w.types) > 0 {
		url += "?types=" + strings.Join(w.types, ",")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_ = w.client.sign(ctx, req) // it never fails
	req.Header.Set("Accept", "text/event-stream")
	if w.last != "" {
		req.Header.Set("Last-Event-ID", w.last)
	}
	resp, err := w.client.stream.Do(req)
	if err != nil {
		return connection(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return problem(resp, body)
	}
	w.reached = true
	return w.read(resp.Body, cancel)
}

// read takes the stream apart as the HTML standard, section 9.2.6, says. A
// silence of three heartbeats ends it.
func (w *watcher) read(body io.Reader, cancel context.CancelFunc) error {
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	var e Event
	var data []string
	for lines.Scan() {
		quiet.Reset(silence)
		line := lines.Text()
		if line == "" {
			if e.Type != "" || len(data) > 0 {
				e.Data = json.RawMessage(strings.Join(data, "\n"))
				if e.ID != "" {
					w.last = e.ID
				}
				w.wait = firstWait
				if w.failed = w.f(e); w.failed != nil {
					return w.failed
				}
			}
			e, data = Event{}, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Type = value
		case "data":
			data = append(data, value)
		}
	}
	if err := lines.Err(); err != nil {
		return connection(err)
	}
	return connection(io.EOF)
}
