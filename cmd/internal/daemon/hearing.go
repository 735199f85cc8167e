package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/identity"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/feed"
	"fairlead/regions/health"
)

// table is what this node tells the others.
func (n *Node) table() feed.Table {
	t := feed.Table{Node: n.settings.Name, Region: n.settings.Region, Boot: n.boot, Reports: n.probes.Reports(), Hears: n.hears()}
	if served := n.publisher.Status(); served.Generation > 0 {
		t.Incarnation, t.Generation = served.Incarnation, served.Generation
	} else if d := n.decided(); n.dns == nil && d != nil {
		t.Incarnation, t.Generation = d.Incarnation, d.Generation
	}
	return t
}

// own is the same for this node's own judge, who need not wait for a tick;
// nil if this node does not probe.
func (n *Node) own() func() health.Table {
	if !n.settings.Has(config.Probe) {
		return nil
	}
	return func() health.Table {
		return health.Table{Interval: n.tick(), Reports: n.probes.Reports()}
	}
}

// tick is how often the table is sent: by the shortest interval of the fleet.
func (n *Node) tick() time.Duration {
	shortest := regions.DefaultInterval
	if d := n.decided(); d != nil && d.Fleet != nil {
		for _, s := range d.Fleet.Services {
			for _, e := range s.Endpoints {
				shortest = min(shortest, s.CheckOf(e).Interval)
			}
		}
	}
	return feed.Tick(shortest)
}

// senders are the peers whose tables say what is seen or decided. They may
// also relay; nodes that only answer do neither.
func (n *Node) senders() []feed.Sender {
	var out []feed.Sender
	for _, p := range n.settings.Peers {
		if p.Has(config.Control) || p.Has(config.Probe) {
			out = append(out, feed.Sender{Peer: feed.Peer{Node: p.Name, Address: p.Feed}, Region: p.Region})
		}
	}
	return out
}

// relayed reports whether this node listens through relays: it only answers,
// and there are many to hear.
func (n *Node) relayed() bool {
	return !n.settings.Has(config.Control) && !n.settings.Has(config.Probe) && len(n.senders()) > feed.MaxDirect
}

func (n *Node) subscriber() *feed.Subscriber {
	senders := map[regions.NodeID]bool{}
	for _, s := range n.senders() {
		senders[s.Node] = true
	}
	known := func(id regions.NodeID) bool { return senders[id] }
	return &feed.Subscriber{Inbox: n.inbox, Dial: n.dialFeed, Name: feedPeer, MayRelay: mayRelay, Senders: known, Log: n.log.With("part", "feed"),
		Pass: func(id regions.NodeID, frame []byte) {
			if known(id) {
				n.feed.Forward(id, frame)
			}
		}}
}

// listen returns the loop that hears the peers.
func (n *Node) listen() func(context.Context) error {
	if n.relayed() {
		r := &feed.Relayed{Self: n.settings.Name, Region: n.settings.Region, Senders: n.senders(), Subscriber: n.peers, Log: n.log.With("part", "feed")}
		return r.Run
	}
	var all []feed.Peer
	for _, p := range n.settings.Peers {
		all = append(all, feed.Peer{Node: p.Name, Address: p.Feed})
	}
	n.peers.Set(all)
	return n.peers.Run
}

// mayRelay lets those pass on what others say whose certificate lets them
// report themselves.
func mayRelay(c net.Conn) error {
	t, ok := c.(*tls.Conn)
	if !ok {
		return fmt.Errorf("the connection to %s is not encrypted", c.RemoteAddr())
	}
	node, roles, ok := identity.Peer(t.ConnectionState())
	if !ok || !slices.Contains(roles, identity.Control) && !slices.Contains(roles, identity.Probe) {
		return fault.Deniedf("node "+string(node), "relays what others report, and its certificate has only the roles %v", roles).
			Do("issue it one with the role probe or control, or take that role from it in node.peers: fairlead certs")
	}
	return nil
}

// dialFeed connects to a peer, who has to show the certificate of its name.
func (n *Node) dialFeed(ctx context.Context, p feed.Peer) (net.Conn, error) {
	d := tls.Dialer{Config: n.id.TLSClient(string(p.Node))}
	c, err := d.DialContext(ctx, "tcp", p.Address)
	if _, stranger := errors.AsType[x509.UnknownAuthorityError](err); stranger {
		return nil, fault.Deniedf("node "+string(p.Node), "who answers at %s has a certificate of another authority than this node's", p.Address).
			Because(err).Do("issue both with the same authority: fairlead certs")
	}
	return c, err
}

func feedPeer(c net.Conn) (regions.NodeID, error) {
	t, ok := c.(*tls.Conn)
	if !ok {
		return "", fmt.Errorf("the connection to %s is not encrypted", c.RemoteAddr())
	}
	node, _, ok := identity.Peer(t.ConnectionState())
	if !ok {
		return "", fmt.Errorf("%s showed no certificate", c.RemoteAddr())
	}
	return node, nil
}

// heard is what is known of a peer itself.
type heard struct {
	at                      time.Time
	incarnation, generation uint64
	silent                  bool
}

// peersHeard returns what was last heard of each peer that ever was.
func (n *Node) peersHeard() map[regions.NodeID]heard {
	now, out := time.Now(), map[regions.NodeID]heard{}
	for _, h := range n.inbox.Nodes() {
		t := health.Table{Heard: h.At, Interval: h.Table.Interval}
		out[h.Table.Node] = heard{h.At, h.Table.Incarnation, h.Table.Generation, t.Silent(now)}
	}
	return out
}
