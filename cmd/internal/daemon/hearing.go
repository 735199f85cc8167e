package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
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
	t := feed.Table{Node: n.settings.Name, Region: n.settings.Region, Boot: n.boot, Reports: n.probes.Reports()}
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

func (n *Node) feedPeers() []feed.Peer {
	var out []feed.Peer
	for _, p := range n.settings.Peers {
		out = append(out, feed.Peer{Node: p.Name, Address: p.Feed})
	}
	return out
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
