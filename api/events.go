package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fairlead/api/openapi"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

const (
	maxWatchers     = 512
	heartbeat       = 15 * time.Second
	eventWriteLimit = 10 * time.Second // a watcher that takes nothing for so long is let go
	retryAfterMs    = 1000             // what browsers wait before they come back
)

// StreamEvents implements [openapi.ServerInterface]: server-sent events, first
// the picture, then what changes. It ends with the server or the watcher.
func (s *Server) StreamEvents(c *gin.Context, params openapi.StreamEventsParams) {
	wants, err := wantedTypes(params.Types)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !s.Stream.join() {
		s.fail(c, fault.Unavailablef("live events", "%d watchers are connected already", maxWatchers).Do("close some, or ask another node"))
		return
	}
	defer s.Stream.leave()
	last := params.LastEventID
	if last == "" {
		last = params.LastEventId
	}
	at, lost := s.Stream.resume(last)
	picture, err := s.picture(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	out := &eventWriter{w: c.Writer, rc: http.NewResponseController(c.Writer), wants: wants}
	err = out.begin()
	if err == nil {
		err = s.follow(c, out, at, lost, picture)
	}
	if err != nil {
		s.log.Debug("a watcher of live events is gone", "err", err)
	}
}

func (s *Server) follow(c *gin.Context, out *eventWriter, at cursor, lost bool, picture json.RawMessage) error {
	// The first event has the id before what follows, so that who breaks off
	// right after it misses nothing.
	if err := out.event(StatusEvent, s.Stream.eventID(at.next-1), picture); err != nil {
		return err
	}
	idle := time.NewTicker(heartbeat)
	defer idle.Stop()
	for {
		b, more := s.Stream.read(&at)
		if b.lost || lost {
			lost = false
			if err := out.event(ResetEvent, s.Stream.eventID(b.first-1), json.RawMessage("{}")); err != nil {
				return err
			}
		}
		for i, e := range b.events {
			if err := out.event(e.Type, s.Stream.eventID(b.first+uint64(i)), e.Data); err != nil {
				return err
			}
		}
		if b.status != nil {
			if err := out.event(StatusEvent, s.Stream.eventID(at.next-1), b.status); err != nil {
				return err
			}
		}
		select {
		case <-c.Request.Context().Done():
			return nil
		case <-more:
		case <-idle.C:
			if err := out.comment("still here"); err != nil {
				return err
			}
		}
	}
}

func wantedTypes(text string) ([]EventType, error) {
	if text == "" {
		return nil, nil
	}
	known := []EventType{StatusEvent, ExecutionEvent, AlarmEvent, AuditEvent, HistoryEvent, ResetEvent}
	var wants []EventType
	for word := range strings.SplitSeq(text, ",") {
		t := EventType(strings.TrimSpace(word))
		if !slices.Contains(known, t) {
			return nil, fault.Invalidf("parameter types", "%q is not a type of event", word).Do("use status, execution, alarm, audit or history")
		}
		wants = append(wants, t)
	}
	return wants, nil
}

// eventWriter writes the text/event-stream format of the HTML standard,
// section 9.2.
type eventWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	wants []EventType // empty: all
}

// begin sends the head at once: who waits only for rare events must know that
// the stream stands.
func (o *eventWriter) begin() error {
	// The request has been read; its time limit must not end the stream.
	_ = o.rc.SetReadDeadline(time.Time{})
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies must not collect events
	o.w.WriteHeader(http.StatusOK)
	return o.comment("connected")
}

func (o *eventWriter) event(t EventType, id string, data json.RawMessage) error {
	if len(o.wants) > 0 && t != ResetEvent && !slices.Contains(o.wants, t) {
		return nil
	}
	return o.write(fmt.Sprintf("retry: %d\nid: %s\nevent: %s\ndata: %s\n\n", retryAfterMs, id, t, data))
}

func (o *eventWriter) comment(text string) error { return o.write(": " + text + "\n\n") }

func (o *eventWriter) write(text string) error {
	// Not every writer has deadlines (HTTP/2 in tests); then the connection's hold.
	_ = o.rc.SetWriteDeadline(time.Now().Add(eventWriteLimit))
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.rc.Flush()
}
