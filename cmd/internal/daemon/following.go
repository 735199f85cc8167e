package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/alpn"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/spread"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// openPort shares the port between nodes: the feed, and on control nodes what
// is decided. On all others it makes what hears that.
func (n *Node) openPort(l net.Listener) {
	protocols := []string{""}
	if n.settings.Has(config.Control) {
		protocols = append(protocols, spread.Protocol)
		n.passing = &spread.Server{Name: feedPeer, Standing: n.standing, Log: n.log.With("part", "spread")}
		if d := n.decided(); d != nil {
			n.passing.Offer(d)
		}
	} else {
		n.following = &spread.Client{Dial: n.dialControl, Have: n.decided, Take: n.accept, Report: n.report, Log: n.log.With("part", "spread")}
	}
	n.port = alpn.New(l, n.id.TLSServer(identity.Control, identity.Probe, identity.DNS), n.log.With("part", "feed"), protocols...)
}

// controls returns the peers that decide.
func (n *Node) controls() []spread.Peer {
	var out []spread.Peer
	for _, p := range n.settings.Peers {
		if p.Has(config.Control) {
			out = append(out, spread.Peer{Node: p.Name, Address: p.Feed})
		}
	}
	return out
}

// dialControl connects to a control node: what decides has to show the
// certificate of its name, with that role.
func (n *Node) dialControl(ctx context.Context, p spread.Peer) (net.Conn, error) {
	c := n.id.TLSClient(string(p.Node), identity.Control)
	c.NextProtos = []string{spread.Protocol}
	d := tls.Dialer{Config: c}
	return d.DialContext(ctx, "tcp", p.Address)
}

// standing is what a control node says with each beat.
func (n *Node) standing() spread.Standing {
	st := n.store.Status()
	scheme := "http://"
	if n.settings.APITLS {
		scheme = "https://"
	}
	return spread.Standing{API: scheme + n.apiListener.Addr().String(), Leader: n.leader.Load(), Reachable: st.Reachable, Problem: st.Problem}
}

// accept takes what a control node sent, unless it is not newer, or is not fit
// to be answered from. The one before stays then.
func (n *Node) accept(d *regions.Decided) error {
	if n.superseded(d.Incarnation) != nil { // no Conflict: it is the same tomorrow, and not worth asking for again at once
		return fault.Deniedf(fmt.Sprintf("generation %d of incarnation %d", d.Generation, d.Incarnation), "is of the past: incarnation %d has begun without who sent it", n.highest()).
			Do("%s", n.leavePast())
	}
	if err := sound(n.decided(), d); err != nil {
		return err
	}
	if !n.take(d) {
		return fault.Conflictf(fmt.Sprintf("generation %d of incarnation %d", d.Generation, d.Incarnation), "it is not newer than what this node has")
	}
	return nil
}

// sound is the test of a decided state before anything depends on it. What is
// wrong with a part of it, such as one zone, is held back there; here is what
// no part of it can make good.
func sound(before, d *regions.Decided) error {
	subject := fmt.Sprintf("generation %d of incarnation %d", d.Generation, d.Incarnation)
	if d.Fleet == nil {
		if before == nil || before.Fleet == nil {
			return nil // nothing was ever put in force
		}
		return fault.Invalidf(subject, "has no fleet, and the one before has: nothing would be answered").Do("look at the control nodes' store; this node keeps what it has")
	}
	if before != nil && before.FleetHash == d.FleetHash {
		return nil // the fleet was looked at before
	}
	if len(d.Fleet.Regions) == 0 {
		return fault.Invalidf(subject, "has no region, so nothing could be answered").Do("put a whole configuration in force; this node keeps what it has")
	}
	if problems := d.Fleet.Validate(); len(problems) > 0 {
		return fault.Invalidf(subject, "its fleet cannot be: %v, and %d more", problems[0], len(problems)-1).
			Do("mend the configuration and put it in force again, or use one version of this program everywhere; this node keeps what it has")
	}
	if before == nil || before.Fleet == nil {
		return nil
	}
	if len(d.Fleet.Services) == 0 && len(before.Fleet.Services) > 0 || len(d.Fleet.Zones) == 0 && len(before.Fleet.Zones) > 0 {
		return fault.Invalidf(subject, "takes away every service, or every zone, at once").Do("put a whole configuration in force; this node keeps what it has")
	}
	return nil
}

// report is what this node says of itself to the control nodes.
func (n *Node) report() spread.Report {
	served := n.publisher.Status()
	r := spread.Report{Incarnation: served.Incarnation, Generation: served.Generation, Hash: served.Hash}
	for _, p := range served.Problems {
		subject := "zone " + string(p.Zone)
		if p.Name != "" {
			subject = "name " + string(p.Name)
		}
		r.Problems = append(r.Problems, spread.Problem{Subject: subject, Reason: p.Reason})
	}
	if d := n.decided(); n.dns == nil && d != nil {
		r.Incarnation, r.Generation = d.Incarnation, d.Generation
	}
	return r
}

