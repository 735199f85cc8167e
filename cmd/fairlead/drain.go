package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func drainCommand() *cobra.Command {
	var req openapi.DrainRequest
	c := &cobra.Command{
		Use:   "drain REGION --reason TEXT",
		Short: "Take a region out of every answer",
		Long: `Take a region out of every answer, or out of one service's. When the time is over it does not come back by itself:
it stays out, an alarm says so, and a person restores it. What it would do is shown first.`,
		Example: `  fairlead drain us-east --reason "planned maintenance, ticket 4711" --for 2h
  fairlead drain us-east --service www --reason "bad deploy" --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Reason = reasonOf(cmd)
			return steer(cmd, fmt.Sprintf("Drain %s: it loses its traffic.", scope(args[0], req.Service)), args[0],
				func(c *client.Client, dry bool) (openapi.SteeringResult, error) {
					req.DryRun = dry
					return client.Get[openapi.SteeringResult](c.DrainRegion(cmd.Context(), args[0], req))
				})
		},
	}
	c.Flags().StringVar(&req.For, "for", "1h", "how long, such as 30m or 2h; then it stays out until restored")
	c.Flags().StringVar(&req.Service, "service", "", "only this service")
	c.Flags().BoolVar(&req.Force, "force", false, "also when that leaves a service with nobody healthy")
	addReason(c)
	addYes(c)
	return c
}

func restoreCommand() *cobra.Command {
	var req openapi.RestoreRequest
	c := &cobra.Command{
		Use:   "restore REGION --reason TEXT",
		Short: "Let a region take traffic again, as measured",
		Long: `End a region's drains and holds, and release it if it was taken out as a whole because it was down. From then on it takes
traffic as it is measured.`,
		Example: `  fairlead restore us-east --reason "power is back, checked by hand"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Reason = reasonOf(cmd)
			return steer(cmd, fmt.Sprintf("Restore %s: it takes traffic again.", scope(args[0], req.Service)), args[0],
				func(c *client.Client, dry bool) (openapi.SteeringResult, error) {
					req.DryRun = dry
					return client.Get[openapi.SteeringResult](c.RestoreRegion(cmd.Context(), args[0], req))
				})
		},
	}
	c.Flags().StringVar(&req.Service, "service", "", "only this service's drain")
	addReason(c)
	addYes(c)
	return c
}

func scope(region, service string) string {
	if service == "" {
		return region
	}
	return service + " in " + region
}

// steer shows what an act of steering would do, asks, and does it.
func steer(cmd *cobra.Command, question, word string, act func(c *client.Client, dry bool) (openapi.SteeringResult, error)) error {
	if err := mustAsk(cmd); err != nil {
		return err
	}
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	would, err := act(c, true)
	if err != nil {
		return err
	}
	if !yes(cmd) {
		say(cmd, "This would happen:")
		for _, effect := range would.Effects {
			say(cmd, "  - %s", effect)
		}
		if err := confirm(cmd, question, word); err != nil {
			return err
		}
	}
	did, err := act(c, false)
	if err != nil {
		return err
	}
	return show(cmd, did, printSteering)
}

func printSteering(p *page, r openapi.SteeringResult) {
	for _, effect := range r.Effects {
		p.line("%s", effect)
	}
	p.line("Decided, generation %d.", r.Generation)
	if len(r.Overrides) > 0 {
		p.line("")
		printOverrides(p, r.Overrides)
	}
}
