package server

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

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
// that is wrong with all files is reported at once. Where one of several zones
// cannot be served it is logged, its names are answered SERVFAIL, and the
// others are served. When Standalone returns, queries are already kept for
// [Server.Run].
func Standalone(ctx context.Context, o Options) (*Server, error) {
	snapshot, err := load(o)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // reading zones leaves more behind than serving them needs
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
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	loaded, problems := loadAll(o.Zones)
	var zones []*zone.Zone
	var failing []string
	for i, z := range loaded {
		if z == nil {
			origin, _, err := zone.ParseFlag(o.Zones[i])
			if err != nil || wrong(origin) {
				return nil, errors.Join(problems...) // what was meant cannot be known
			}
			failing = append(failing, origin)
			continue
		}
		zones = append(zones, z)
		if len(z.Warnings) > 0 {
			log.Warn("a zone is served with parts that are hardly meant so", "zone", z.Origin, "because", z.Warnings.Error())
		}
	}
	if len(zones) == 0 {
		return nil, errors.Join(problems...)
	}
	s, err := dns.Compile(zones, steer.Plan{}, dns.NSID(o.NSID))
	if err != nil || len(failing) == 0 {
		return s, err
	}
	for i, err := range problems {
		if err != nil {
			log.Error("a zone is not served; its names are answered SERVFAIL", "zone", o.Zones[i], "because", err)
		}
	}
	return s.Failing(failing...)
}

func wrong(origin string) bool {
	_, err := zone.Wire(origin)
	return err != nil
}

// loadAll reads the zones of --zone flags on all processors. Where a zone is
// nil its problem is not.
func loadAll(flags []string) (zones []*zone.Zone, problems []error) {
	zones, problems = make([]*zone.Zone, len(flags)), make([]error, len(flags))
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(flags)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(flags); i = int(next.Add(1)) - 1 {
				var origin, path string
				if origin, path, problems[i] = zone.ParseFlag(flags[i]); problems[i] == nil {
					zones[i], problems[i] = zone.Load(origin, path)
				}
			}
		})
	}
	wg.Wait()
	return zones, problems
}
