package server

import (
	"context"
	"errors"
	"log/slog"

	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// Options are those of `fairlead dns serve`.
type Options struct {
	Zones   []string // ORIGIN=FILE
	Listen  []string // ADDRESS:PORT
	Threads int      // UDP sockets for each address; 0 means 1
	NSID    string
	Log     *slog.Logger
}

// Standalone makes a server of zone files alone, without a control plane. All
// that is wrong with all files is reported at once. When it returns, queries
// are already kept for [Server.Run].
func Standalone(ctx context.Context, o Options) (*Server, error) {
	snapshot, err := load(o)
	if err != nil {
		return nil, err
	}
	return Listening(ctx, o, func() *dns.Snapshot { return snapshot })
}

// Listening opens the sockets of the options for whatever is current.
func Listening(ctx context.Context, o Options, current func() *dns.Snapshot) (*Server, error) {
	if len(o.Listen) == 0 {
		return nil, fault.Invalidf("dns server", "it has no address to listen on").Do("add --listen 127.0.0.1:5470")
	}
	cfg := Config{Current: current, Log: o.Log}
	for _, address := range o.Listen {
		sockets, err := Listen(ctx, address, o.Threads)
		if err != nil {
			(&Sockets{cfg.Datagrams, cfg.Streams}).Close()
			return nil, err
		}
		cfg.Datagrams = append(cfg.Datagrams, sockets.Datagrams...)
		cfg.Streams = append(cfg.Streams, sockets.Streams...)
	}
	return New(cfg)
}

func load(o Options) (*dns.Snapshot, error) {
	if len(o.Zones) == 0 {
		return nil, fault.Invalidf("dns server", "it has no zone to serve").Do("add --zone example.com=FILE")
	}
	var zones []*zone.Zone
	var problems []error
	for _, flag := range o.Zones {
		origin, path, err := zone.ParseFlag(flag)
		if err == nil {
			var z *zone.Zone
			if z, err = zone.Load(origin, path); err == nil {
				zones = append(zones, z)
			}
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return dns.Compile(zones, steer.Plan{}, dns.NSID(o.NSID))
}
