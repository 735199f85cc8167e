package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fairlead/cmd/internal/demo/lookup"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/lab/slowdisk"
	"fairlead/cmd/internal/lab/wire"
	"fairlead/regions"
)

// Settings of a laboratory.
type Settings struct {
	Seed    uint64
	Dir     string // empty, and the run's own
	Program string // the built program
	Rate    int    // questions a second
	// Allowed is how long after the end of a shop an answer may name it. What
	// is promised is 1.8 s; a busy machine is given more.
	Allowed time.Duration
	// Services are further lines of the configuration, below services.
	Services string
}

// Lab is three regions and an outside.
type Lab struct {
	Settings
	Net      *wire.Network
	disks    []io.Closer // under data directories
	slow     *slowdisk.Disk
	Regions  []*Region
	Outside  *wire.Place
	Observer *Observer
	History  *History

	watching sync.WaitGroup
	stop     context.CancelFunc
}

// Names of the regions.
var names = []string{"us-east", "eu-central", "ap-south"}

// Name is what users ask for, and zone where it lives.
const (
	Name = "www.shop.example."
	zone = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 10.77.1.1\n"
)

// New builds the network and the configuration, opens the shops, starts the
// nodes and begins to observe once all of them answer.
func New(ctx context.Context, s Settings) (*Lab, error) {
	l := &Lab{Settings: s, History: NewHistory()}
	var err error
	if l.Net, err = wire.New(s.Seed, append(append([]string(nil), names...), "outside")...); err != nil {
		return nil, err
	}
	l.Outside = l.Net.Places[len(names)]
	l.Observer = &Observer{Name: Name, Dial: l.Outside.Dial, Rate: s.Rate, Allowed: s.Allowed, History: l.History}
	for i, name := range names {
		r := &Region{Name: name, Place: l.Net.Places[i], lab: l}
		r.Node = &Node{Name: fmt.Sprintf("node-%d", i+1), Dir: filepath.Join(s.Dir, fmt.Sprintf("node-%d", i+1)), Program: s.Program, place: r.Place, host: 1}
		l.Regions = append(l.Regions, r)
		l.Observer.Servers = append(l.Observer.Servers, r.Node.DNS())
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) begin(ctx context.Context) error {
	if err := l.configure(); err != nil {
		return err
	}
	if err := l.insertDisks(); err != nil {
		return err
	}
	for _, r := range l.Regions {
		if err := errors.Join(r.Open(), r.Node.Start()); err != nil {
			return err
		}
	}
	if err := l.Calm(ctx, 90*time.Second); err != nil {
		return err
	}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.watching.Go(func() { l.Observer.Run(ctx) })
	return nil
}

// configure writes what each node reads.
func (l *Lab) configure() error {
	authority, err := identity.NewAuthority(filepath.Join(l.Dir, "authority"))
	if err != nil {
		return err
	}
	for _, r := range l.Regions {
		request := identity.Request{Node: regions.NodeID(r.Node.Name), Hosts: []string{r.Place.Host(1).String()},
			Roles: []identity.Role{identity.Control, identity.Probe, identity.DNS}}
		if err := authority.Issue(filepath.Join(r.Node.Dir, "certs"), request); err != nil {
			return err
		}
		if err := l.Write(r.Node, "shop.zone", zone); err != nil {
			return err
		}
		if err := l.Write(r.Node, "fairlead.yaml", l.configuration(r, r.Node.Name, r.Place.Host(1))); err != nil {
			return err
		}
	}
	return nil
}

// Write replaces a file of a node's configuration.
func (l *Lab) Write(n *Node, file, text string) error {
	path := filepath.Join(n.Dir, file)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (l *Lab) configuration(r *Region, name string, host netip.Addr) string {
	var peers, endpoints, order []string
	for _, other := range l.Regions {
		host := other.Place.Host(1)
		if other.Node.Name != name {
			peers = append(peers, fmt.Sprintf("    %s: {region: %s, feed: %q, peer: %q}", other.Node.Name, other.Name,
				netip.AddrPortFrom(host, 8471), netip.AddrPortFrom(host, 8473)))
		}
		endpoints = append(endpoints, fmt.Sprintf("%s: [%s]", other.Name, other.Shop()))
		order = append(order, other.Name)
	}
	return fmt.Sprintf(`node:
  name: %s
  region: %s
  data_dir: data
  certificates: certs
  dns: {listen: [%q]}
  feed: {listen: %q}
  store: {peer: %q}
  peers:
%s
regions: {us-east: {}, eu-central: {}, ap-south: {}}
services:
  www:
    name: www.shop.example
    ttl: 1s
    check: {kind: http, port: 80, path: /, interval: 500ms, timeout: 450ms, rise: 2, fall: 3}
    policy: {kind: failover, order: [%s]}
    endpoints: {%s}
  ledger:
    name: ledger.shop.example
    ttl: 1s
    check: {kind: http, port: 80, path: /, interval: 500ms, timeout: 450ms, rise: 2, fall: 3}
    policy: {kind: failover, order: [%s]}
    endpoints: {%s}
%szones: {shop.example: shop.zone}
`, name, r.Name, netip.AddrPortFrom(host, 53), netip.AddrPortFrom(host, 8471), netip.AddrPortFrom(host, 8473),
		strings.Join(peers, "\n"), strings.Join(order, ", "), strings.Join(endpoints, ", "), strings.Join(order, ", "), strings.Join(endpoints, ", "), l.Services)
}

// Calm waits until all is as it should be: every node that runs has a store
// that answers, hears the others, and says of every region that it is up.
func (l *Lab) Calm(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	why := "nobody was asked"
	for ctx.Err() == nil {
		if why = l.unrest(ctx); why == "" {
			return nil
		}
		pause(ctx, 100*time.Millisecond)
	}
	return fmt.Errorf("the laboratory is not calm after %v: %s", limit, why)
}

func (l *Lab) unrest(ctx context.Context) string {
	generation := int64(0)
	for _, r := range l.Regions {
		st, err := r.Node.Status(ctx)
		if err != nil {
			return fmt.Sprintf("%s: %v", r.Node.Name, err)
		}
		if !st.Store.Reachable {
			return r.Node.Name + " has no store: " + st.Store.Problem
		}
		if generation != 0 && st.Generation != generation {
			return fmt.Sprintf("%s is at generation %d, another at %d", r.Node.Name, st.Generation, generation)
		}
		generation = st.Generation
		for _, other := range st.Nodes {
			if !other.Confirmed {
				return fmt.Sprintf("%s does not see %s confirmed", r.Node.Name, other.Name)
			}
		}
		// A node that has no configuration yet has nothing to be upset about.
		if len(st.Regions) != len(l.Regions) || len(st.Nodes) != len(l.Regions) {
			return fmt.Sprintf("%s knows %d regions and %d nodes, want %d of each", r.Node.Name, len(st.Regions), len(st.Nodes), len(l.Regions))
		}
		for _, region := range st.Regions {
			if region.Effective != "up" || region.Latched || region.Held {
				return fmt.Sprintf("%s says that %s is %s: %s", r.Node.Name, region.Id, region.Effective, region.Because)
			}
		}
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Close ends everything that the laboratory started.
func (l *Lab) Close() error {
	if l.stop != nil {
		l.stop()
		l.watching.Wait()
	}
	for _, r := range l.Regions {
		r.Node.Kill()
		r.Shut()
	}
	var errs []error
	for _, d := range l.disks {
		errs = append(errs, d.Close())
	}
	return errors.Join(append(errs, l.Net.Close())...)
}

// Knows reports whether a node answers a name with an address.
func (l *Lab) Knows(ctx context.Context, n *Node, name string) bool {
	a, err := lookup.Resolver{Servers: []netip.AddrPort{n.DNS()}, Dial: l.Outside.Dial}.Lookup(ctx, name)
	return err == nil && len(a.Addresses) > 0
}
