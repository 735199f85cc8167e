package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show regions, services, databases and alarms as a node sees them",
		Example: `  fairlead status
  fairlead status -o json | jq '.regions[] | select(.effective != "up")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			st, err := client.Get[openapi.Status](c.GetStatus(cmd.Context()))
			if err != nil {
				return err
			}
			var open openapi.ExecutionList
			if !wantsJSON(cmd) {
				open, err = client.Get[openapi.ExecutionList](c.ListExecutions(cmd.Context(), &openapi.ListExecutionsParams{Open: true, Limit: 20}))
				if err != nil {
					say(cmd, "fairlead: the open runs could not be read: %v", err)
				}
			}
			return show(cmd, st, func(p *page, st openapi.Status) { printStatus(p, st, open.Executions) })
		},
	}
}

func printStatus(p *page, st openapi.Status, open []openapi.ExecutionSummary) {
	printNode(p, st)
	printAlarms(p, st)
	p.line("")
	regions := newTable("REGION", "STATE", "MEASURED", "SINCE", "ENDPOINTS", "BECAUSE")
	for _, r := range st.Regions {
		regions.add(r.Id, p.state(r.Effective), string(r.Measured), age(r.Since, st.At), fmt.Sprintf("%d of %d up", r.EndpointsUp, r.EndpointsTotal), r.Because+standing(r))
	}
	p.table(regions)
	p.line("")
	services := newTable("SERVICE", "NAME", "STATE", "CLIENTS", "ARE ANSWERED", "TTL", "BECAUSE")
	for _, s := range st.Services {
		for i, a := range s.Answers {
			id, name, state := s.Id, s.Name, p.state(s.State)
			if i > 0 {
				id, name, state = "", "", ""
			}
			services.add(id, name, state, a.Group, answered(s, a), fmt.Sprintf("%d s", a.TtlSeconds), a.Because)
		}
		if len(s.Answers) == 0 {
			services.add(s.Id, s.Name, p.state(s.State), "-", "-", "-", s.Because)
		}
	}
	p.table(services)
	if len(st.Databases) > 0 {
		p.line("")
	}
	databases := newTable("DATABASE", "EPOCH", "REGION", "ROLE", "STATE", "BEHIND", "MEASURED", "AGENT")
	for _, d := range st.Databases {
		for i, m := range d.Members {
			id, epoch := d.Id, fmt.Sprintf("%d.%d", d.Epoch.Incarnation, d.Epoch.Number)
			if i > 0 {
				id, epoch = "", ""
			}
			role := m.Role
			if m.Region == d.WriterRegion {
				role += ", writes"
			}
			databases.add(id, epoch, m.Region, role, p.state(m.State), behind(m), measuredAgo(m), agent(m.Agent))
		}
	}
	p.table(databases)
	if len(open) > 0 {
		p.line("")
		printRuns(p, open)
	}
	if len(st.Nodes) > 1 {
		p.line("")
		nodes := newTable("NODE", "REGION", "ROLES", "GENERATION", "HEARD", "HEARD BY")
		for _, n := range st.Nodes {
			generation := fmt.Sprintf("%d", n.Generation)
			if !n.Confirmed {
				generation += ", behind"
			}
			heard := "never"
			switch {
			case n.Self:
				heard = "this node"
			case n.LastHeardMs != nil:
				heard = milliseconds(n.LastHeardMs) + " ago"
			}
			nodes.add(n.Name, n.Region, strings.Join(n.Roles, ","), generation, heard, hearers(n))
		}
		p.table(nodes)
	}
}

func printNode(p *page, st openapi.Status) {
	p.line("%s", p.paint(bold, fmt.Sprintf("Node %s, %s, generation %d, at %s", st.Node, st.Version, st.Generation, clock(st.At))))
	printStandpoint(p, st)
	switch {
	case !st.Store.Reachable:
		p.line("%s", p.paint(red, fmt.Sprintf("✖ The store is out of reach since %s: nothing can be decided; answers and failover go on. %s",
			age(st.Store.Since, st.At), st.Store.Problem)))
	case st.Store.Leader == "":
		p.line("%s", p.paint(yellow, "! The store has no leader right now: runs and ends of overrides wait."))
	default:
		p.line("The store is reachable, led by %s.", st.Store.Leader)
	}
	if !st.Config.Ok {
		p.line("%s", p.paint(red, fmt.Sprintf("✖ The newest configuration was refused, the one of %s is in force: %s", clock(st.Config.LoadedAt), st.Config.Problem)))
	}
	if st.Freeze.Frozen {
		p.line("%s", p.paint(yellow, fmt.Sprintf("! Frozen by %s until %s: %s", st.Freeze.By, clock(st.Freeze.Until), st.Freeze.Reason)))
	}
}

// printStandpoint answers "is it us?" before anything else is believed.
func printStandpoint(p *page, st openapi.Status) {
	if st.Standpoint == nil || len(st.Nodes) < 2 {
		return
	}
	sentence := strings.ToUpper(st.Standpoint.Sentence[:1]) + st.Standpoint.Sentence[1:] + "."
	switch st.Standpoint.Stand {
	case openapi.StandUs, openapi.StandSplit:
		sentence = p.paint(red, "✖ "+sentence)
	case openapi.StandCutOff, openapi.StandLink:
		sentence = p.paint(yellow, "! "+sentence)
	}
	p.line("%s", sentence)
}

// hearers says who hears a node, and who does not.
func hearers(n openapi.Node) string {
	text := dash(strings.Join(n.HeardBy, ", "))
	if len(n.NotHeardBy) > 0 {
		text += "; not by " + strings.Join(n.NotHeardBy, ", ")
	}
	return text
}

func printAlarms(p *page, st openapi.Status) {
	for _, a := range st.Alarms {
		mark, code := "!", yellow
		if a.Severity == openapi.AlarmCritical {
			mark, code = "✖", red
		}
		p.line("%s", p.paint(code, fmt.Sprintf("%s %s (%s, since %s): %s", mark, a.Subject, a.Severity, age(a.Since, st.At), a.Sentence)))
		if a.Remedy != "" {
			p.line("  do: %s", a.Remedy)
		}
	}
}

// standing adds to a region's reason what a person has to do about it.
func standing(r openapi.Region) string {
	if r.Held || r.Latched {
		return fmt.Sprintf(" (stays out until: fairlead restore %s)", r.Id)
	}
	return ""
}

func answered(s openapi.Service, a openapi.AnswerGroup) string {
	var parts []string
	for _, r := range a.Regions {
		part := r.Region
		if len(a.Regions) > 1 {
			part = fmt.Sprintf("%s %.0f %%", r.Region, r.SharePercent)
		}
		parts = append(parts, part)
	}
	text := strings.Join(parts, ", ")
	switch {
	case s.Mode == openapi.ModeObserve:
		return "observed only (would be " + dash(text) + ")"
	case text == "":
		return "nothing"
	}
	return text
}

func behind(m openapi.DatabaseMember) string {
	if m.LagBytes == nil && m.LagSeconds == nil {
		return "-"
	}
	var parts []string
	if m.LagBytes != nil {
		parts = append(parts, size(*m.LagBytes))
	}
	if m.LagSeconds != nil {
		parts = append(parts, fmt.Sprintf("%.1f s", *m.LagSeconds))
	}
	return strings.Join(parts, ", ")
}

func measuredAgo(m openapi.DatabaseMember) string {
	if m.MeasuredAgeMs == nil {
		return "never"
	}
	return milliseconds(m.MeasuredAgeMs) + " ago"
}

func agent(a *openapi.AgentStatus) string {
	switch {
	case a == nil:
		return "none"
	case !a.Reachable:
		return "out of reach"
	case a.Fenced:
		return "fences"
	case a.AgeMs != nil:
		return "heard " + length(time.Duration(*a.AgeMs)*time.Millisecond) + " ago"
	}
	return "reachable"
}
