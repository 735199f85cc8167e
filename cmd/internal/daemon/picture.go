package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/api"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/version"
	"fairlead/regions"
)

// picture draws what this node knows. It implements [api.Overview], and asks
// nobody: everything in it is in memory already.
type picture struct{ *Node }

// View implements [api.Overview].
func (p picture) View(context.Context) (api.View, error) {
	now := time.Now()
	v := p.judge.View()
	view := api.View{
		At: now, Node: p.settings.Name, Version: version.String(),
		Decided: v.Decided, Plan: &v.Plan, Verdicts: v.Verdicts, Regions: v.Regions,
		Config: p.configStatus(), Store: p.storeStatus(), Members: p.members(now), Nodes: p.nodes(now, v.Decided),
	}
	if d := p.decided(); d != nil {
		view.Decided = d
	}
	stands := p.standpoint(downRegions(v.Regions), now)
	p.placed(&view, stands)
	view.Alarms = append(p.alarms(view, now), standing(stands)...)
	return view, nil
}

func (n *Node) storeStatus() openapi.StoreStatus {
	if n.following != nil {
		return n.storeElsewhere()
	}
	st := n.store.Status()
	return openapi.StoreStatus{Reachable: st.Reachable, Leader: n.leader.Load(), Since: st.Since.UTC(), Problem: st.Problem}
}

