package story

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/measure"
	"fairlead/cmd/internal/demo/observe"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/shop"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// stall is how long before the primary dies nothing more of what it writes
// reaches the standby: as when a line fails first and then the power, and so
// that there is something to lose.
const stall = 400 * time.Millisecond

// failover kills the primary's PostgreSQL, which nothing starts again: an
// agent never does by itself. People notice, one orders, another approves. In
// the end the old primary is started by hand.
func (s *stage) failover(ctx context.Context) error {
	const from, to = world.USEast, world.EUCentral
	f := &s.report.Failover
	began, err := s.calm(ctx, from)
	if err != nil {
		return err
	}
	if f.TimelineBefore, err = s.server(from).Timeline(ctx); err != nil {
		return err
	}
	s.say("failover: the line from %s to %s stalls; %v later the primary is killed with SIGKILL", from, to, stall)
	if err := s.stallReplication(ctx, from); err != nil {
		return err
	}
	if err := sleep(ctx, stall); err != nil {
		return err
	}
	f.StalledMS = report.MS(stall)
	killed := time.Now()
	if err := s.Pair.Server(from).Kill(); err != nil {
		return err
	}
	if err := s.noticed(ctx, from); err != nil {
		return err
	}
	commanded := time.Now()
	s.say("failover: %s is seen down after %d ms; ada orders a failover, grace approves", from, commanded.Sub(killed).Milliseconds())
	x, err := s.run(ctx, "failover", to, nil, "the database machine in us-east has lost power")
	if err != nil {
		return err
	}
	end := time.Now()
	if f.TimelineAfter, err = s.server(to).Timeline(ctx); err != nil {
		return err
	}
	lost, err := s.lost(ctx, to)
	if err != nil {
		return err
	}
	gaps := measure.GapEach(s.sentinels.Orders(began), killed, end, ledger.Honest)
	during := s.orders(killed)
	f.AcknowledgedLost, f.Indeterminate, f.AcknowledgedOrders = len(lost), measure.Indeterminate(during), acknowledged(during)
	f.WriteGapMS, f.WriteGapDirectMS = report.MS(longest(gaps)), report.MS(measure.Gap(s.direct.Orders(began), killed, end))
	f.CommandToWriteMS = firstAck(during, commanded)
	f.LostSeconds = lossTime(lost, killed).Seconds()
	f.Steps, f.Outcome = steps(x), string(x.Outcome)
	if f.LostBytes, err = s.lostBytes(ctx, from, to, f.TimelineBefore); err != nil {
		return err
	}
	s.readReceipt(x)
	s.say("failover: %s; the receipt says at most %d bytes and %.2g s, %d orders were lost", f.Outcome, f.ReceiptBytesMax, f.ReceiptSecondsMax, len(lost))
	if err := s.oldPrimary(ctx, from, to, killed); err != nil {
		return err
	}
	s.judgeFailover(x, lost)
	return s.reprotect(ctx, from)
}

// reprotect has the old server made a standby again, so that the next bad
// night finds one. What it alone had is archived and taken back.
func (s *stage) reprotect(ctx context.Context, region regions.ID) error {
	s.say("failover: ada has the old server made a standby again")
	x, err := s.ada.order(ctx, "reprotect", "", openapi.Params{"region": string(region)}, "the machine in us-east has power again")
	if err != nil {
		return err
	}
	if x, err = s.ada.ended(ctx, x.Id); err != nil {
		return err
	}
	if x.DurationMs != nil {
		s.report.Failover.ReprotectMS = *x.DurationMs
	}
	s.report.Hold("failover", x.Outcome == openapi.OutcomeDone, "the old server can be made a standby again", "%s: %s", x.Outcome, x.Sentence)
	return s.follows(ctx, "failover", region)
}

// stallReplication freezes the process that sends the log to the standby. The
// server goes on to commit, as asynchronous replication has it.
func (s *stage) stallReplication(ctx context.Context, primary regions.ID) error {
	text, err := s.Pair.Server(primary).Value(ctx, "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("find the sender of the log: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze the sender of the log: %w", err)
	}
	return nil
}

// noticed waits until the node shows the server as down, as people would see.
func (s *stage) noticed(ctx context.Context, region regions.ID) error {
	return eventually(ctx, 30*time.Second, 10*time.Millisecond, "the dead primary is seen", func(ctx context.Context) error {
		m, err := s.ada.member(ctx, region)
		if err != nil {
			return err
		}
		if m.State != openapi.StateDown {
			return notYet("it is %s: %s", m.State, m.Because)
		}
		return nil
	})
}

