package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func executionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "execution",
		Aliases: []string{"run", "runs"},
		Short:   "See and steer runs of runbooks",
	}
	c.AddCommand(executionListCommand(), executionShowCommand(), executionWatchCommand())
	for _, op := range []struct {
		operation openapi.Operation
		short     string
		asks      string // what is asked before; empty: nothing is lost by it
	}{
		{openapi.OperationApprove, "Agree to what a run waits for, as a second person", "goes on with what is shown above."},
		{openapi.OperationDecline, "Refuse what a run waits for; what was done is taken back", "does not happen; what was done is taken back."},
		{openapi.OperationPause, "Hold a run at its next step", ""},
		{openapi.OperationResume, "Let a paused run go on", "goes on."},
		{openapi.OperationRetry, "Try a step again that failed", "tries the failed step again."},
		{openapi.OperationSkip, "Pass over a step that failed", "goes on without that step."},
		{openapi.OperationAbort, "End a run; what can be taken back is", "is aborted."},
	} {
		c.AddCommand(operationCommand(op.operation, op.short, op.asks))
	}
	return c
}

func executionListCommand() *cobra.Command {
	params := openapi.ListExecutionsParams{}
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Example: `  fairlead execution list
  fairlead execution list --open`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := client.Get[openapi.ExecutionList](c.ListExecutions(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return show(cmd, list, func(p *page, l openapi.ExecutionList) {
				if len(l.Executions) == 0 {
					p.line("There are no runs.")
				}
				printRuns(p, l.Executions)
			})
		},
	}
	c.Flags().BoolVar(&params.Open, "open", false, "only those that have not ended")
	c.Flags().IntVar(&params.Limit, "limit", 20, "how many at most")
	return c
}

func printRuns(p *page, runs []openapi.ExecutionSummary) {
	t := newTable("RUN", "STATE", "WHAT", "STARTED", "BY", "TOOK", "WHERE IT STANDS")
	for _, x := range runs {
		t.add(x.Id, p.runState(x.State, x.Outcome), x.Title, clock(x.StartedAt), x.StartedBy, milliseconds(x.DurationMs), x.Sentence)
	}
	p.table(t)
}

// runState is a shape, a colour and words.
func (p *page) runState(s openapi.ExecutionState, o openapi.Outcome) string {
	switch s {
	case openapi.ExecutionEnded:
		if o == openapi.OutcomeDone {
			return p.paint(green, "✔ done")
		}
		return p.paint(red, "✖ "+string(o))
	case openapi.ExecutionRunning:
		return p.paint(green, "▶ running")
	case openapi.ExecutionUndoing:
		return p.paint(yellow, "◀ undoing")
	case openapi.ExecutionAwaitingApproval:
		return p.paint(yellow, "‖ awaits approval")
	}
	return p.paint(yellow, "‖ "+string(s))
}

func executionShowCommand() *cobra.Command {
	var journal bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a run: its steps, evidence and what you may do to it",
		Example: `  fairlead execution show 20261123-091402
  fairlead execution show 20261123-091402 --journal`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			x, err := client.Get[openapi.Execution](c.GetExecution(cmd.Context(), args[0]))
			if err != nil {
				return err
			}
			return show(cmd, x, func(p *page, x openapi.Execution) {
				printExecution(p, x)
				if journal {
					p.line("")
					printJournal(p, x.Journal)
				}
			})
		},
	}
	c.Flags().BoolVar(&journal, "journal", false, "also everything that happened, entry by entry")
	return c
}

