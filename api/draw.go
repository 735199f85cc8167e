package api

import (
	"context"
	"encoding/json"
	"time"

	"fairlead/api/openapi"
	"fairlead/runbooks"
)

const (
	drawEvery   = 500 * time.Millisecond
	refreshEach = 5 * time.Second // although nothing changed: ages and latencies did
)

// picture is the whole status as JSON.
func (s *Server) picture(ctx context.Context) (json.RawMessage, error) {
	st, err := s.status(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(st)
}

func (s *Server) status(ctx context.Context) (openapi.Status, error) {
	v, err := s.Overview.View(ctx)
	if err != nil {
		return openapi.Status{}, err
	}
	return whole(encodeStatus(v)), nil
}

// draw keeps the watchers' picture current until ctx ends, and tells them of
// alarms that came or went. While nobody watches it sleeps.
func (s *Server) draw(ctx context.Context) {
	var last artist
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Stream.touch:
			s.publishRuns(ctx)
			continue
		case <-s.Stream.woken:
		case <-ticker.C:
		}
		if !s.Stream.watched() {
			continue
		}
		st, err := s.status(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("the live picture could not be drawn", "err", err)
			}
			continue
		}
		if err := last.show(s.Stream, st, time.Now()); err != nil {
			s.log.Error("the live picture could not be written", "err", err)
		}
	}
}

// publishRuns tells the watchers where the runs stand of which the trail has a
// new entry.
func (s *Server) publishRuns(ctx context.Context) {
	for _, id := range s.Stream.takeTouched() {
		run, err := s.Runs.Run(ctx, runbooks.ExecutionID(id))
		if err == nil {
			err = s.Stream.Execution(encodeSummary(run.Execution, time.Now()))
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("a run could not be shown to the watchers", "run", id, "err", err)
		}
	}
}

// artist remembers what was drawn, so that only changes are.
type artist struct {
	still  string // the last picture without what always moves
	at     time.Time
	alarms map[string]openapi.Alarm
}

func (a *artist) show(stream *Stream, st openapi.Status, now time.Time) error {
	still, err := json.Marshal(stillLife(st))
	if err != nil {
		return err
	}
	if string(still) == a.still && now.Sub(a.at) < refreshEach {
		return nil
	}
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	first := a.at.IsZero()
	a.still, a.at = string(still), now
	stream.draw(b)
	return a.ring(stream, st.Alarms, first)
}

// ring publishes the difference between the alarms before and now. The first
// picture shows them all; nothing came or went then.
func (a *artist) ring(stream *Stream, alarms []openapi.Alarm, first bool) error {
	before := a.alarms
	a.alarms = map[string]openapi.Alarm{}
	for _, alarm := range alarms {
		a.alarms[alarm.Id] = alarm
		if _, was := before[alarm.Id]; !was && !first {
			if err := stream.Alarm(openapi.AlarmEvent{Raised: true, Alarm: alarm}); err != nil {
				return err
			}
		}
	}
	for id, alarm := range before {
		if _, is := a.alarms[id]; !is {
			if err := stream.Alarm(openapi.AlarmEvent{Raised: false, Alarm: alarm}); err != nil {
				return err
			}
		}
	}
	return nil
}

// stillLife is the picture without ages and latencies, which change at each
// look.
func stillLife(st openapi.Status) openapi.Status {
	st.At = time.Time{}
	st = whole(st) // a copy of every list
	for i := range st.Services {
		for j := range st.Services[i].Endpoints {
			e := &st.Services[i].Endpoints[j]
			e.LatencyMs = nil
			for k := range e.Reports {
				e.Reports[k].AgeMs, e.Reports[k].LatencyMs = 0, nil
			}
		}
	}
	for i := range st.Databases {
		for j := range st.Databases[i].Members {
			m := &st.Databases[i].Members[j]
			m.MeasuredAgeMs, m.LagBytes, m.LagSeconds = nil, nil, nil
			if m.Agent != nil {
				m.Agent.AgeMs = nil
			}
		}
	}
	for i := range st.Nodes {
		st.Nodes[i].LastHeardMs = nil
	}
	return st
}
