package story

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/lookup"
	"fairlead/cmd/internal/demo/measure"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// storeLost takes the store from a cluster of three: two nodes are killed, and
// with them the majority of its members. Then a region's shops die, and one
// node is left to notice.
func (s *stage) storeLost(ctx context.Context) error {
	const dead = world.USEast
	l := &s.report.StoreLost
	l.BoundMS = report.MS(moveBound)
	before, err := s.postmasters(ctx)
	if err != nil {
		return err
	}
	if _, err := s.calm(ctx, world.USEast); err != nil {
		return err
	}
	survivor := s.Nodes[2]
	gone := time.Now()
	for _, n := range s.Nodes[:2] {
		if _, err := s.KillNode(n); err != nil {
			return err
		}
		l.NodesKilled++
	}
	s.say("store lost: two of three nodes are killed, and with them the store's majority")
	ada, err := newActor(s.World, survivor, s.Ada)
	if err != nil {
		return err
	}
	if l.StoreReportedGone, err = storeGone(ctx, ada); err != nil {
		return err
	}
	if err := s.killWithoutStore(ctx, dead); err != nil {
		return err
	}
	s.say("store lost: %s moved after %d ms all the same", world.ReadsName, l.FailedOverMS)
	l.DecisionsRefused = decisionRefused(ctx, ada)
	if l.StartedWithoutStore, err = s.fromDisk(ctx, survivor, dead); err != nil {
		return err
	}
	l.LongestWriteGapMS = report.MS(measure.Gap(s.direct.Orders(gone.Add(-time.Second)), gone, time.Now()))
	if l.DatabasesStopped, err = s.stopped(ctx, before); err != nil {
		return err
	}
	s.say("store lost: %d databases stopped, the longest gap between two writes was %d ms", l.DatabasesStopped, l.LongestWriteGapMS)

	hold := func(held bool, says, format string, args ...any) {
		s.report.Hold("store_lost", held, says, format, args...)
	}
	hold(l.StoreReportedGone, "the node that is left says that the store is gone", "%v", l.StoreReportedGone)
	hold(l.FirstNewAnswerMS >= 0 && l.FailedOverMS <= l.BoundMS, "no answer names the dead region after 1800 ms", "last one after %d ms", l.FailedOverMS)
	hold(l.DNSUnanswered == 0 && l.DNSQueries > 0, "every DNS question is answered", "%d of %d unanswered", l.DNSUnanswered, l.DNSQueries)
	hold(l.DatabasesStopped == 0, "no database stops", "%d stopped, the longest gap between two writes was %d ms", l.DatabasesStopped, l.LongestWriteGapMS)
	hold(l.DecisionsRefused, "a decision is refused with a reason and not pretended", "%v", l.DecisionsRefused)
	hold(l.StartedWithoutStore, "a node that is started without a store answers, from its own disk, and not with the dead region", "%v", l.StartedWithoutStore)
	return nil
}

// killWithoutStore kills a region's shops and watches the answers.
func (s *stage) killWithoutStore(ctx context.Context, dead regions.ID) error {
	place, _ := world.PlaceOf(dead)
	stop := s.watchAnswers(ctx)
	defer stop()
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	at, err := s.KillShop(dead)
	if err != nil {
		return err
	}
	if err := sleep(ctx, moveBound+3*time.Second); err != nil {
		return err
	}
	moved := measure.Moved(s.answers.Replies(at.Add(-time.Second)), at, place.Host)
	l := &s.report.StoreLost
	l.FailedOverMS, l.FirstNewAnswerMS = report.MS(moved.LastStale), report.MS(moved.FirstNew)
	l.DNSQueries, l.DNSUnanswered = moved.Queries, moved.Unanswered
	return nil
}

// storeGone waits until the node says that it cannot reach the store.
func storeGone(ctx context.Context, a *actor) (bool, error) {
	err := eventually(ctx, 30*time.Second, 100*time.Millisecond, "the node says that its store is gone", func(ctx context.Context) error {
		status, err := a.status(ctx)
		if err != nil {
			return err
		}
		if status.Store.Reachable {
			return notYet("it says that the store can be reached")
		}
		return nil
	})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return err == nil, nil // that it never said so is a broken promise, not the end of the story
}

// decisionRefused reports whether a decision without a store fails, and says
// why to whoever asked.
func decisionRefused(ctx context.Context, a *actor) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, err := client.Get[openapi.SteeringResult](a.DrainRegion(ctx, string(world.APSouth), openapi.DrainRequest{Reason: "a drain that cannot be decided", For: "10m"}))
	return err != nil && !client.Unreachable(err)
}

// postmasters is when each database server started.
func (s *stage) postmasters(ctx context.Context) (map[regions.ID]time.Time, error) {
	started := map[regions.ID]time.Time{}
	for _, server := range s.Pair.Servers() {
		at, err := s.server(server.Region).Started(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask %s since when it runs: %w", server.Region, err)
		}
		started[server.Region] = at
	}
	return started, nil
}

// stopped counts servers that do not answer, or were started again since.
func (s *stage) stopped(ctx context.Context, before map[regions.ID]time.Time) (int, error) {
	n := 0
	for region, started := range before {
		if at, err := s.server(region).Started(ctx); err != nil || !at.Equal(started) {
			n++
		}
	}
	return n, ctx.Err()
}

// fromDisk kills the last node as well and starts it again. It must answer,
// alone and from nothing but its own disk, and as soon as it has looked around
// not with the dead region.
func (s *stage) fromDisk(ctx context.Context, n *world.Node, dead regions.ID) (bool, error) {
	place, _ := world.PlaceOf(dead)
	if _, err := s.KillNode(n); err != nil {
		return false, err
	}
	if err := s.StartNode(n); err != nil {
		return false, err
	}
	one := lookup.Resolver{Servers: []netip.AddrPort{n.DNS}, Client: place.Client}
	err := eventually(ctx, 20*time.Second, 50*time.Millisecond, "the node answers from its own disk", func(ctx context.Context) error {
		answer, err := one.Lookup(ctx, world.ReadsName)
		if err != nil {
			return err
		}
		if len(answer.Addresses) == 0 || answer.Names(place.Host) {
			return notYet("it answers %v (%v)", answer.Addresses, answer.RCode)
		}
		return nil
	})
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return err == nil, nil // that it never did is a broken promise, not the end of the story
}
