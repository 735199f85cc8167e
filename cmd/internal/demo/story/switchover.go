package story

import (
	"context"
	"fmt"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/measure"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// switchover moves the writer from us-east to eu-central as one does for
// maintenance, with everybody shopping.
func (s *stage) switchover(ctx context.Context) error {
	const from, to = world.USEast, world.EUCentral
	w := &s.report.Switchover
	w.TTLMS = report.MS(writesTTL)
	began, err := s.calm(ctx, from)
	if err != nil {
		return err
	}
	w.OrdersPerSecond = acknowledged(s.orders(began.Add(-calmTime))) / int(calmTime/time.Second)
	if w.TimelineBefore, err = s.server(from).Timeline(ctx); err != nil {
		return err
	}
	s.say("switchover: ada moves %s to %s under %d orders a second, grace approves", world.Database, to, w.OrdersPerSecond)
	x, err := s.run(ctx, "switchover", to, nil, "maintenance of the machines in us-east")
	if err != nil {
		return err
	}
	end := time.Now()
	if w.TimelineAfter, err = s.server(to).Timeline(ctx); err != nil {
		return err
	}
	lost, err := s.lost(ctx, to)
	if err != nil {
		return err
	}
	gaps := measure.GapEach(s.sentinels.Orders(began.Add(-time.Second)), began, end, ledger.Honest)
	during := s.orders(began)
	w.AcknowledgedLost, w.Indeterminate, w.Orders = len(lost), measure.Indeterminate(during), acknowledged(during)
	w.WriteGapMS, w.WriteGapMedianMS = report.MS(longest(gaps)), report.MS(median(gaps))
	w.WriteGapDirectMS = report.MS(measure.Gap(s.direct.Orders(began.Add(-time.Second)), began, end))
	w.Steps, w.Outcome, w.People = steps(x), string(x.Outcome), people(x)
	s.say("switchover: %s, %d orders lost, gap %d ms by name and %d ms direct", w.Outcome, w.AcknowledgedLost, w.WriteGapMS, w.WriteGapDirectMS)

	hold := func(held bool, says, format string, args ...any) {
		s.report.Hold("switchover", held, says, format, args...)
	}
	hold(x.Outcome == openapi.OutcomeDone, "the run ends as asked", "%s: %s", x.Outcome, x.Sentence)
	hold(len(lost) == 0 && w.Orders > 0, "no acknowledged order is lost", "%d of %d", len(lost), w.Orders)
	hold(w.TimelineAfter == w.TimelineBefore+1, "PostgreSQL was promoted once", "timeline %d, then %d", w.TimelineBefore, w.TimelineAfter)
	hold(len(w.People) == 2, "two people took part", "%v", w.People)
	hold(longest(gaps) > 0 && longest(gaps) < 10*time.Second, "writers by name write again within 10 s", "the worst after %d ms", w.WriteGapMS)
	return s.follows(ctx, "switchover", from)
}

// calmTime is how long orders must flow undisturbed before anything is done.
const calmTime = 3 * time.Second

// calm waits until the writer's region has taken orders for a while, from
// people who found it by name, and returns the moment after.
func (s *stage) calm(ctx context.Context, writer regions.ID) (time.Time, error) {
	err := eventually(ctx, 30*time.Second, 100*time.Millisecond, fmt.Sprintf("orders flow in %s", writer), func(context.Context) error {
		from := time.Now().Add(-time.Second)
		n := 0
		for _, o := range s.sentinels.Orders(from) {
			if o.Fate != ledger.Acknowledged || o.Region != string(writer) {
				return notYet("an order was %s by %q: %s", o.Fate, o.Region, o.Problem)
			}
			n++
		}
		if n < 50 {
			return notYet("%d orders in a second", n)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	err = sleep(ctx, calmTime)
	return time.Now(), err
}

// run has ada order a run and grace approve it, and waits for its end and
// until every honest cache has turned over.
func (s *stage) run(ctx context.Context, runbook string, to regions.ID, params openapi.Params, reason string) (openapi.Execution, error) {
	x, err := s.ada.order(ctx, runbook, to, params, reason)
	if err != nil {
		return x, err
	}
	if err := s.grace.approve(ctx, x.Id); err != nil {
		return x, err
	}
	if x, err = s.ada.ended(ctx, x.Id); err != nil {
		return x, err
	}
	return x, sleep(ctx, writesTTL+time.Second)
}

// lost lists every order ever acknowledged that the server does not hold. It
// looks at the clients' logs first: what is acknowledged later cannot count.
func (s *stage) lost(ctx context.Context, writer regions.ID) ([]ledger.Order, error) {
	orders := s.orders(time.Time{})
	present, err := s.server(writer).OrderIDs(ctx)
	if err != nil {
		return nil, err
	}
	return measure.Lost(orders, present), nil
}

// follows promises that a region's server has become a standby that streams.
func (s *stage) follows(ctx context.Context, phase string, region regions.ID) error {
	err := eventually(ctx, 30*time.Second, 100*time.Millisecond, "the old writer follows the new one", func(ctx context.Context) error {
		standby, err := s.server(region).InRecovery(ctx)
		if err != nil {
			return err
		}
		if !standby {
			return notYet("it is no standby")
		}
		streams, err := s.Pair.Server(region).Value(ctx, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")
		if err == nil && streams != "1" {
			err = notYet("it does not stream")
		}
		return err
	})
	figure := "it streams"
	if err != nil {
		figure = err.Error()
	}
	s.report.Hold(phase, err == nil, "the old writer is a standby of the new one", "%s", figure)
	return ctx.Err()
}

func acknowledged(orders []ledger.Order) int {
	n := 0
	for _, o := range orders {
		if o.Fate == ledger.Acknowledged {
			n++
		}
	}
	return n
}
