package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the record of who decided what",
	}
	c.AddCommand(auditListCommand(), auditVerifyCommand())
	return c
}

func auditListCommand() *cobra.Command {
	params := openapi.ListAuditParams{}
	var from int64
	c := &cobra.Command{
		Use:   "list",
		Short: "List decisions, oldest first",
		Example: `  fairlead audit list
  fairlead audit list --from 0 --limit 1000 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			params.From = from
			page, err := client.Get[openapi.AuditPage](listAudit(cmd, c, params))
			if err != nil {
				return err
			}
			return show(cmd, page, printAudit)
		},
	}
	c.Flags().Int64Var(&from, "from", 0, "position of the first entry wanted; the newest ones when absent")
	c.Flags().IntVar(&params.Limit, "limit", 50, "how many at most, up to 1000")
	return c
}

func printAudit(p *page, a openapi.AuditPage) {
	t := newTable("ENTRY", "AT", "WHO", "WHAT", "ABOUT", "SENTENCE", "REASON")
	for _, e := range a.Entries {
		t.add(fmt.Sprint(e.Position), clock(e.At), e.Principal, e.Kind, e.Subject, e.Sentence, dash(e.Reason))
	}
	p.table(t)
	if a.Next != nil {
		p.line("More: fairlead audit list --from %d", *a.Next)
	}
}

func auditVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Recompute every hash of the record",
		Long: `Walk the whole record and recompute every hash. Exit code 1 if an entry is not the one that was sealed. Note the
head's hash down elsewhere: it seals everything before it.`,
		Example: `  fairlead audit verify`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			v, err := client.Get[openapi.AuditVerification](c.VerifyAudit(cmd.Context()))
			if err != nil {
				return err
			}
			err = show(cmd, v, func(p *page, v openapi.AuditVerification) {
				p.line("%d entries: %s", v.Checked, v.Sentence)
				if v.HeadHash != "" {
					p.line("Head: entry %d, hash %s", v.Last, v.HeadHash)
				}
			})
			if err == nil && !v.Ok {
				return fmt.Errorf("the record is broken: %s", v.Sentence)
			}
			return err
		},
	}
}

// listAudit leaves position 0 in the request where it was asked for: without
// one the newest entries come.
func listAudit(cmd *cobra.Command, c *client.Client, params openapi.ListAuditParams) (*http.Response, error) {
	asked := cmd.Flags().Changed("from")
	return c.ListAudit(cmd.Context(), &params, func(_ context.Context, r *http.Request) error {
		q := r.URL.Query()
		q.Del("from")
		if asked {
			q.Set("from", fmt.Sprint(params.From))
		}
		r.URL.RawQuery = q.Encode()
		return nil
	})
}
