package main

import (
	"github.com/spf13/cobra"

	"fairlead/cmd/internal/daemon"
)

func serveCommand() *cobra.Command {
	var o daemon.Options
	c := &cobra.Command{
		Use:   "serve --config PATH",
		Short: "Run a node",
		Long: `Run a node: it watches, judges, answers, holds its part of the store and serves the API and the console, as far
as its roles go. SIGHUP reads the configuration again, and so does a change of its files; what is wrong is refused as a whole, and
what was in force stays so.`,
		Example: `  fairlead serve --config /etc/fairlead/fairlead.yaml
  fairlead serve --config fairlead.yaml --data-dir /srv/fairlead --node node-2 --roles probe,dns
  fairlead serve --config fairlead.yaml --etcd https://10.0.0.1:2379,https://10.0.0.2:2379`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, flush := logger(cmd)
			defer flush()
			o.Log = log
			node, err := daemon.New(cmd.Context(), o)
			if err != nil {
				return err
			}
			return node.Run(cmd.Context())
		},
	}
	c.Flags().StringVar(&o.Config, "config", "", "configuration: a YAML file or a directory of them")
	c.Flags().StringVar(&o.DataDir, "data-dir", "", "where this node keeps what it must not forget; overrides node.data_dir")
	c.Flags().StringVar(&o.Name, "node", "", "this node's name; overrides node.name")
	c.Flags().StringSliceVar(&o.Etcd, "etcd", nil, "URLs of an external etcd cluster; overrides node.store.etcd")
	c.Flags().StringSliceVar(&o.Roles, "roles", nil, "control, probe, dns; overrides node.roles")
	_ = c.MarkFlagRequired("config")
	return c
}
