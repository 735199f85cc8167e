package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/providers"
	"fairlead/providers/command"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// giveRights is the remedy where Fairlead's role may not do what it must.
const giveRights = "run the setup statements for Fairlead's role in that database, on the primary, as a superuser; docs/operating has them"

// Options is what providers are given by whoever wires them.
type Options struct {
	// TLS is what agents are spoken to with; nil where no member has one.
	TLS *tls.Config
	// Node names this node in heartbeats.
	Node regions.NodeID
	// ControlLimit bounds each verb of a control.command; 0: ten minutes.
	ControlLimit time.Duration
}

// member is one server of the database: how to ask it, and how to control its
// host.
type member struct {
	regions.Member
	line *line
	host host // nil if nothing controls it
}

// host controls the machine that a server runs on. The agent's verbs are the
// language; a control command is spoken to in its own.
type host interface {
	Do(ctx context.Context, verb string, o agent.Order) (agent.Status, error)
	kind() string // "agent" or "control.command"
	close()
}

func newMember(db regions.Database, m regions.Member, opts Options) (*member, error) {
	subject := fmt.Sprintf("%s in %s", db.ID, m.Region)
	if _, err := pgx.ParseConfig(m.DSN); err != nil {
		return nil, fault.Invalidf(subject, "its DSN cannot be read").Because(err)
	}
	out := &member{Member: m, line: newLine(subject, m.DSN, func() (string, error) {
		if m.PasswordFile == "" {
			return "", nil
		}
		text, err := os.ReadFile(m.PasswordFile)
		return strings.TrimSpace(string(text)), err
	})}
	switch {
	case m.Agent != "":
		c, err := agent.NewClient(m.Agent, opts.TLS)
		if err != nil {
			return nil, err
		}
		out.host = agentHost{c}
	case len(m.Control) > 0:
		limit := opts.ControlLimit
		if limit == 0 {
			limit = 10 * time.Minute
		}
		out.host = commandHost{command.Control{Subject: subject, Program: m.Control, Limit: limit}}
	}
	return out, nil
}

func (m *member) close() {
	m.line.close()
	if m.host != nil {
		m.host.close()
	}
}

// controller returns the member's host, or a fault that says what is missing.
func (m *member) controller() (host, error) {
	if m.host == nil {
		return nil, fault.Conflictf(m.line.subject, "nothing controls its host: it has neither an agent nor a control.command").
			Do("run `fairlead agent` beside it, or configure control.command")
	}
	return m.host, nil
}

type agentHost struct{ *agent.Client }

func (agentHost) kind() string { return "agent" }
func (h agentHost) close()     { h.Client.Close() }

// commandHost speaks to a program of the owner's. It believes exit codes,
// because it has nothing else, and says so.
type commandHost struct{ control command.Control }

func (commandHost) kind() string { return "control.command" }
func (commandHost) close()       {}

func (h commandHost) Do(ctx context.Context, verb string, o agent.Order) (agent.Status, error) {
	env := append(command.Variables(providers.Request{Key: o.Key, Region: o.Region, Epoch: o.Epoch}),
		"FAIRLEAD_DATABASE="+string(o.Database), "FAIRLEAD_UPSTREAM="+string(o.Upstream), "FAIRLEAD_SLOT="+o.Slot,
		"FAIRLEAD_AS="+o.As, fmt.Sprintf("FAIRLEAD_PLANNED=%t", o.Planned), "FAIRLEAD_SYSTEM_IDENTIFIER="+o.SystemIdentifier)
	st := agent.Status{Database: o.Database, Region: o.Region, Epoch: o.Epoch}
	said, err := h.control.Do(ctx, verb, env...)
	switch {
	case fault.Is(err, fault.Invalid): // it could not even be started
		return st, agent.Untouched(err)
	case err != nil:
		return st, err
	}
	st.Detail = fmt.Sprintf("control.command %s exited 0", verb)
	switch verb {
	case agent.VerbStatus:
		st.Running = said != "dead"
		st.Detail = "control.command says " + said
		if said != "dead" && said != "alive" {
			return st, fault.Conflictf(h.control.Subject, "control command status printed %q, neither alive nor dead", said)
		}
		if o.Brief || st.Running {
			return st, nil
		}
	case agent.VerbFence:
		st.Fenced = true
		st.Detail = "control.command says that it is off, confirmed; Fairlead was told so and did not see it"
		if !o.Planned {
			return st, nil // a lost machine has no control data to show
		}
	default:
		return st, nil
	}
	text, err := h.control.Do(ctx, "control", env...)
	if err != nil {
		return st, err
	}
	c, err := agent.ParseControl(text)
	if err != nil {
		return st, fault.Conflictf(h.control.Subject, "control command control prints what pg_controldata does not").Because(err)
	}
	if o.SystemIdentifier != "" && c.SystemIdentifier != o.SystemIdentifier {
		return st, fault.Conflictf(h.control.Subject, "holds the data of system %s, not of %s", c.SystemIdentifier, o.SystemIdentifier)
	}
	st.Control = &c
	return st, nil
}
