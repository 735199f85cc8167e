package daemon

import (
	"context"
	"log/slog"
	"os"

	"fairlead/cmd/internal/config"
	"fairlead/dns"
	"fairlead/dns/publish"
	"fairlead/dns/server"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/health"
	"fairlead/regions/judge"
	"fairlead/regions/probe"
)

// Standalone is a DNS server without a control plane that steers all the same:
// it checks the services of a configuration and answers by what it sees, from
// zone files of its own. It has no store, so nobody can decide anything, a
// writer's name stays with the writer that the configuration names, and a
// region that failed comes back only with a new process.
type Standalone struct {
	judge     *judge.Judge
	probes    *probe.Schedule
	publisher *publish.Publisher
	server    *server.Server
	first     *regions.Decided
}

// NewStandalone reads the configuration and the zones and opens the sockets.
func NewStandalone(ctx context.Context, o server.Options, steer string, log *slog.Logger) (*Standalone, error) {
	var zones []regions.Zone
	for _, flag := range o.Zones {
		origin, path, err := zone.ParseFlag(flag)
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fault.Invalidf("zone file "+path, "cannot be read").Because(err).Do("check the path")
		}
		zones = append(zones, regions.Zone{Origin: regions.CanonicalName(origin), File: path, Text: string(text)})
	}
	c, err := config.Load(steer, zones...)
	if err != nil {
		return nil, err
	}
	fleet := c.Fleet
	s := &Standalone{first: &regions.Decided{Incarnation: 1, Generation: 1, Fleet: fleet, FleetHash: c.Hash, Writers: map[regions.DatabaseID]regions.SignedEpoch{}}}
	for _, d := range fleet.Databases {
		s.first.Writers[d.ID] = regions.SignedEpoch{Database: d.ID, Epoch: regions.Epoch{Incarnation: 1, Number: 1, Writer: d.Writer}}
	}
	s.publisher = publish.New(publish.Config{Log: log, Options: []dns.Option{dns.NSID(o.NSID)}})
	s.probes = probe.NewSchedule(probe.Options{Log: log, Changed: func() { s.judge.Poke() }})
	targets := fleet.Targets()
	for i := range targets {
		targets[i].PasswordFile = c.Resolve(targets[i].PasswordFile)
	}
	for _, err := range s.probes.Set(targets) {
		log.Error("a target is not checked", "problem", err.Error())
	}
	s.judge, err = judge.New(judge.Config{Node: "standalone", Region: c.Node.Region, Log: log,
		Own: func() health.Table { return health.Table{Reports: s.probes.Reports()} },
		Sink: func(v *judge.View) {
			s.publisher.Submit(publish.Update{Zones: v.Decided.Fleet.Zones, Plan: v.Plan})
		}})
	if err != nil {
		return nil, err
	}
	s.judge.Decided(s.first)
	s.server, err = server.Listening(ctx, o, s.publisher.Current)
	return s, err
}

// Run answers until ctx ends. Ready is called once it does.
func (s *Standalone) Run(ctx context.Context, ready func()) error {
	return together(ctx, s.judge.Run, s.probes.Run, s.publisher.Run, s.server.Run, func(ctx context.Context) error {
		if s.publisher.Await(ctx) {
			ready()
		}
		return nil
	})
}