// nodes lists this node and its peers.
func (n *Node) nodes(now time.Time, d *regions.Decided) []openapi.Node {
	confirmed := func(incarnation, generation uint64) bool { return d == nil || reached(incarnation, generation, d) }
	self := openapi.Node{Name: string(n.settings.Name), Region: string(n.settings.Region), Roles: roleNames(n.settings.Roles),
		Version: version.String(), Confirmed: true, Self: true}
	if d != nil {
		self.Generation = int64(d.Generation)
	}
	if n.settings.Has(config.DNS) {
		served := n.publisher.Status()
		self.Generation, self.Confirmed = int64(served.Generation), confirmed(served.Incarnation, served.Generation)
	}
	all := []openapi.Node{self}
	heard := n.peersHeard()
	for _, peer := range n.settings.Peers {
		node := openapi.Node{Name: string(peer.Name), Region: string(peer.Region), Roles: roleNames(peer.Roles)}
		h, known := heard[peer.Name]
		if known {
			age := now.Sub(h.at).Milliseconds()
			node.LastHeardMs, node.Generation = &age, int64(h.generation)
		}
		node.Confirmed = known && !h.silent && confirmed(h.incarnation, h.generation)
		switch {
		case n.relayed() && !peer.Has(config.Control) && !peer.Has(config.Probe): // not listened to
		case !known:
			node.Problem = "never heard since this node started"
		case h.silent:
			node.Problem = fmt.Sprintf("silent for %v", now.Sub(h.at).Round(time.Second))
		case d != nil && h.incarnation > 0 && h.incarnation < d.Incarnation:
			node.Problem = fmt.Sprintf("of the past: it goes by incarnation %d, and incarnation %d has begun", h.incarnation, d.Incarnation)
		}
		if why := n.peers.Trouble(peer.Name); why != nil && node.Problem != "" {
			node.Problem += ": " + why.Error()
		}
		all = append(all, node)
	}
	slices.SortFunc(all, func(a, b openapi.Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func roleNames(roles []config.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}

// stepLimit is how long putting a configuration in force may take before
// people are told that it is not.
const stepLimit = 3 * time.Second

// outOfStep reports whether the fleet in force is not that of this node's
// files. Nodes that decide nothing have no say in it.
func (n *Node) outOfStep(d *regions.Decided, now time.Time) bool {
	read := n.source.now()
	return n.settings.Has(config.Control) && d != nil && d.FleetHash != "" && d.FleetHash != read.Config.Hash && now.Sub(read.LoadedAt) > stepLimit
}

// alarms are the plan's and the judgement's, and those about Fairlead itself.
func (n *Node) alarms(v api.View, now time.Time) []regions.Alarm {
	out := append(slices.Clone(n.judge.View().Alarms), ailing(v)...)
	raise := func(id string, severity regions.Severity, subject, remedy string, since time.Time, format string, args ...any) {
		out = append(out, regions.Alarm{ID: id, Severity: severity, Subject: subject, Sentence: fmt.Sprintf(format, args...), Remedy: remedy, Since: since})
	}
	past := n.past()
	if !v.Store.Reachable && past == nil {
		raise("store", regions.Critical, "store", "bring a majority of the control nodes back; answers and failover of stateless traffic go on meanwhile",
			v.Store.Since, "nothing can be decided: %s", v.Store.Problem)
	}
	if _, since := n.source.now().problem(); !v.Config.Ok {
		raise("config", regions.Warning, "configuration "+v.Config.Source, "mend the file; it is read again by itself",
			since, "the newest file was refused, the one before is in force: %s", v.Config.Problem)
	}
	if w := n.settings.Witness(); w != "" {
		raise("witness", regions.Warning, "control nodes", "add a control node without dns and probe in a third place, see the manual", n.began, "%s", w)
	}
	if keys := n.source.later(); len(keys) > 0 {
		raise("restart", regions.Warning, "configuration "+v.Config.Source, "restart this node when it suits, one node after the other",
			n.source.now().LoadedAt, "%s changed since this node started, and applies once it is restarted", strings.Join(keys, " and "))
	}
	if n.outOfStep(v.Decided, now) {
		raise("outdated", regions.Warning, "configuration "+v.Config.Source, "bring the files of this node up to date; or send it SIGHUP if they are what you mean",
			n.source.now().LoadedAt, "the fleet in this node's files is not the one in force")
	}
	if s := n.id.ExpirySoon(now); s != "" {
		raise("certificate", regions.Critical, "node "+string(n.settings.Name), "issue a new one with fairlead certs", n.id.Expires().Add(-30*24*time.Hour), "%s", s)
	}
	heard := n.peersHeard()
	for _, node := range v.Nodes {
		if node.Problem == "" {
			continue
		}
		since := n.began
		if h, ok := heard[regions.NodeID(node.Name)]; ok {
			since = h.at
		}
		raise("node/"+node.Name, regions.Warning, "node "+node.Name, "see whether it runs, and whether this node can reach its feed", since, "node %s is %s", node.Name, node.Problem)
	}
	served := n.publisher.Status()
	for _, p := range served.Problems {
		id, subject := "zone/"+string(p.Zone), "zone "+string(p.Zone)
		if p.Name != "" {
			id, subject = "name/"+string(p.Name), "name "+string(p.Name)
		}
		raise(id, regions.Warning, subject, "mend the configuration", served.At, "%s", p.Reason)
	}
	if text := n.glass.trouble(); text != "" {
		raise("break-glass-state", regions.Critical, "node "+string(n.settings.Name), "hand in a new bundle, with a sequence above each before, that says what is to rule here now; or one without orders", n.began, "%s", text)
	}
	if k := n.newKeys.Load(); k != nil && now.Sub(k.at) < keysShown {
		raise("recovery-keys", regions.Warning, "recovery", "nothing, if it was meant; else put the keys back and find out who changed them: fairlead audit list", k.at, "%s", k.text)
	}
	if past != nil {
		raise("superseded", regions.Critical, "store", n.leavePast(), n.began, "%s", sentence(past))
	} else if b := n.setBack.Load(); b != nil {
		raise("set-back", regions.Critical, "store", "restore the newest backup of the store; if the store is right, stop this node, move decided and memory.json out of its data directory, and start it again", b.at, "%s", b.text)
	}
	if p := n.recovering.trouble(); p != nil {
		raise("recovery-order", regions.Critical, "store", "make a new order on this node, which knows its store by now: fairlead recovery propose, sign, apply; then restart it", p.at, "nothing is decided here, as the recovery order cannot be carried out: %s", p.text)
	}
	if p := n.archive.restore.Load(); p != nil {
		raise("restore", regions.Critical, "store", "fairlead restore-backup with another file; or remove it, and start this node again to use the store as it is", p.at, "%s", p.text)
	}
	if p := n.archive.trail.Load(); p != nil {
		raise("trail", regions.Critical, "store", "stop the control nodes one after the other, and let fairlead doctor --data-dir say whose disk it is; see also fairlead audit verify", p.at, "%s", p.text)
	}
	if p := n.archive.late(n.settings.Backup, time.Now()); p != nil {
		raise("backup", regions.Warning, "node "+string(n.settings.Name), "look at the directory and the log; meanwhile take one by hand: fairlead backup FILE", p.at, "%s", p.text)
	}
	out = append(out, n.followAlarms(now)...)
	if text, since, any := n.troubles.sentence(); any {
		raise("disk", regions.Critical, "node "+string(n.settings.Name), "give the data directory room; until then a restart would begin with older decisions", since, "%s", text)
	}
	return out
}
