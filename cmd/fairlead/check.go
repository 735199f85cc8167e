package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/config"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check PATH",
		Short: "Name every problem of a configuration",
		Long: `Read a configuration file, or a directory of them, with all zone files and runbooks that it names, and name
every problem as FILE:LINE:COLUMN: what is wrong (what to do). What is in order, though hardly as meant, is a warning and does
not make it fail. Nothing is started and nobody is asked.`,
		Example: `  fairlead check /etc/fairlead/fairlead.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			problems, wrong := errors.AsType[config.Problems](err)
			if err != nil && !wrong {
				return err
			}
			result := openapi.CheckResult{Ok: !wrong, Problems: asTexts(problems)}
			if c != nil {
				result.Warnings = asTexts(c.Warnings)
			}
			err = show(cmd, result, func(p *page, _ openapi.CheckResult) {
				for _, problem := range problems {
					p.line("%s", problem)
				}
				if c == nil {
					return
				}
				for _, w := range c.Warnings {
					p.line("warning: %s", w)
				}
				f := c.Fleet
				p.line("%s is sound: %s, %s, %s, %s, %s of its own", args[0], count(len(f.Regions), "region"), count(len(f.Services), "service"),
					count(len(f.Databases), "database"), count(len(f.Zones), "zone"), count(len(f.Runbooks), "runbook"))
			})
			if err == nil && wrong {
				return fmt.Errorf("%s: %s", args[0], count(len(problems), "problem"))
			}
			return err
		},
	}
}

func asTexts(problems config.Problems) []openapi.TextProblem {
	out := make([]openapi.TextProblem, len(problems))
	for i, p := range problems {
		out[i] = openapi.TextProblem{File: p.File, Line: p.Line, Column: p.Column, Problem: p.What, Remedy: p.Remedy}
	}
	return out
}
