package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/config"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check PATH",
		Short: "Name every problem of a configuration",
		Long: `Read a configuration file, or a directory of them, with all zone files and runbooks that it names, and name
every problem as FILE:LINE:COLUMN: what is wrong (what to do). Nothing is started and nobody is asked.`,
		Example: `  fairlead check /etc/fairlead/fairlead.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if problems, ok := errors.AsType[config.Problems](err); ok {
				for _, p := range problems {
					fmt.Fprintln(cmd.OutOrStdout(), p)
				}
				return fmt.Errorf("%s: %d problems", args[0], len(problems))
			}
			if err != nil {
				return err
			}
			f := c.Fleet
			fmt.Fprintf(cmd.OutOrStdout(), "%s is sound: %d regions, %d services, %d databases, %d zones, %d runbooks of its own\n",
				args[0], len(f.Regions), len(f.Services), len(f.Databases), len(f.Zones), len(f.Runbooks))
			for _, w := range c.Warnings() {
				fmt.Fprintln(cmd.OutOrStdout(), "warning: "+w)
			}
			return nil
		},
	}
}
