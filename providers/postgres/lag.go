package postgres

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// Lag is what would be lost if a standby were promoted now: ranges, because a
// primary that does not answer may have written since somebody last looked.
//
// Times are measured on the monotonic clock of the node that looked, never by
// a server's clock. SecondsMax is sound: everything that the primary had
// written when the node looked that long ago has been received. BytesMax, when
// the primary does not answer, is an estimate from the fastest it was seen to
// write.
type Lag struct {
	Known                  bool
	BytesMin, BytesMax     int64
	SecondsMin, SecondsMax float64
	SecondsKnown           bool
	Age                    time.Duration // since the primary was last seen to be where BytesMin says
	Source                 string        // who said so
}

// Values are the lag for programs: bytes_min, bytes_max, seconds_min,
// seconds_max, age_seconds, source; what is not known is "unknown".
func (l Lag) Values() map[string]string {
	v := map[string]string{"bytes_min": "unknown", "bytes_max": "unknown", "seconds_min": "unknown", "seconds_max": "unknown",
		"age_seconds": "unknown", "source": l.Source}
	if l.Known {
		v["bytes_min"], v["bytes_max"] = strconv.FormatInt(l.BytesMin, 10), strconv.FormatInt(l.BytesMax, 10)
		v["age_seconds"] = seconds(l.Age.Seconds())
	}
	if l.SecondsKnown {
		v["seconds_min"], v["seconds_max"] = seconds(l.SecondsMin), seconds(l.SecondsMax)
	}
	return v
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// String is the lag in words.
func (l Lag) String() string {
	if !l.Known {
		return "what would be lost is unknown: " + l.Source
	}
	text := fmt.Sprintf("a promotion would lose %d to %d bytes", l.BytesMin, l.BytesMax)
	if l.SecondsKnown {
		text += fmt.Sprintf(", written in the last %s to %s seconds", seconds(l.SecondsMin), seconds(l.SecondsMax))
	}
	return fmt.Sprintf("%s, by %s, %s seconds old", text, l.Source, seconds(l.Age.Seconds()))
}

// exact is the lag while the primary's end is known as of now.
func exact(end, received LSN, tr *track, now time.Time, age time.Duration, source string) Lag {
	behind := end.Minus(received)
	l := Lag{Known: true, BytesMin: behind, BytesMax: behind, Age: age, Source: source, SecondsKnown: true}
	if behind > 0 {
		since, ok := tr.since(received, now)
		l.SecondsKnown, l.SecondsMax = ok, since.Seconds()
	}
	return l
}

// remembered is the lag by what the monitor last saw of a primary that does
// not answer now. received is where the standby is now, or was last seen.
func remembered(tr *track, received LSN, now time.Time) Lag {
	last, ok := tr.last()
	if !ok {
		return Lag{Source: "the old writer does not answer, and this node has never measured it"}
	}
	age := now.Sub(last.at)
	l := Lag{Known: true, BytesMin: last.lsn.Minus(received), Age: age, Source: "the last sample of the old writer"}
	end := last.lsn + LSN(tr.rate()*age.Seconds())
	l.BytesMax = max(end.Minus(received), l.BytesMin)
	since, ok := tr.since(received, now)
	l.SecondsKnown, l.SecondsMax = ok, since.Seconds()
	return l
}

func observeLag(ctx context.Context, m move) (providers.Result, error) {
	l, err := measure(ctx, m)
	if err != nil {
		return providers.Result{}, err
	}
	if !l.Known {
		return result(providers.Unknown, l.Values(), "%s", l), nil
	}
	for _, gate := range []struct {
		param string
		worst float64
	}{{"max_lag_bytes", float64(l.BytesMax)}, {"max_lag_seconds", l.SecondsMax}} {
		text := m.Params[gate.param]
		if text == "" {
			continue
		}
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return providers.Result{}, fault.Invalidf("lag", "%s is %q, which is no number", gate.param, text)
		}
		if gate.worst > limit || gate.param == "max_lag_seconds" && !l.SecondsKnown {
			return result(providers.NotDone, l.Values(), "%s; more than %s=%s", l, gate.param, text), nil
		}
	}
	return result(providers.Done, l.Values(), "%s", l), nil
}

// measure asks both sides and the old writer's host at once, and takes the
// best that anybody knows: the primary itself; else, if its host says that it
// is off, the end of its log on disk; else what was last seen.
func measure(ctx context.Context, m move) (Lag, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectLimit)
	defer cancel()
	var from, to Facts
	var fromErr, toErr, endErr error
	var end LSN
	var at time.Time
	var all sync.WaitGroup
	all.Go(func() {
		at = time.Now() // before the question: what it answers was so at this time or later
		from, fromErr = m.from.facts(ctx)
	})
	all.Go(func() { to, toErr = m.to.facts(ctx) })
	all.Go(func() { end, endErr = m.walEnd(ctx) })
	all.Wait()
	received := to.Current
	if toErr != nil {
		seen, ok := m.p.monitor.track(m.to.Region).last()
		if !ok {
			return Lag{Source: bare(toErr)}, nil
		}
		received = seen.lsn
	}
	tr, now := m.p.monitor.track(m.from.Region), time.Now()
	switch {
	case toErr == nil && !to.Standby:
		return Lag{}, fault.Conflictf(m.subject(m.to), "is a primary already: there is nothing to promote")
	case fromErr == nil && !from.Standby:
		return exact(from.Current, received, tr, now, now.Sub(at), "the old writer itself"), nil
	case fromErr == nil:
		return Lag{}, fault.Conflictf(m.subject(m.from), "is no writer, so it is not what a promotion would lose from").Do("look which region writes")
	case endErr == nil:
		return exact(end, received, tr, now, 0, "the end of the old writer's log on its disk; it is off"), nil
	}
	l := remembered(tr, received, now)
	if !l.Known && toErr == nil {
		l.Source += m.lastBeat(ctx)
	}
	return l, nil
}

// lastBeat says what the standby alone knows of when its writer last wrote.
func (m move) lastBeat(ctx context.Context) string {
	at, err := m.to.heartbeat(ctx)
	if err != nil || at.Unix() <= 0 {
		return ""
	}
	return fmt.Sprintf("; the newest heartbeat on %s was written at %s by the old writer's clock", m.to.Region, at.UTC().Format("2006-01-02 15:04:05Z"))
}

// walEnd asks the host of a server that is off how far its log goes.
func (m move) walEnd(ctx context.Context) (LSN, error) {
	h, err := m.from.controller()
	if err != nil {
		return 0, err
	}
	if h.kind() != "agent" {
		return 0, fault.Unavailablef(m.subject(m.from), "only an agent can read the end of the log")
	}
	st, err := h.Do(ctx, agent.VerbStatus, agent.Order{Database: m.p.db.ID, Region: m.from.Region, WALEnd: true})
	if err != nil {
		return 0, err
	}
	if st.Running || st.WALEnd == "" {
		return 0, fault.Unavailablef(m.subject(m.from), "the end of the log is not known: %s", st.Detail)
	}
	return ParseLSN(st.WALEnd)
}
