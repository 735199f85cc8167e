package main

import (
	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func freezeCommand() *cobra.Command {
	var d string
	c := &cobra.Command{
		Use:   "freeze --for DURATION --reason TEXT",
		Short: "Stop automatic changes of answers for a while",
		Long:  `Stop automatic changes of all answers for a while. Taking out what is dead goes on. A freeze always has an end.`,
		Example: `  fairlead freeze --for 4h --reason "biggest sale of the year"
  fairlead freeze show
  fairlead freeze end --reason "the sale is over"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if err := confirm(cmd, "Freeze automatic changes of all answers for "+d+".", "freeze"); err != nil {
				return err
			}
			f, err := client.Get[openapi.Freeze](c.SetFreeze(cmd.Context(), openapi.FreezeRequest{For: d, Reason: reasonOf(cmd)}))
			if err != nil {
				return err
			}
			return show(cmd, f, printFreeze)
		},
	}
	c.Flags().StringVar(&d, "for", "", "how long, such as 30m or 4h")
	_ = c.MarkFlagRequired("for")
	addReason(c)
	addYes(c)
	c.AddCommand(freezeShowCommand(), freezeEndCommand())
	return c
}

func freezeShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Say whether automatic changes are frozen",
		Example: `  fairlead freeze show`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			f, err := client.Get[openapi.Freeze](c.GetFreeze(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, f, printFreeze)
		},
	}
}

func freezeEndCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "end --reason TEXT",
		Short:   "End the freeze",
		Example: `  fairlead freeze end --reason "the sale is over"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			f, err := client.Get[openapi.Freeze](c.EndFreeze(cmd.Context(), &openapi.EndFreezeParams{Reason: reasonOf(cmd)}))
			if err != nil {
				return err
			}
			return show(cmd, f, printFreeze)
		},
	}
	addReason(c)
	return c
}

func printFreeze(p *page, f openapi.Freeze) {
	if !f.Frozen {
		p.line("Nothing is frozen: answers follow what is measured.")
		return
	}
	p.line("Frozen by %s until %s: %s", f.By, clock(f.Until), f.Reason)
}
