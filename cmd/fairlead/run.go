package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func runbookRunCommand() *cobra.Command {
	var order openapi.ExecutionRequest
	var params []string
	var wait bool
	var to string
	c := &cobra.Command{
		Use:   "run NAME --database NAME --to REGION --reason TEXT",
		Short: "Run a runbook",
		Long: `Show the plan of a run, what is dangerous about it and what would refuse it now; ask; then start it. If the plan is
another one by the time it starts, nothing is started.

With --wait it ends when the run does: 0 done, 10 refused and nothing changed, 20 undone and the old writer serves, 30 stopped
half way. Without it, it ends at once: 0 the run goes on by itself, 4 it waits for a person.`,
		Example: `  fairlead runbook run switchover --database orders --to eu-central --reason "storm warning" --wait
  fairlead runbook run failover --database orders --to eu-central --ungraceful --param max_loss_time=30s --reason "us-east is dark"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			order.Runbook, order.Reason, order.To = args[0], reasonOf(cmd), to
			var err error
			if order.Params, err = parseParams(params); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			plan, err := client.Get[openapi.Plan](c.PreviewExecution(cmd.Context(), openapi.PreviewRequest{Runbook: order.Runbook, Database: order.Database,
				To: order.To, Ungraceful: order.Ungraceful, Params: order.Params}))
			if err != nil {
				return err
			}
			if len(plan.Refusals) > 0 {
				return refused(cmd, plan)
			}
			if !yes(cmd) {
				printPlan(newPage(cmd.ErrOrStderr()), plan)
				if err := confirm(cmd, confirmRun(plan), wordOf(plan)); err != nil {
					return err
				}
			}
			order.PlanHash = plan.PlanHash
			x, err := start(cmd.Context(), c, order)
			if err != nil {
				return err
			}
			return started(cmd, c, x, wait)
		},
	}
	c.Flags().StringVar(&order.Database, "database", "", "the database it is about")
	c.Flags().StringVar(&to, "to", "", "the region that shall write")
	c.Flags().StringArrayVar(&params, "param", nil, "a parameter as NAME=VALUE; repeat for more")
	c.Flags().BoolVar(&order.Ungraceful, "ungraceful", false, "the old writer is lost or cannot be asked: data may be lost")
	c.Flags().BoolVar(&wait, "wait", false, "watch it to its end")
	addReason(c)
	addYes(c)
	return c
}

func parseParams(texts []string) (openapi.Params, error) {
	params := openapi.Params{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--param %s: write NAME=VALUE", text)
		}
		if _, twice := params[name]; twice {
			return nil, usagef("--param %s is given twice", name)
		}
		params[name] = value
	}
	return params, nil
}

// refused tells why the run would be refused. Nothing has been changed.
func refused(cmd *cobra.Command, plan openapi.Plan) error {
	if err := show(cmd, plan, func(p *page, plan openapi.Plan) {
		p.line("%s would be refused; nothing was changed:", plan.Title)
		printRefusals(p, plan.Refusals)
	}); err != nil {
		return err
	}
	return ended{exitRefused}
}

func printRefusals(p *page, refusals []openapi.Refusal) {
	for _, r := range refusals {
		sentence := r.Subject + ": " + r.Problem
		if r.Remedy != "" {
			sentence += " (" + r.Remedy + ")"
		}
		p.line("  %s %s", p.paint(red, "✖"), sentence)
	}
}

func printPlan(p *page, plan openapi.Plan) {
	p.line("%s", p.paint(bold, "Plan: "+plan.Title))
	p.line("")
	printPlanned(p, plan.Steps)
	p.line("")
	for _, d := range plan.Dangers {
		p.line("%s %s", p.paint(red, "!"), d)
	}
	p.line("An approval covers: %s", plan.Envelope.Sentence)
}

// confirmRun names the region that loses the writer.
func confirmRun(plan openapi.Plan) string {
	if plan.From != "" && plan.To != "" && plan.From != plan.To {
		return fmt.Sprintf("%s stops writing %s, %s takes over.", plan.From, plan.Database, plan.To)
	}
	return "Start " + plan.Title + "."
}

func wordOf(plan openapi.Plan) string {
	if plan.From != "" {
		return plan.From
	}
	return plan.Runbook
}

const startTries = 4

// start starts a run exactly once: it asks again under the same key if the
// answer was lost on the way.
func start(ctx context.Context, c *client.Client, order openapi.ExecutionRequest) (openapi.Execution, error) {
	key := rand.Text()
	for try := 1; ; try++ {
		x, err := client.Get[openapi.Execution](c.StartExecution(ctx, &openapi.StartExecutionParams{IdempotencyKey: key}, order))
		if err == nil || !client.Unreachable(err) || try == startTries {
			return x, err
		}
		select {
		case <-ctx.Done():
			return x, ctx.Err()
		case <-time.After(time.Duration(try) * 500 * time.Millisecond):
		}
	}
}

// started tells of a run that was begun, or watches it to its end.
func started(cmd *cobra.Command, c *client.Client, x openapi.Execution, wait bool) error {
	if wait {
		say(cmd, "Started %s: %s", x.Id, x.Title)
		return follow(cmd, c, x.Id, false)
	}
	if err := show(cmd, x, func(p *page, x openapi.Execution) {
		p.line("Started %s: %s", x.Id, x.Title)
		p.line("%s", x.Sentence)
		p.line("Watch it: fairlead execution watch %s", x.Id)
	}); err != nil {
		return err
	}
	return waitingOrEnded(cmd, x)
}

// waitingOrEnded is the exit code of a run that is not waited for.
func waitingOrEnded(cmd *cobra.Command, x openapi.Execution) error {
	switch {
	case x.State == openapi.ExecutionEnded && x.Outcome != openapi.OutcomeDone:
		return ended{outcomeCode(x.Outcome)}
	case needsPerson(x):
		tellPerson(cmd, x)
		return ended{exitWaiting}
	}
	return nil
}

func needsPerson(x openapi.Execution) bool {
	return x.State == openapi.ExecutionAwaitingApproval || x.State == openapi.ExecutionBlocked || x.State == openapi.ExecutionPaused
}

func tellPerson(cmd *cobra.Command, x openapi.Execution) {
	switch x.State {
	case openapi.ExecutionAwaitingApproval:
		say(cmd, "It waits for a person: fairlead execution approve %s --reason TEXT", x.Id)
	case openapi.ExecutionPaused:
		say(cmd, "It waits for a person: fairlead execution resume %s --reason TEXT", x.Id)
	default:
		say(cmd, "It waits for a person: fairlead execution retry|skip|abort %s --reason TEXT", x.Id)
	}
}
