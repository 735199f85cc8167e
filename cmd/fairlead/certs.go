package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/identity"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func certsCommand() *cobra.Command {
	var authority, out, node string
	var roles, hosts []string
	c := &cobra.Command{
		Use:   "certs",
		Short: "Issue a certificate for a node or an agent",
		Long: `Issue a certificate with the cluster's own small authority, which is made at the first use.

The authority's directory holds its key: keep it where no node can read it. The output directory gets
ca.crt, node.crt and node.key, which is what node.certificates (or an agent's certificates) names.`,
		Example: `  fairlead certs --authority ca --node node-1 --role control,probe,dns --host 10.0.0.1 --out certs/node-1
  fairlead certs --authority ca --node orders-us-east --role agent --host db1.internal --out certs/orders-us-east`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := identity.Request{Node: regions.NodeID(node), Hosts: hosts}
			for _, r := range roles {
				role, err := identity.ParseRole(r)
				if err != nil {
					return err
				}
				request.Roles = append(request.Roles, role)
			}
			a, err := identity.OpenAuthority(authority)
			if fault.Is(err, fault.NotFound) {
				a, err = identity.NewAuthority(authority)
			}
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(authority, node)
			}
			if err := a.Issue(out, request); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "certificate of %s (%v) written to %s\n", node, request.Roles, out)
			return nil
		},
	}
	c.Flags().StringVar(&authority, "authority", "ca", "directory of the authority; made if it is not there")
	c.Flags().StringVar(&out, "out", "", "directory to write to; by default the node's name in the authority's directory")
	c.Flags().StringVar(&node, "node", "", "name of the node or agent")
	c.Flags().StringSliceVar(&roles, "role", []string{"control", "probe", "dns"}, "what it may be: control, probe, dns, agent")
	c.Flags().StringSliceVar(&hosts, "host", nil, "names and addresses at which it is reached")
	_ = c.MarkFlagRequired("node")
	return c
}
