package story

import (
	"context"
	"fmt"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/measure"
	"fairlead/cmd/internal/demo/observe"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// Kinds of steps between which the node is killed.
const (
	fenceKind   = "postgres.fence"
	promoteKind = "postgres.promote"
)

// hold is how long the run of the crash waits between fence and promotion:
// the window in which the node dies. People who want to look at both servers
// before a promotion use the same parameter.
const hold = "2s"

// crash moves the writer back and kills the node between fence and promotion,
// when nobody can write and nobody but Fairlead knows why.
func (s *stage) crash(ctx context.Context) error {
	const from, to = world.EUCentral, world.USEast
	c := &s.report.Crash
	began, err := s.calm(ctx, from)
	if err != nil {
		return err
	}
	before, err := observe.Promotions(s.logs()...)
	if err != nil {
		return err
	}
	s.say("crash: ada moves %s back to %s, grace approves", world.Database, to)
	x, err := s.ada.order(ctx, "switchover", to, openapi.Params{"hold": hold}, "the maintenance in us-east is over")
	if err != nil {
		return err
	}
	if err := s.grace.approve(ctx, x.Id); err != nil {
		return err
	}
	killed, err := s.killBetween(ctx, x.Id)
	if err != nil {
		return err
	}
	c.KilledAfterStep, c.KilledBefore = killed.after, killed.before
	s.say("crash: the node was killed after step %s and before step %s; it is started again", killed.after, killed.before)
	if err := s.resume(ctx, x.Id, killed.entries); err != nil {
		return err
	}
	if x, err = s.ada.ended(ctx, x.Id); err != nil {
		return err
	}
	if err := sleep(ctx, writesTTL+time.Second); err != nil {
		return err
	}
	return s.judgeCrash(ctx, x, killed, began, len(before), to)
}

func (s *stage) judgeCrash(ctx context.Context, x openapi.Execution, killed killing, began time.Time, before int, to regions.ID) error {
	c := &s.report.Crash
	after, err := observe.Promotions(s.logs()...)
	if err != nil {
		return err
	}
	lost, err := s.lost(ctx, to)
	if err != nil {
		return err
	}
	gaps := measure.GapEach(s.sentinels.Orders(began.Add(-time.Second)), began, time.Now(), ledger.Honest)
	c.PromotionsSeenByPostgres, c.InterruptionRecorded = len(after)-before, journalHas(x, "interrupted")
	c.AcknowledgedLost, c.WriteGapMS, c.Outcome, c.Steps = len(lost), report.MS(longest(gaps)), string(x.Outcome), steps(x)
	s.say("crash: the run went on by itself after %d ms and ended %s; PostgreSQL saw %d promotion", c.ResumedMS, c.Outcome, c.PromotionsSeenByPostgres)

	hold := func(held bool, says, format string, args ...any) { s.report.Hold("crash", held, says, format, args...) }
	hold(killed.between, "the node died between fence and promotion", "after %s, before %s", killed.after, killed.before)
	hold(x.Outcome == openapi.OutcomeDone, "the run goes on by itself and ends as asked", "%s: %s", x.Outcome, x.Sentence)
	hold(c.PromotionsSeenByPostgres == 1, "PostgreSQL saw exactly one promotion", "%d", c.PromotionsSeenByPostgres)
	hold(c.InterruptionRecorded, "the trail shows the interruption", "%d entries", len(x.Journal))
	hold(len(lost) == 0, "no acknowledged order is lost", "%d", len(lost))
	return s.follows(ctx, "crash", world.EUCentral)
}

// killing is where in the run the node died.
type killing struct {
	after, before string // steps
	between       bool   // the fence was finished and the promotion not begun
	entries       int    // of the journal, as last seen
}

// killBetween follows the run's journal until the fence is finished, lets the
// run get to whatever follows, and kills the node by its process id.
func (s *stage) killBetween(ctx context.Context, id string) (killing, error) {
	var x openapi.Execution
	err := eventually(ctx, 60*time.Second, 3*time.Millisecond, "the old writer was fenced", func(ctx context.Context) (err error) {
		if x, err = s.ada.look(ctx, id); err != nil {
			return err
		}
		if fence := stepOf(x, fenceKind); fence.State != openapi.StepSucceeded {
			return notYet("step %s is %s", fence.Id, fence.State)
		}
		if x.CurrentStep == "" || x.CurrentStep == stepOf(x, fenceKind).Id || !intended(x, x.CurrentStep) {
			return notYet("the step after the fence has not begun")
		}
		return nil
	})
	if err != nil {
		return killing{}, err
	}
	if _, err := s.KillNode(s.Nodes[0]); err != nil {
		return killing{}, err
	}
	promote := stepOf(x, promoteKind)
	return killing{after: stepOf(x, fenceKind).Id, before: promote.Id, between: !intended(x, promote.Id), entries: len(x.Journal)}, nil
}

// resume starts the node again and waits until the run has moved.
func (s *stage) resume(ctx context.Context, id string, entries int) error {
	if err := sleep(ctx, 300*time.Millisecond); err != nil { // whoever watches over the node takes a moment
		return err
	}
	started := time.Now()
	if err := s.StartNode(s.Nodes[0]); err != nil {
		return err
	}
	c := &s.report.Crash
	return eventually(ctx, 60*time.Second, 5*time.Millisecond, "the run went on", func(ctx context.Context) error {
		x, err := s.ada.look(ctx, id)
		if err != nil {
			return err
		}
		if c.RestartMS < 0 {
			c.RestartMS = report.MS(time.Since(started))
		}
		for _, e := range x.Journal[min(entries, len(x.Journal)):] {
			if e.Kind == "intended" || e.Kind == "finished" {
				c.ResumedMS = report.MS(time.Since(started))
				return nil
			}
		}
		return notYet("the journal has %d entries, as many as before", len(x.Journal))
	})
}

func stepOf(x openapi.Execution, kind string) openapi.Step {
	for _, s := range x.Steps {
		if s.Kind == kind {
			return s
		}
	}
	return openapi.Step{Id: fmt.Sprintf("(no step of kind %s)", kind)}
}

func intended(x openapi.Execution, step string) bool {
	for _, e := range x.Journal {
		if e.Kind == "intended" && e.Step == step {
			return true
		}
	}
	return false
}

func journalHas(x openapi.Execution, kind string) bool {
	for _, e := range x.Journal {
		if e.Kind == kind {
			return true
		}
	}
	return false
}
