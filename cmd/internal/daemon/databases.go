package daemon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/api/openapi"
	"fairlead/providers/postgres"
	"fairlead/regions"
)

// onlooker asks the databases how they stand, for people to see. It has
// connections of its own: looking must not get in the way of acting.
type onlooker struct {
	fleet *postgres.Fleet

	mu   sync.Mutex
	seen map[regions.DatabaseID]looked
}

type looked struct {
	members []postgres.MemberStatus
	at      time.Time
}

// Intervals and limits of a look.
const (
	lookEvery = 2 * time.Second
	lookLimit = 1500 * time.Millisecond
)

// watchDatabases looks at every database again and again until ctx ends.
func (n *Node) watchDatabases(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer n.onlooker.fleet.Set(nil)
	for {
		if d := n.decided(); d != nil && d.Fleet != nil {
			var all sync.WaitGroup
			for _, db := range d.Fleet.Databases {
				all.Go(func() { n.onlooker.look(ctx, db.ID) })
			}
			all.Wait()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (o *onlooker) look(ctx context.Context, id regions.DatabaseID) {
	p, err := o.fleet.Database(id)
	if err != nil {
		return // of another engine, or just taken out of the fleet
	}
	in, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	at := time.Now()
	members := p.Status(in)
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[regions.DatabaseID]looked{}
	}
	o.seen[id] = looked{members, at}
}

// members returns how every member stood when it was last looked at.
func (n *Node) members(now time.Time) map[regions.TargetID]openapi.DatabaseMember {
	out := map[regions.TargetID]openapi.DatabaseMember{}
	d := n.decided()
	if d == nil || d.Fleet == nil {
		return out
	}
	n.onlooker.mu.Lock()
	defer n.onlooker.mu.Unlock()
	for _, db := range d.Fleet.Databases {
		seen, ok := n.onlooker.seen[db.ID]
		if !ok {
			continue
		}
		writer := d.Writers[db.ID].Epoch.Writer
		var head postgres.LSN
		for _, m := range seen.members {
			if m.Region == writer && m.Err == nil && !m.Facts.Standby {
				head = m.Facts.Current
			}
		}
		for _, m := range seen.members {
			configured, _ := db.Member(m.Region)
			out[regions.MemberID(db.ID, m.Region)] = member(m, configured, m.Region == writer, head, now.Sub(seen.at))
		}
	}
	return out
}

// member puts one member's status on the wire. Lag needs a primary that
// answered in the same look; else it is unknown, which is not zero.
func member(m postgres.MemberStatus, configured regions.Member, writer bool, head postgres.LSN, age time.Duration) openapi.DatabaseMember {
	ms := age.Milliseconds()
	out := openapi.DatabaseMember{Region: string(m.Region), MeasuredAgeMs: &ms}
	switch {
	case m.Err == nil:
		out.Role = m.Facts.Role()
		timeline := int64(m.Facts.Timeline)
		out.Timeline = timeline
		out.State, out.Because = openapi.StateUp, fmt.Sprintf("answers as %s on timeline %d", out.Role, timeline)
		if writer && m.Facts.Standby {
			out.State, out.Because = openapi.StateDegraded, "the epoch names it as the writer, but it is a standby: writes fail until a run is finished"
		}
		if !writer && !m.Facts.Standby {
			out.State, out.Because = openapi.StateDegraded, "it is a primary, but the epoch names another writer: fence it"
		}
		if m.Facts.Standby && head > 0 {
			lag := head.Minus(m.Facts.Replayed)
			lag = max(lag, 0)
			out.LagBytes = &lag
		}
	case m.HostErr == nil && m.Agent.Fenced:
		out.Role, out.State, out.Because = "fenced", openapi.StateDown, m.Agent.Detail
	case m.HostErr == nil && !m.Agent.Running:
		out.Role, out.State, out.Because = "stopped", openapi.StateDown, m.Agent.Detail
	default:
		out.Role, out.State, out.Because = "unknown", openapi.StateDown, m.Err.Error()
	}
	if configured.Agent != "" {
		out.Agent = &openapi.AgentStatus{Reachable: m.HostErr == nil, AgeMs: &ms, Fenced: m.HostErr == nil && m.Agent.Fenced}
		if m.HostErr != nil {
			out.Agent.Problem = m.HostErr.Error()
		}
	}
	return out
}
