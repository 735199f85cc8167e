package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/daemon"
	"fairlead/cmd/internal/inspect"
	"fairlead/cmd/internal/version"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check  string `json:"check"`
	Ok     bool   `json:"ok"`
	Says   string `json:"says"`
	Remedy string `json:"remedy,omitempty"`
}

func doctorCommand() *cobra.Command {
	var dataDir string
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps this command line and a node from working",
		Long: `Look whether the node is reached, whether you are signed in and as whom, whether its store, configuration, neighbours and
audit trail are well, and whether its clock agrees with this machine's. Exit code 1 if something is wrong.

With --data-dir no node is asked: every file in the data directory of a stopped node is read, and those that are damaged are
named. Nothing is changed.`,
		Example: `  fairlead doctor
  fairlead doctor --data-dir /var/lib/fairlead`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := diagnose(cmd, dataDir)
			if err != nil {
				return err
			}
			wrong := 0
			for _, f := range findings {
				if !f.Ok {
					wrong++
				}
			}
			if err := show(cmd, findings, printFindings); err != nil {
				return err
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d things are wrong", wrong, len(findings))
			}
			return nil
		},
	}
	command.Flags().StringVar(&dataDir, "data-dir", "", "look into the data directory of a stopped node instead")
	return command
}

// diagnose examines a node, or a data directory.
func diagnose(cmd *cobra.Command, dataDir string) ([]finding, error) {
	if dataDir == "" {
		c, err := connect(cmd)
		if err != nil {
			return nil, err
		}
		return examine(cmd.Context(), c, serverOf(cmd), time.Now)
	}
	files, err := inspect.Look(cmd.Context(), dataDir, daemon.CheckMemory, daemon.CheckGlass)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, f := range files {
		says := finding{Check: f.File, Ok: f.Problem == "", Says: "whole", Remedy: f.Remedy}
		if !says.Ok {
			says.Says = f.Problem
		}
		found = append(found, says)
	}
	return found, nil
}

func printFindings(p *page, findings []finding) {
	for _, f := range findings {
		mark := p.paint(green, "✔")
		if !f.Ok {
			mark = p.paint(red, "✖")
		}
		p.line("%s %s: %s", mark, f.Check, f.Says)
		if f.Remedy != "" {
			p.line("  do: %s", f.Remedy)
		}
	}
}

// skewLimit is how far clocks may be apart before the times in the trail
// mislead people. Nothing is decided by comparing them.
const skewLimit = 5 * time.Second

func examine(ctx context.Context, c *client.Client, server string, now func() time.Time) ([]finding, error) {
	who, err := client.Get[openapi.Whoami](c.GetWhoami(ctx))
	if err != nil {
		return nil, err
	}
	asked := now()
	st, err := client.Get[openapi.Status](c.GetStatus(ctx))
	if err != nil {
		return nil, err
	}
	took := now().Sub(asked)
	found := []finding{
		{Check: "node", Ok: true, Says: fmt.Sprintf("%s answers at %s within %s", st.Node, server, length(took))},
		{Check: "you", Ok: true, Says: fmt.Sprintf("%s, by %s", who.Name, who.Method), Remedy: who.Note},
		versions(st),
		skew(st.At.Sub(asked.Add(took / 2))),
		store(st),
		configuration(st),
	}
	for _, n := range st.Nodes {
		if !n.Self {
			found = append(found, neighbour(n, st))
		}
	}
	v, err := client.Get[openapi.AuditVerification](c.VerifyAudit(ctx))
	trail := finding{Check: "audit trail", Ok: err == nil && v.Ok, Says: fmt.Sprintf("%d entries: %s", v.Checked, v.Sentence)}
	if err != nil {
		trail.Says = err.Error()
	}
	found = append(found, trail)
	alarms := finding{Check: "alarms", Ok: len(st.Alarms) == 0, Says: fmt.Sprintf("%d", len(st.Alarms))}
	if !alarms.Ok {
		alarms.Remedy = "see fairlead status"
	}
	return append(found, alarms), nil
}

func versions(st openapi.Status) finding {
	f := finding{Check: "version", Ok: true, Says: st.Version}
	if st.Version != version.String() {
		f.Says = fmt.Sprintf("the node is %s, this program %s; what one of them does not know is refused in words", st.Version, version.String())
	}
	return f
}

func skew(d time.Duration) finding {
	f := finding{Check: "clock", Ok: d.Abs() <= skewLimit, Says: "the node's and this machine's are " + length(d.Abs()) + " apart"}
	if !f.Ok {
		f.Remedy = "set both by NTP; times in the trail mislead people otherwise"
	}
	return f
}

func store(st openapi.Status) finding {
	switch {
	case !st.Store.Reachable:
		return finding{Check: "store", Says: "out of reach since " + clock(st.Store.Since) + "; nothing can be decided, answers go on",
			Remedy: "bring a majority of the control nodes back: " + st.Store.Problem}
	case st.Store.Leader == "":
		return finding{Check: "store", Says: "reachable, but nobody leads: runs and ends of overrides wait", Remedy: "look at the logs of the control nodes"}
	}
	return finding{Check: "store", Ok: true, Says: "reachable, led by " + st.Store.Leader}
}

func configuration(st openapi.Status) finding {
	if st.Config.Ok {
		return finding{Check: "configuration", Ok: true, Says: fmt.Sprintf("%s, read at %s", st.Config.Source, clock(st.Config.LoadedAt))}
	}
	return finding{Check: "configuration", Says: "the newest one was refused: " + st.Config.Problem, Remedy: "fairlead check " + st.Config.Source}
}

func neighbour(n openapi.Node, st openapi.Status) finding {
	f := finding{Check: "node " + n.Name, Ok: true, Says: fmt.Sprintf("generation %d, heard %s ago", n.Generation, milliseconds(n.LastHeardMs))}
	switch {
	case n.LastHeardMs == nil:
		f.Ok, f.Says, f.Remedy = false, "never heard", "check that it runs, and the feed's port between it and "+st.Node
	case !n.Confirmed:
		f.Ok, f.Says, f.Remedy = false, fmt.Sprintf("stands at generation %d of %d", n.Generation, st.Generation), "check its way to the store"
	}
	if n.Problem != "" {
		f.Ok, f.Says = false, n.Problem
	}
	return f
}
