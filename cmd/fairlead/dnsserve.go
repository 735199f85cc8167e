package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/daemon"
	"fairlead/dns/server"
)

func dnsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dns",
		Short: "Serve zones without a control plane",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(dnsServeCommand())
	return c
}

func dnsServeCommand() *cobra.Command {
	var o server.Options
	var steer string
	c := &cobra.Command{
		Use:   "serve --zone ORIGIN=FILE --listen ADDR:PORT",
		Short: "Answer from zone files alone",
		Long: `Answer from zone files alone, without health, store or console: for benchmarks, conformance suites, and for a zone that
has to be answered while everything else is broken. Prints "ready" when it answers on UDP and TCP; SIGTERM ends it.

With --steer the services of a configuration are checked and answered too, by this process alone.`,
		Example: `  fairlead dns serve --zone example.com=example.com.zone --listen 127.0.0.1:5470
  fairlead dns serve --zone example.com=example.com.zone --steer fairlead.yaml --listen 127.0.0.1:5470`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, zone := range o.Zones {
				if origin, file, ok := strings.Cut(zone, "="); !ok || origin == "" || file == "" {
					return usagef("--zone %s: write ORIGIN=FILE, such as example.com=/etc/zones/example.com", zone)
				}
			}
			log, flush := logger(cmd)
			defer flush()
			o.Log = log
			ready := func() { fmt.Fprintln(cmd.OutOrStdout(), "ready") }
			if steer != "" {
				s, err := daemon.NewStandalone(cmd.Context(), o, steer, o.Log)
				if err != nil {
					return err
				}
				return s.Run(cmd.Context(), ready)
			}
			s, err := server.Standalone(cmd.Context(), o)
			if err != nil {
				return err
			}
			ready()
			return s.Run(cmd.Context())
		},
	}
	c.Flags().StringArrayVar(&o.Zones, "zone", nil, "a zone to serve, as ORIGIN=FILE; repeat for more")
	c.Flags().StringArrayVar(&o.Listen, "listen", nil, "ADDR:PORT to answer on; repeat for more")
	c.Flags().IntVar(&o.Threads, "threads", 1, "UDP sockets and workers for each address")
	c.Flags().StringVar(&o.NSID, "nsid", "", "the name by which this server tells itself from others (RFC 5001)")
	c.Flags().StringVar(&steer, "steer", "", "a configuration whose services are checked and answered too")
	_ = c.MarkFlagRequired("zone")
	_ = c.MarkFlagRequired("listen")
	return c
}
