package main

import (
	"github.com/spf13/cobra"

	"fairlead/cmd/internal/daemon"
)

func agentCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "agent --config PATH",
		Short: "Run beside a database: control its server and hold its fence",
		Long: `The agent is the one that can promise that a server does not take writes: it stops the server, leaves a durable
mark so that it cannot come back as a writer, and says so. It remembers the newest epoch that it has seen and refuses older ones.`,
		Example: `  fairlead agent --config /etc/fairlead/agent.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, flush := logger(cmd)
			defer flush()
			return daemon.RunAgent(cmd.Context(), path, log)
		},
	}
	c.Flags().StringVar(&path, "config", "", "the agent's configuration file")
	_ = c.MarkFlagRequired("config")
	return c
}
