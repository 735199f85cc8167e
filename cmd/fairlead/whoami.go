package main

import (
	"strings"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Say who you are to the node and what you may do",
		Example: `  fairlead whoami --token-file ~/.fairlead-token`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			who, err := client.Get[openapi.Whoami](c.GetWhoami(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, who, func(p *page, w openapi.Whoami) {
				p.line("You are %s, by %s. You may: %s.", w.Name, w.Method, strings.Join(w.May, ", "))
				if len(w.Only) > 0 {
					p.line("Your acts are limited to %s.", strings.Join(w.Only, ", "))
				}
				if w.Note != "" {
					p.line("%s", w.Note)
				}
			})
		},
	}
}