func (s *stage) readReceipt(x openapi.Execution) {
	f := &s.report.Failover
	r := x.Receipt
	if r == nil {
		return
	}
	f.Receipt = r.Sentence
	for _, v := range []struct {
		from *int64
		into *int64
	}{{r.BytesMin, &f.ReceiptBytesMin}, {r.BytesMax, &f.ReceiptBytesMax}} {
		if v.from != nil {
			*v.into = *v.from
		}
	}
	for _, v := range []struct {
		from *float64
		into *float64
	}{{r.SecondsMin, &f.ReceiptSecondsMin}, {r.SecondsMax, &f.ReceiptSecondsMax}, {r.AgeSeconds, &f.ReceiptAgeSeconds}} {
		if v.from != nil {
			*v.into = *v.from
		}
	}
}

// oldPrimary starts the dead primary as a person at its keyboard would, and
// has its superuser write.
func (s *stage) oldPrimary(ctx context.Context, from, to regions.ID, killed time.Time) error {
	f := &s.report.Failover
	s.say("failover: the old primary in %s is started by hand", from)
	old := s.Pair.Server(from)
	if err := old.Start(ctx); err != nil {
		// A server that refuses to start takes no write either.
		f.OldPrimaryRefusal = "it does not start: " + err.Error()
		return nil
	}
	for range 3 {
		wrote, refusal := s.server(from).TryWrite(ctx, shop.NewID())
		f.OldPrimaryWroteAfter = f.OldPrimaryWroteAfter || wrote
		f.OldPrimaryRefusal = refusal
		if err := sleep(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	// Nor may any client have been served there since.
	for _, o := range s.orders(killed.Add(time.Second)) {
		if o.Fate == ledger.Acknowledged && o.Region == string(from) {
			f.OldPrimaryWroteAfter = true
		}
	}
	return nil
}

// lostBytes is how much write-ahead log the old primary has, on its disk,
// beyond the point at which the new one's timeline left it. It is read before
// anybody starts the old primary: started, it might follow the new one.
func (s *stage) lostBytes(ctx context.Context, from, to regions.ID, timeline int) (int64, error) {
	branches, err := observe.Branches(s.Pair.Server(to).DataDir)
	if err != nil {
		return -1, err
	}
	if len(branches) == 0 {
		return -1, fmt.Errorf("the server in %s has no history of a promotion", to)
	}
	left := branches[len(branches)-1].At
	end, err := observe.EndOfLog(ctx, s.Pair.Server(from).BinDir, s.Pair.Server(from).DataDir, timeline, left)
	if err != nil {
		return -1, err
	}
	return int64(end - left), nil
}

func (s *stage) judgeFailover(x openapi.Execution, lost []ledger.Order) {
	f := &s.report.Failover
	hold := func(held bool, says, format string, args ...any) {
		s.report.Hold("failover", held, says, format, args...)
	}
	hold(x.Outcome == openapi.OutcomeDone, "the run ends as asked", "%s: %s", x.Outcome, x.Sentence)
	hold(f.ReceiptBytesMax >= 0 && f.ReceiptSecondsMax >= 0 && f.ReceiptAgeSeconds >= 0 && receiptFirst(x),
		"a receipt says before the promotion what may be lost, with the age of its measurement", "%s", f.Receipt)
	hold(f.LostSeconds <= f.ReceiptSecondsMax || len(lost) == 0, "the lost orders lie within the receipt's seconds", "%d orders of the last %.3g s, at most %.3g s were receipted",
		len(lost), f.LostSeconds, f.ReceiptSecondsMax)
	hold(f.LostBytes >= 0 && f.LostBytes <= f.ReceiptBytesMax, "the lost log lies within the receipt's bytes", "%d bytes, at most %d were receipted", f.LostBytes, f.ReceiptBytesMax)
	hold(!f.OldPrimaryWroteAfter, "the old primary, started by hand, refuses even a superuser's INSERT", "%s", f.OldPrimaryRefusal)
	hold(f.TimelineAfter == f.TimelineBefore+1, "PostgreSQL was promoted once", "timeline %d, then %d", f.TimelineBefore, f.TimelineAfter)
	hold(f.CommandToWriteMS >= 0, "orders are taken again", "%d ms after the command", f.CommandToWriteMS)
}

// receiptFirst reports whether the receipt was made before the promotion was
// even intended.
func receiptFirst(x openapi.Execution) bool {
	if x.Receipt == nil {
		return false
	}
	promote := stepOf(x, promoteKind).Id
	for _, e := range x.Journal {
		if e.Kind == "intended" && e.Step == promote {
			return x.Receipt.At.Before(e.At)
		}
	}
	return false
}

// firstAck is how long after from the first order was acknowledged that was
// also sent after it; -1 if none was.
func firstAck(orders []ledger.Order, from time.Time) int64 {
	first := time.Duration(-1)
	for _, o := range orders {
		if took := o.Settled.Sub(from); o.Fate == ledger.Acknowledged && o.Sent.After(from) && (first < 0 || took < first) {
			first = took
		}
	}
	return report.MS(first)
}

// lossTime is how far before the kill the oldest lost order was acknowledged.
func lossTime(lost []ledger.Order, killed time.Time) time.Duration {
	var most time.Duration
	for _, o := range lost {
		most = max(most, killed.Sub(o.Settled))
	}
	return most
}