// storeElsewhere is what the control nodes say of their store.
func (n *Node) storeElsewhere() openapi.StoreStatus {
	st := n.following.Standing()
	n.reached.mu.Lock()
	defer n.reached.mu.Unlock()
	if n.reached.since.IsZero() || n.reached.now != st.Reachable {
		n.reached.now, n.reached.since = st.Reachable, time.Now()
	}
	return openapi.StoreStatus{Reachable: st.Reachable, Leader: st.Leader, Since: n.reached.since.UTC(), Problem: st.Problem}
}

// late is how long a control node may be behind before people are told.
const late = 5 * time.Second

// followAlarms are about how decided state travels: a control node that
// answers something old, and on either side a node that refuses what is new.
func (n *Node) followAlarms(now time.Time) (out []regions.Alarm) {
	refused := func(node regions.NodeID, why string, since time.Time) {
		out = append(out, regions.Alarm{ID: "refused/" + string(node), Severity: regions.Critical, Subject: "node " + string(node), Since: since,
			Sentence: fmt.Sprintf("node %s does not serve the newest generation: %s", node, why), Remedy: "mend the configuration; the node keeps the last good one"})
	}
	if n.following != nil {
		if why, since := n.following.Refused(); why != "" {
			refused(n.settings.Name, why, since)
		}
		seen := n.following.Seen()
		for _, node := range slices.Sorted(maps.Keys(seen)) {
			if s := seen[node]; s.Connected && !s.Older.IsZero() && now.Sub(s.Older) > late {
				out = append(out, regions.Alarm{ID: "older/" + string(node), Severity: regions.Warning, Subject: "node " + string(node), Since: s.Older,
					Sentence: fmt.Sprintf("control node %s answers %s, older than what this node has, which stays; the others are asked", node, s.Has.Version()),
					Remedy:   "see whether that node reaches its store, or was set back"})
			}
		}
	}
	if n.passing != nil {
		reports := n.passing.Reports()
		for _, node := range slices.Sorted(maps.Keys(reports)) {
			if h := reports[node]; h.Here && h.Refused != "" {
				refused(node, h.Refused, h.At)
			} else if h.Here && len(h.Problems) > 0 {
				out = append(out, regions.Alarm{ID: "held/" + string(node), Severity: regions.Warning, Subject: "node " + string(node), Since: h.At,
					Sentence: fmt.Sprintf("node %s holds back %d parts of generation %d, such as %s: %s", node, len(h.Problems)+h.Left, h.Generation, h.Problems[0].Subject, h.Problems[0].Reason),
					Remedy:   "mend the configuration"})
			}
		}
	}
	return out
}

// tokenStore returns where tokens are kept beside the tokens file. They do not
// travel with what is decided: a node that decides nothing knows those of its
// own file, and lets nobody do what could be abused.
func (n *Node) tokenStore() auth.Store {
	if n.following != nil {
		return nil
	}
	return n.store
}

// elsewhere is the store of a node that has none. It says who has.
type elsewhere struct{ *Node }

func (e elsewhere) refuse() error {
	var at []string
	seen := e.following.Seen()
	for _, p := range e.controls() {
		text := string(p.Node)
		if api := seen[p.Node].Standing.API; api != "" {
			text += " (" + reachable(api, p) + ")"
		}
		at = append(at, text)
	}
	return fault.Invalidf("node "+string(e.settings.Name), "answers, but decides nothing and keeps no record of decisions").
		Do("ask a control node: %s", strings.Join(at, ", "))
}

// reachable returns where the API of a control node is reached from here: one
// that listens on every address of its machine is at that of its feed.
func reachable(api string, p spread.Peer) string {
	u, err := url.Parse(api)
	if err != nil {
		return api
	}
	host, _, err := net.SplitHostPort(p.Address)
	if ip, bad := netip.ParseAddr(u.Hostname()); err != nil || bad != nil || !ip.IsUnspecified() {
		return api
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

// Range implements [store.KV].
func (e elsewhere) Range(context.Context, store.Query) (store.Page, error) {
	return store.Page{}, e.refuse()
}

// Commit implements [store.KV].
func (e elsewhere) Commit(context.Context, store.Txn) (store.Outcome, error) {
	return store.Outcome{}, e.refuse()
}

// Watch implements [store.KV].
func (e elsewhere) Watch(context.Context, store.Span, int64, func(store.Change)) error {
	return e.refuse()
}

// Lead implements [store.KV].
func (e elsewhere) Lead(context.Context, string, string, func(context.Context, store.Lease) error) error {
	return e.refuse()
}
