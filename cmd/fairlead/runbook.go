package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

func runbookCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runbook",
		Short: "See, check and run procedures",
	}
	c.AddCommand(runbookListCommand(), runbookShowCommand(), runbookCheckCommand(), runbookRunCommand())
	return c
}

func runbookListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the runbooks of this fleet",
		Example: `  fairlead runbook list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := client.Get[openapi.RunbookList](c.ListRunbooks(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, list, func(p *page, l openapi.RunbookList) {
				t := newTable("RUNBOOK", "STEPS", "FROM", "WHAT IT DOES")
				for _, r := range l.Runbooks {
					t.add(r.Name, fmt.Sprint(r.StepsTotal), r.Source, r.Title)
				}
				p.table(t)
			})
		},
	}
}

func runbookShowCommand() *cobra.Command {
	var text bool
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a runbook's steps in words",
		Example: `  fairlead runbook show switchover
  fairlead runbook show switchover --text > my-switchover.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			r, err := client.Get[openapi.Runbook](c.GetRunbook(cmd.Context(), args[0]))
			if err != nil {
				return err
			}
			return show(cmd, r, func(p *page, r openapi.Runbook) {
				if text {
					p.line("%s", strings.TrimRight(r.Text, "\n"))
					return
				}
				printRunbook(p, r)
			})
		},
	}
	c.Flags().BoolVar(&text, "text", false, "print its YAML")
	return c
}

func printRunbook(p *page, r openapi.Runbook) {
	p.line("%s", p.paint(bold, r.Name+": "+r.Title))
	if r.Description != "" {
		p.line("%s", strings.TrimSpace(r.Description))
	}
	if len(r.Params) > 0 {
		p.line("")
		t := newTable("PARAMETER", "TYPE", "DEFAULT", "WHAT IT IS")
		for _, q := range r.Params {
			absent := dash(q.Default)
			if q.Required {
				absent = "must be given"
			}
			t.add(q.Name, dash(q.Type), absent, q.Description)
		}
		p.table(t)
	}
	p.line("")
	printPlanned(p, r.Steps)
}

func printPlanned(p *page, steps []openapi.PlannedStep) {
	t := newTable("", "STEP", "WHAT IT DOES", "")
	for i, s := range steps {
		var notes []string
		if s.ParallelGroup != "" {
			notes = append(notes, "side by side: "+s.ParallelGroup)
		}
		if s.Danger != "" {
			notes = append(notes, p.paint(red, "! "+s.Danger))
		}
		if s.Compensate != "" {
			notes = append(notes, "undo: "+s.Compensate)
		}
		description := s.Description
		if description == "" {
			description = s.Name
		}
		t.add(fmt.Sprintf("%d", i+1), s.Id, description, strings.Join(notes, "; "))
	}
	p.table(t)
}

func runbookCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE",
		Short:   "Name every problem of a runbook's text; asks no node",
		Example: `  fairlead runbook check my-switchover.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fault.Invalidf("runbook "+args[0], "cannot be read").Because(err)
			}
			book, problems := runbooks.Parse(args[0], string(text), steps.Kinds())
			result := openapi.CheckResult{Ok: len(problems) == 0, Problems: []openapi.TextProblem{}}
			for _, p := range problems {
				result.Problems = append(result.Problems, openapi.TextProblem{File: p.File, Line: p.Line, Column: p.Column, Problem: p.What, Remedy: p.Do})
			}
			err = show(cmd, result, func(p *page, _ openapi.CheckResult) {
				for _, problem := range problems {
					p.line("%s", problem)
				}
				if len(problems) == 0 {
					p.line("%s is sound: runbook %s", args[0], book.Name)
				}
			})
			if err == nil && len(problems) > 0 {
				return fmt.Errorf("%s: %s", args[0], count(len(problems), "problem"))
			}
			return err
		},
	}
}
