package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/demo/observe"
	"fairlead/cmd/internal/demo/process"
	"fairlead/cmd/internal/demo/shop"
	"fairlead/cmd/internal/identity"
	"fairlead/providers/postgres/pair"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Options say which world to build.
type Options struct {
	// Program is the fairlead binary that shops, agents and nodes run.
	Program string
	// Fixed uses the ports that people know; otherwise free ones are found.
	Fixed bool
	// Keep leaves the directory when the world ends.
	Keep bool
	// Nodes is one, which does everything, or three that all do.
	Nodes int
	// Progress is told what is being done, in a few words.
	Progress func(format string, args ...any)
}

// World is a running world.
type World struct {
	Dir        string
	ShopPort   uint16
	Pair       *pair.Pair
	Template   *pair.Template
	Nodes      []*Node
	Ada, Grace Person

	opts    Options
	nursery *process.Nursery
	guard   *process.Guard
	ports   ports
	agents  map[regions.ID]*process.Child

	mu    sync.Mutex
	shops map[regions.ID]*process.Child // people kill and start them while others look
}

// maxParent keeps names of unix sockets below the directory short enough.
const maxParent = 40

// Build makes a world and returns once every part of it works. What was begun
// is ended again if it fails.
func Build(ctx context.Context, o Options) (_ *World, err error) {
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	if o.Nodes != 1 && o.Nodes != 3 {
		return nil, fault.Invalidf("demo", "a world has one node or three, not %d", o.Nodes)
	}
	parent := os.TempDir()
	if len(parent) > maxParent {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "fairlead-demo-")
	if err != nil {
		return nil, fault.Unavailablef("demo", "cannot make a temporary directory").Because(err).Do("free some space, or set TMPDIR to a short path")
	}
	w := &World{Dir: dir, opts: o, shops: map[regions.ID]*process.Child{}, agents: map[regions.ID]*process.Child{}}
	built := false
	defer func() { // also on a panic: it shall not leave a world behind
		if !built {
			err = errors.Join(err, w.Close())
		}
	}()
	if err := w.build(ctx); err != nil {
		return nil, err
	}
	built = true
	return w, nil
}

func (w *World) build(ctx context.Context) error {
	// The databases' user must be able to walk in.
	if err := os.Chmod(w.Dir, 0o755); err != nil {
		return fmt.Errorf("open the world's directory: %w", err)
	}
	var err error
	if w.guard, err = process.NewGuard(w.Dir, w.opts.Keep); err != nil {
		return err
	}
	if w.nursery, err = process.New(filepath.Join(w.Dir, "logs")); err != nil {
		return err
	}
	if err := w.choosePorts(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{w.startDatabases, w.writeFiles, w.startAgents, w.startShops, w.startNodes} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) choosePorts() error {
	var hosts []netip.Addr
	for _, p := range Places() {
		hosts = append(hosts, p.Host)
	}
	if !w.opts.Fixed {
		var err error
		w.ShopPort, err = w.ports.free(hosts...)
		return err
	}
	w.ShopPort = FixedShop
	return w.ports.take(FixedShop, hosts...)
}

func (w *World) startDatabases(ctx context.Context) error {
	w.opts.Progress("starting a PostgreSQL primary in us-east and a streaming standby in eu-central")
	in, err := pair.Find()
	if err != nil {
		return err
	}
	dir := filepath.Join(w.Dir, "db")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the databases' directory: %w", err)
	}
	if w.Template, err = pair.NewTemplate(ctx, in, dir); err != nil {
		return err
	}
	// A server that is killed would leave its shared memory behind; as files in
	// its data directory it goes with the world.
	if err := appendTo(filepath.Join(dir, "template", "postgresql.conf"), "dynamic_shared_memory_type = mmap\n"); err != nil {
		return err
	}
	var at []pair.Place
	for _, p := range Places() {
		if !p.HasDatabase {
			continue
		}
		port, err := w.ports.free(p.Host)
		if err != nil {
			return err
		}
		at = append(at, pair.Place{Region: p.ID, Host: p.Host.String(), Port: int(port)})
	}
	if w.Pair, err = w.Template.Create(ctx, dir, at[0], at[1]); err != nil {
		return err
	}
	dsn, err := w.Pair.Primary.AppDSN()
	if err != nil {
		return err
	}
	if err := (observe.Server{DSN: dsn}).Exec(ctx, shop.Schema); err != nil {
		return fmt.Errorf("create the table of orders: %w", err)
	}
	return nil
}

