package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/demo"
)

func demoCommand() *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play a world to break: three regions, a real PostgreSQL pair, a crowd of shoppers",
		Long: `Play a self-contained world on this machine: three regions with a shop each, a PostgreSQL primary and standby with an
agent beside each, a crowd of shoppers that place orders, and a node as a child process that can be killed for real. It prints where
everything listens and what to try. Ctrl-C leaves nothing behind.

With --headless it plays the story by itself, measures it from outside, and exits 0 only if all of it held.`,
		Example: `  fairlead demo
  fairlead demo --headless --report demo-report.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err == nil {
				program, err = filepath.EvalSymlinks(program)
			}
			if err != nil {
				return fmt.Errorf("find this program's own file: %w", err)
			}
			o.Program, o.Command, o.Out, o.In = program, os.Args[0], cmd.OutOrStdout(), cmd.InOrStdin()
			return demo.Run(cmd.Context(), o)
		},
	}
	c.AddCommand(demoOrder("kill REGION", "Kill a region's shop in the demo that runs here", "kill"),
		demoOrder("start REGION", "Start a region's shop again in the demo that runs here", "start"))
	c.Flags().BoolVar(&o.Headless, "headless", false, "play the story without anybody, and measure it")
	c.Flags().StringVar(&o.Report, "report", "", "file to write the story's report to, as JSON")
	c.Flags().BoolVar(&o.Keep, "keep", false, "keep the directory with all logs")
	return c
}

// demoOrder is an order to a demo that runs in another terminal.
func demoOrder(use, short, verb string) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  fairlead demo " + verb + " us-east",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := demo.Tell(cmd.Context(), verb+" "+args[0])
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), reply)
			return nil
		},
	}
}

func demoShopCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:    "demo-shop --config PATH",
		Short:  "Be one region's shop in the demo",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return demo.Shop(cmd.Context(), path) },
	}
	c.Flags().StringVar(&path, "config", "", "the shop's configuration file")
	_ = c.MarkFlagRequired("config")
	return c
}
