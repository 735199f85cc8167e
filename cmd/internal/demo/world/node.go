package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/demo/lookup"
	"fairlead/cmd/internal/demo/process"
	"fairlead/cmd/internal/identity"
	"fairlead/regions"
)

// Node is one Fairlead node of the world.
type Node struct {
	Name   string
	Region regions.ID
	API    string // URL
	DNS    netip.AddrPort
	Config string // path of its file

	child atomic.Pointer[process.Child] // as it runs now or last ran
}

// Alive reports whether the node's process runs.
func (n *Node) Alive() bool { c := n.child.Load(); return c != nil && c.Alive() }

func listenOf(path string) (string, error) {
	a, err := config.LoadAgent(path)
	if err != nil {
		return "", err
	}
	return a.Listen, nil
}

// writeNodes chooses every node's ports and writes its certificate and file.
func (w *World) writeNodes(authority *identity.Authority, fleet fleetFile) error {
	var all []nodeFile
	for i, p := range Places()[:w.opts.Nodes] {
		n := nodeFile{Name: fmt.Sprintf("node-%d", i+1), Region: string(p.ID), host: p.Node}
		if w.opts.Nodes == 1 {
			n.host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		if err := w.nodePorts(&n); err != nil {
			return err
		}
		n.Certificates = filepath.Join(w.Dir, "certs", n.Name)
		roles := []identity.Role{identity.Control, identity.Probe, identity.DNS}
		if err := issue(authority, n.Certificates, n.Name, roles, n.host); err != nil {
			return err
		}
		all = append(all, n)
	}
	for i, n := range all {
		f := fleet
		f.Node = n
		for j, other := range all {
			if j != i {
				f.Peers = append(f.Peers, other)
			}
		}
		path := filepath.Join(w.Dir, n.Name, "fairlead.yaml")
		if err := writeNodeFile(path, f); err != nil {
			return err
		}
		w.Nodes = append(w.Nodes, &Node{Name: n.Name, Region: regions.ID(n.Region), API: "http://" + n.API, DNS: n.dnsAddr, Config: path})
	}
	return nil
}

func (w *World) nodePorts(n *nodeFile) error {
	var errs []error
	choose := func(fixed uint16) uint16 {
		if w.opts.Fixed && w.opts.Nodes == 1 && fixed != 0 {
			errs = append(errs, w.ports.take(fixed, n.host))
			return fixed
		}
		port, err := w.ports.free(n.host)
		errs = append(errs, err)
		return port
	}
	api, dns := choose(FixedAPI), choose(FixedDNS)
	n.API, n.DNS = hostPort(n.host, api), hostPort(n.host, dns)
	n.dnsAddr = addrPort(n.host, dns)
	n.Feed, n.StorePeer = hostPort(n.host, choose(0)), hostPort(n.host, choose(0))
	return errors.Join(errs...)
}

func (w *World) startNodes(ctx context.Context) error {
	if len(w.Nodes) == 1 {
		w.opts.Progress("starting a Fairlead node that does everything")
	} else {
		w.opts.Progress("starting three Fairlead nodes, one in each region")
	}
	for _, n := range w.Nodes { // all at once: alone, none of three has a quorum
		if err := w.StartNode(n); err != nil {
			return err
		}
	}
	for _, n := range w.Nodes {
		if err := w.AwaitNode(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// StartNode starts a node's process and returns at once.
func (w *World) StartNode(n *Node) error {
	c, err := w.nursery.Start(process.Spec{Name: n.Name, Path: w.opts.Program, Args: []string{"serve", "--config", n.Config},
		PIDFile: filepath.Join(w.Dir, n.Name, "node.pid"), Dir: w.Dir})
	if err != nil {
		return err
	}
	n.child.Store(c)
	return nil
}

// AwaitNode returns once a node answers for every client and has measured
// both databases.
func (w *World) AwaitNode(ctx context.Context, n *Node) error {
	return w.await(ctx, n.child.Load(), n.Name, func(ctx context.Context) error {
		if err := w.answers(ctx, n); err != nil {
			return err
		}
		return w.sees(ctx, n)
	})
}

// AwaitReady returns once a node that was started again answers people and
// can be asked for decisions, whatever it thinks of the world.
func (w *World) AwaitReady(ctx context.Context, n *Node) error {
	c, err := w.Client(n, w.Ada)
	if err != nil {
		return err
	}
	return w.await(ctx, n.child.Load(), n.Name, func(ctx context.Context) error {
		status, err := client.Get[openapi.Status](c.GetStatus(ctx))
		if err == nil && !status.Store.Reachable {
			err = fmt.Errorf("%s does not reach its store yet", n.Name)
		}
		return err
	})
}

// answers checks that the node sends the people of every region to the shop
// next door.
func (w *World) answers(ctx context.Context, n *Node) error {
	for _, p := range Places() {
		a, err := lookup.Resolver{Servers: []netip.AddrPort{n.DNS}, Client: p.Client}.Lookup(ctx, ReadsName)
		if err != nil {
			return err
		}
		if !a.Names(p.Host) {
			return fmt.Errorf("%s answers people in %s with %v, not with %v", n.Name, p.ID, a.Addresses, p.Host)
		}
	}
	return nil
}

// sees checks that the node has found every part of the world in order.
func (w *World) sees(ctx context.Context, n *Node) error {
	c, err := w.Client(n, w.Ada)
	if err != nil {
		return err
	}
	status, err := client.Get[openapi.Status](c.GetStatus(ctx))
	if err != nil {
		return err
	}
	for _, r := range status.Regions {
		if r.Effective != openapi.StateUp {
			return fmt.Errorf("%s sees %s %s: %s", n.Name, r.Id, r.Effective, r.Because)
		}
	}
	for _, d := range status.Databases {
		if d.WriterRegion == "" {
			return fmt.Errorf("%s knows no writer of %s: %s", n.Name, d.Id, d.Because)
		}
		for _, m := range d.Members {
			switch {
			case m.State != openapi.StateUp:
				return fmt.Errorf("%s sees %s in %s %s: %s", n.Name, d.Id, m.Region, m.State, m.Because)
			case m.Agent == nil || !m.Agent.Reachable:
				return fmt.Errorf("%s has not heard the agent of %s in %s", n.Name, d.Id, m.Region)
			}
		}
	}
	return nil
}

// Client is a person's way into a node.
func (w *World) Client(n *Node, p Person) (*client.Client, error) {
	return client.New(client.Settings{Server: n.API, Token: p.Token, Timeout: 20 * time.Second})
}

// DNS lists every node's DNS server, as a zone's NS records would.
func (w *World) DNS() []netip.AddrPort {
	var all []netip.AddrPort
	for _, n := range w.Nodes {
		all = append(all, n.DNS)
	}
	return all
}

// KillNode ends a node as a power cut does, and returns the moment just
// before.
func (w *World) KillNode(n *Node) (at time.Time, err error) {
	at = time.Now()
	return at, n.child.Load().Kill()
}
