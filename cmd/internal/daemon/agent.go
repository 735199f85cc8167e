package daemon

import (
	"context"
	"log/slog"
	"net"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/identity"
	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// RunAgent runs the agent that path describes until ctx ends. The database's
// server outlives it.
func RunAgent(ctx context.Context, path string, log *slog.Logger) error {
	c, err := config.LoadAgent(path)
	if err != nil {
		return err
	}
	id, err := identity.Load(c.Certificates)
	if err != nil {
		return err
	}
	if !id.Has(identity.Agent) {
		return fault.Invalidf("agent "+string(id.Node), "its certificate lacks the role agent").Do("issue it with fairlead certs --role agent")
	}
	a, err := agent.New(c.Config, agent.Options{
		TLS:       id.TLSServer(identity.Control),
		Authorize: agent.RequireRole(string(identity.Control)),
		Log:       log,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", a.Config.Listen)
	if err != nil {
		return cannotListen("agent", a.Config.Listen, err)
	}
	log.Info("agent listens", "address", listener.Addr().String(), "database", c.Database, "region", c.Region)
	return together(ctx, renewals(id, renewalEvery, log), func(ctx context.Context) error { return a.Run(ctx, listener) })
}
