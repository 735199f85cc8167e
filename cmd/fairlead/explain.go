package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

// checkClient spares the node a question that is wrong usage. The node reads
// the text again and has the last word.
func checkClient(text string) error {
	if text == "" {
		return nil
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return nil
	}
	return usagef("--client %s: is neither an address nor a prefix; write 198.51.100.7 or 198.51.100.0/24", text)
}

func explainCommand() *cobra.Command {
	var typ, who, at string
	c := &cobra.Command{
		Use:   "explain NAME",
		Short: "Say what a client is answered, and why",
		Long: `Say what a client is answered for a name, which rule decided it, and the answer as it goes out. With --at it is what
was answered then, as this node remembers it.`,
		Example: `  fairlead explain www.shop.example
  fairlead explain www.shop.example --client 198.51.100.0/24
  fairlead explain orders.shop.example --at 2026-11-23T09:14:00Z
  fairlead explain orders.shop.example --at 5m          (five minutes ago)`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkClient(who); err != nil {
				return err
			}
			params := openapi.ExplainParams{Name: args[0], Type: typ, Client: who}
			if at != "" {
				instant, err := parseInstant(at, time.Now())
				if err != nil {
					return err
				}
				params.At = instant
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			e, err := client.Get[openapi.Explanation](c.Explain(cmd.Context(), &params))
			if err != nil {
				return err
			}
			return show(cmd, e, printExplanation)
		},
	}
	c.Flags().StringVar(&typ, "type", "A", "record type")
	c.Flags().StringVar(&who, "client", "", "address or prefix of the client; everyone else when absent")
	c.Flags().StringVar(&at, "at", "", "a past instant (2026-11-23T09:14:00Z), or how long ago (5m)")
	return c
}

// parseInstant reads an instant, or a length of time before now.
func parseInstant(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("--at %s: write an instant such as 2026-11-23T09:14:00Z, or how long ago, such as 5m", text)
}

func printExplanation(p *page, e openapi.Explanation) {
	who := "everyone else"
	if e.Client != "" {
		who = e.Client
	}
	p.line("%s", p.paint(bold, fmt.Sprintf("%s %s for %s, at %s, as node %s sees it", e.Name, e.Type, who, clock(e.At), e.Node)))
	p.line("%s", e.Answer)
	if e.Service != "" {
		facts := []string{"service " + e.Service, "group " + e.Group, fmt.Sprintf("TTL %d s", e.TtlSeconds), fmt.Sprintf("generation %d", e.Generation)}
		if e.Bucket != nil {
			facts = append(facts, fmt.Sprintf("bucket %d of 10000", *e.Bucket))
		}
		if e.EcsScope != "" {
			facts = append(facts, "the same for all of "+e.EcsScope)
		}
		p.line("%s", strings.Join(facts, ", "))
	}
	if len(e.Reasons) > 0 {
		p.line("")
		rules := newTable("", "RULE, HIGHEST FIRST", "SAYS")
		for _, r := range e.Reasons {
			mark := " "
			switch {
			case r.Decisive:
				mark = "▶"
			case r.Applies:
				mark = "·"
			}
			rules.add(mark, strings.ReplaceAll(string(r.Rule), "_", " "), r.Sentence)
		}
		p.table(rules)
	}
	if len(e.Endpoints) > 0 {
		p.line("")
		endpoints := newTable("", "ENDPOINT", "ADDRESSES", "STATE", "MEASURED", "BECAUSE")
		for _, x := range e.Endpoints {
			mark := " "
			if x.Answered {
				mark = "▶"
			}
			endpoints.add(mark, x.Id, strings.Join(x.Addresses, " "), p.state(x.Effective), string(x.Measured), x.Because)
		}
		p.table(endpoints)
	}
	p.line("")
	p.line("%s", strings.TrimRight(e.Wire, "\n"))
}