func printExecution(p *page, x openapi.Execution) {
	p.line("%s", p.paint(bold, x.Id+": "+x.Title))
	p.line("%s  %s", p.runState(x.State, x.Outcome), x.Sentence)
	p.line("Started by %s at %s: %s. Took %s%s.", x.StartedBy, clock(x.StartedAt), x.Reason, milliseconds(x.DurationMs), soFar(x))
	p.line("An approval covers: %s", x.Envelope.Sentence)
	if x.Receipt != nil {
		p.line("Receipt: %s", x.Receipt.Sentence)
	}
	p.line("")
	t := newTable("", "STEP", "STATE", "TOOK", "TRIES", "WHAT IT DOES, AND WHAT CAME OF IT")
	for _, s := range x.Steps {
		text := s.Description
		if s.Detail != "" {
			text += ": " + s.Detail
		}
		for _, a := range s.Approvals {
			text += fmt.Sprintf(" [%s: %s]", a.By, dash(a.Reason))
		}
		t.add(p.stepMark(s.State), s.Id, strings.ReplaceAll(string(s.State), "_", " "), milliseconds(s.DurationMs), fmt.Sprint(s.Attempts), text)
	}
	p.table(t)
	p.line("")
	if len(x.AllowedOperations) > 0 {
		words := make([]string, len(x.AllowedOperations))
		for i, op := range x.AllowedOperations {
			words[i] = string(op)
		}
		p.line("You may: %s", strings.Join(words, ", "))
	}
	for _, r := range x.RefusedOperations {
		p.line("You may not %s: %s", r.Operation, r.Because)
	}
	if x.State != openapi.ExecutionEnded && x.IfAborted != "" {
		p.line("If it were aborted now: %s", x.IfAborted)
	}
}

func soFar(x openapi.Execution) string {
	if x.State == openapi.ExecutionEnded {
		return ""
	}
	return " so far"
}

func (p *page) stepMark(s openapi.StepState) string {
	switch s {
	case openapi.StepSucceeded:
		return p.paint(green, "✔")
	case openapi.StepFailed:
		return p.paint(red, "✖")
	case openapi.StepRunning:
		return p.paint(green, "▶")
	case openapi.StepAwaitingApproval:
		return p.paint(yellow, "‖")
	case openapi.StepUnknown:
		return p.paint(yellow, "?")
	case openapi.StepSkipped:
		return p.paint(yellow, "»")
	case openapi.StepCompensated, openapi.StepCompensating:
		return p.paint(yellow, "◀")
	}
	return p.paint(dim, "·")
}

func printJournal(p *page, journal []openapi.JournalEntry) {
	t := newTable("ENTRY", "AT", "WHO", "WHAT", "STEP", "DETAIL")
	for _, e := range journal {
		t.add(fmt.Sprint(e.Position), clock(e.At), e.Principal, e.Kind, dash(e.Step), e.Detail)
	}
	p.table(t)
}

func operationCommand(op openapi.Operation, short, asks string) *cobra.Command {
	var req openapi.OperationRequest
	c := &cobra.Command{
		Use:     string(op) + " ID --reason TEXT",
		Short:   short,
		Example: fmt.Sprintf("  fairlead execution %s 20261123-091402 --reason %q", op, exampleReason(op)),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if asks != "" {
				if err := mustAsk(cmd); err != nil {
					return err
				}
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			x, err := client.Get[openapi.Execution](c.GetExecution(cmd.Context(), args[0]))
			if err != nil {
				return err
			}
			req.Reason = reasonOf(cmd)
			if op == openapi.OperationApprove {
				req.PlanHash = x.PlanHash // of what was shown, and of nothing else
			}
			if asks != "" && !yes(cmd) {
				printExecution(newPage(cmd.ErrOrStderr()), x)
				if err := confirm(cmd, x.Title+" "+asks, x.Id); err != nil {
					return err
				}
			}
			x, err = client.Get[openapi.Execution](c.OperateExecution(cmd.Context(), args[0], op, req))
			if err != nil {
				return err
			}
			return show(cmd, x, func(p *page, x openapi.Execution) {
				p.line("%s  %s: %s", p.runState(x.State, x.Outcome), x.Id, x.Sentence)
			})
		},
	}
	if op == openapi.OperationApprove || op == openapi.OperationDecline || op == openapi.OperationRetry || op == openapi.OperationSkip {
		c.Flags().StringVar(&req.Step, "step", "", "the step meant; the one whose turn it is when absent")
	}
	addReason(c)
	if asks != "" {
		addYes(c)
	}
	return c
}

func exampleReason(op openapi.Operation) string {
	switch op {
	case openapi.OperationApprove:
		return "read the plan, lag is 0.2 s"
	case openapi.OperationSkip:
		return "re-protecting tomorrow, by hand"
	}
	return "asked by the incident's lead"
}
