package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func overrideCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "override",
		Short: "See, set and end what people have put over measurement",
	}
	c.AddCommand(overrideListCommand(), overrideForceCommand(), overrideEndCommand())
	return c
}

func overrideListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List drains and forced states, also those on hold",
		Example: `  fairlead override list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := client.Get[openapi.OverrideList](c.ListOverrides(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, list, func(p *page, l openapi.OverrideList) {
				if len(l.Overrides) == 0 {
					p.line("Nothing is overridden: every region is steered as measured.")
				}
				printOverrides(p, l.Overrides)
			})
		},
	}
}

func overrideForceCommand() *cobra.Command {
	var req openapi.OverrideRequest
	c := &cobra.Command{
		Use:   "force REGION up|down --for DURATION --reason TEXT",
		Short: "Steer a region as up or down, whatever is measured",
		Example: `  fairlead override force us-east up --for 1h --reason "the check is wrong, users are served"
  fairlead override force us-east down --for 30m --reason "it answers, but with yesterday's data"`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"up", "down"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "up" && args[1] != "down" {
				return usagef("%q is not a state: force a region up or down", args[1])
			}
			req.Region, req.State, req.Reason = args[0], openapi.OverrideRequestState(args[1]), reasonOf(cmd)
			question := fmt.Sprintf("Force %s %s until %s have passed.", scope(args[0], req.Service), args[1], req.For)
			return steer(cmd, question, args[0], func(c *client.Client, dry bool) (openapi.SteeringResult, error) {
				req.DryRun = dry
				return client.Get[openapi.SteeringResult](c.CreateOverride(cmd.Context(), req))
			})
		},
	}
	c.Flags().StringVar(&req.For, "for", "", "how long, such as 30m or 2h; at most seven days (168h)")
	c.Flags().StringVar(&req.Service, "service", "", "only this service")
	c.Flags().BoolVar(&req.Force, "force", false, "also when that leaves a service with nobody healthy")
	_ = c.MarkFlagRequired("for")
	addReason(c)
	addYes(c)
	return c
}

func overrideEndCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "end ID --reason TEXT",
		Short:   "End an override; measurement rules again",
		Example: `  fairlead override end o17 --reason "the check is mended"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if err := confirm(cmd, fmt.Sprintf("End override %s: measurement rules again.", args[0]), args[0]); err != nil {
				return err
			}
			did, err := client.Get[openapi.SteeringResult](c.EndOverride(cmd.Context(), args[0], openapi.ReasonRequest{Reason: reasonOf(cmd)}))
			if err != nil {
				return err
			}
			return show(cmd, did, printSteering)
		},
	}
	addReason(c)
	addYes(c)
	return c
}

func printOverrides(p *page, list []openapi.Override) {
	t := newTable("OVERRIDE", "WHAT", "WHERE", "UNTIL", "BY", "REASON")
	for _, o := range list {
		until := clock(o.Until)
		if o.Held {
			until = "held until restored"
		}
		t.add(o.Id, strings.ReplaceAll(o.Kind, "_", " "), scope(o.Region, o.Service), until, o.By, o.Reason)
	}
	p.table(t)
}
