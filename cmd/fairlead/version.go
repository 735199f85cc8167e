package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/version"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: `  fairlead version`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := map[string]string{"version": version.String(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return show(cmd, v, func(p *page, v map[string]string) {
				p.line("fairlead %s (%s, %s)", v["version"], v["go"], v["platform"])
			})
		},
	}
}