// writeFiles writes every file that a company would have.
func (w *World) writeFiles(context.Context) error {
	authority, err := identity.NewAuthority(filepath.Join(w.Dir, "ca"))
	if err != nil {
		return err
	}
	var tokens string
	if w.Ada, w.Grace, tokens, err = writePeople(w.Dir, time.Now()); err != nil {
		return err
	}
	zone := filepath.Join(w.Dir, "shop.example.zone")
	if err := writeZone(zone); err != nil {
		return err
	}
	fleet := fleetFile{Places: Places(), ShopPort: w.ShopPort, TokensFile: tokens, ZoneFile: zone, ReadsName: ReadsName, WritesName: WritesName}
	for _, p := range Places() {
		c := shop.Config{Region: string(p.ID), Title: p.Title, Listen: hostPort(p.Host, w.ShopPort), ReadsName: ReadsName, WritesName: WritesName}
		if p.HasDatabase {
			m, err := w.writeAgent(authority, p)
			if err != nil {
				return err
			}
			fleet.Members = append(fleet.Members, m)
			if c.Database, err = w.Pair.Server(p.ID).AppDSN(); err != nil {
				return err
			}
		}
		if err := writeShopFile(w.path(p.ID, "shop.json"), c); err != nil {
			return err
		}
	}
	return w.writeNodes(authority, fleet)
}

func (w *World) writeAgent(authority *identity.Authority, p Place) (memberFile, error) {
	port, err := w.ports.free(p.Host)
	if err != nil {
		return memberFile{}, err
	}
	name := Database + "-" + string(p.ID)
	certs := filepath.Join(w.Dir, "certs", name)
	if err := issue(authority, certs, name, []identity.Role{identity.Agent}, p.Host); err != nil {
		return memberFile{}, err
	}
	a := config.Agent{Certificates: certs, Config: w.Pair.AgentConfig(Database, p.ID)}
	a.Listen = hostPort(p.Host, port)
	if err := writeAgentFile(w.path(p.ID, "agent.yaml"), a); err != nil {
		return memberFile{}, err
	}
	s := w.Pair.Server(p.ID)
	return memberFile{Region: string(p.ID), DSN: s.DSN(), PasswordFile: s.PasswordFile(), Agent: a.Listen}, nil
}

// path is a file of one region.
func (w *World) path(region regions.ID, name string) string {
	return filepath.Join(w.Dir, string(region), name)
}

// Close ends the world: every process, every file, every port. It may be
// called more than once.
func (w *World) Close() error {
	var errs []error
	if w.nursery != nil {
		errs = append(errs, w.nursery.Close(5*time.Second))
	}
	if w.Pair != nil { // what was started behind our back, by hand
		errs = append(errs, w.Pair.Close())
		for _, server := range w.Pair.Servers() {
			reclaim(server.DataDir)
		}
	}
	if !w.opts.Keep {
		errs = append(errs, os.RemoveAll(w.Dir))
	}
	if w.guard != nil {
		w.guard.Dismiss()
		w.guard = nil
	}
	if err := errors.Join(errs...); err != nil {
		return &LeftBehind{Dir: w.Dir, Err: err}
	}
	return nil
}

// LeftBehind means that not everything of a world could be ended or removed.
type LeftBehind struct {
	Dir string
	Err error
}

func (e *LeftBehind) Error() string {
	return fmt.Sprintf("demo: something is left in %s: %v (end what still runs, and remove the directory)", e.Dir, e.Err)
}

func (e *LeftBehind) Unwrap() error { return e.Err }

// SubDir makes a directory of the world's, for servers of one's own.
func (w *World) SubDir(name string) (string, error) {
	dir := filepath.Join(w.Dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("make %s: %w", dir, err)
	}
	return dir, nil
}

// Orphans buries dead processes that children left to us.
func (w *World) Orphans() { w.nursery.Orphans() }
