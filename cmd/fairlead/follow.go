package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func executionWatchCommand() *cobra.Command {
	var untilPerson bool
	c := &cobra.Command{
		Use:   "watch ID",
		Short: "Watch a run to its end",
		Long: `Print what happens to a run until it ends: 0 done, 10 refused and nothing changed, 20 undone and the old writer serves,
30 stopped half way and a person is needed. A node that is restarted meanwhile is waited for.`,
		Example: `  fairlead execution watch 20261123-091402
  fairlead execution watch 20261123-091402 --until-person     (ends with 4 when somebody is waited for)`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			return follow(cmd, c, args[0], untilPerson)
		},
	}
	c.Flags().BoolVar(&untilPerson, "until-person", false, "end with exit code 4 when it waits for a person")
	return c
}

// lookEvery is how often a run is looked at although no event came: an event
// only makes it sooner.
const lookEvery = 2 * time.Second

// follow prints what happens to a run until it ends, and returns its outcome
// as an exit code. It outlives the node that it asks.
func follow(cmd *cobra.Command, c *client.Client, id string, untilPerson bool) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	nudges := listen(ctx, c, id)
	w := &watching{cmd: cmd, page: newPage(cmd.OutOrStdout()), steps: map[string]string{}}
	for first := true; ; first = false {
		x, err := client.Get[openapi.Execution](c.GetExecution(ctx, id))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case client.Unreachable(err) && !first:
			w.lost(err)
		case err != nil:
			return err
		default:
			w.show(x)
			if x.State == openapi.ExecutionEnded {
				return w.end(x)
			}
			if untilPerson && needsPerson(x) {
				tellPerson(cmd, x)
				return ended{exitWaiting}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-nudges:
		case <-time.After(lookEvery):
		}
	}
}

// listen returns a channel that holds a token whenever something happened to
// the run. It says nothing of failures: looking goes on without it.
func listen(ctx context.Context, c *client.Client, id string) <-chan struct{} {
	nudges := make(chan struct{}, 1)
	go func() {
		_ = c.Watch(ctx, []string{"execution"}, func(e client.Event) error {
			var x openapi.ExecutionSummary
			if json.Unmarshal(e.Data, &x) == nil && x.Id != id && e.Type != "reset" {
				return nil
			}
			select {
			case nudges <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	return nudges
}

// watching remembers what was printed, so that only changes are.
type watching struct {
	cmd   *cobra.Command
	page  *page
	state string
	steps map[string]string
	gone  bool
}

func (w *watching) lost(err error) {
	if !w.gone {
		say(w.cmd, "The node is out of reach; waiting for it. (%v)", err)
	}
	w.gone = true
}

func (w *watching) show(x openapi.Execution) {
	if w.gone {
		say(w.cmd, "The node is back.")
		w.gone = false
	}
	if wantsJSON(w.cmd) {
		return // the whole run is printed at its end
	}
	for _, s := range x.Steps {
		now := string(s.State) + s.Detail
		if w.steps[s.Id] == now || s.State == openapi.StepPending || s.State == openapi.StepReady {
			continue
		}
		w.steps[s.Id] = now
		text := s.Description
		if s.Detail != "" {
			text += ": " + s.Detail
		}
		took := ""
		if !s.EndedAt.IsZero() && s.DurationMs != nil {
			took = fmt.Sprintf(" (%s)", milliseconds(s.DurationMs))
		}
		w.page.line("%s %s %s%s  %s", w.page.stepMark(s.State), clock(x.At), s.Id, took, text)
	}
	if state := string(x.State) + x.Sentence; state != w.state && x.State != openapi.ExecutionRunning {
		w.page.line("%s  %s", w.page.runState(x.State, x.Outcome), x.Sentence)
		w.state = state
	}
}

func (w *watching) end(x openapi.Execution) error {
	if wantsJSON(w.cmd) {
		if err := show(w.cmd, x, nil); err != nil {
			return err
		}
	} else if x.Receipt != nil {
		w.page.line("Receipt: %s", x.Receipt.Sentence)
	}
	if code := outcomeCode(x.Outcome); code != exitDone {
		return ended{code}
	}
	return w.page.err
}
