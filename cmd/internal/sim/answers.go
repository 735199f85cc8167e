package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fairlead/regions"
	"fairlead/regions/steer"
)

// answers asks a node for every name, as resolvers do.
func (w *watch) answers(n *node) {
	s := w.sim
	for i := range n.fleet.Services {
		v := &n.fleet.Services[i]
		p, planned := n.plan.Name(v.Name)
		if !planned {
			s.breaks("every service is planned", "%s has no plan for %s", n.id, v.Name)
			continue
		}
		for _, client := range clients {
			s.figures.Answers++
			rcode, got, err := s.question(v.Name).resolve(n.snapshot, client, w.buffer)
			if err != nil {
				s.breaks("every answer can be read", "%s, %s: %v", n.id, v.Name, err)
				continue
			}
			w.answer(n, v, p, client, rcode, got)
		}
	}
}

func (w *watch) answer(n *node, v *regions.Service, p *steer.Steered, client netip.Addr, rcode int, got []netip.Addr) {
	s := w.sim
	what := func() string {
		var ids []string
		for _, a := range got {
			ids = append(ids, string(w.region[a]))
		}
		return fmt.Sprintf("%s answers %s to %s with rcode %d and [%s]", n.id, v.Name, client, rcode, strings.Join(ids, " "))
	}
	var want []netip.Addr
	if c := p.Choose(netip.PrefixFrom(client, 32)); c.Set >= 0 {
		for _, e := range p.Sets[c.Set].Endpoints {
			want = append(want, e.Addresses...)
		}
	}
	if _, pinned := v.Pinned(); pinned {
		for _, a := range got {
			if e := endpoint(v, w.region[a]); e == nil || e.Region != w.epochs[n].Writer {
				s.breaks("a writer's name answers with the region of the newest epoch and no other", "%s; the epoch is %s", what(), w.epochs[n])
			}
		}
		if len(got) == 0 {
			s.breaks("an answer is never empty while anything is known good", "%s; the epoch is %s", what(), w.epochs[n])
		}
	} else {
		w.steered(n, v, got, what)
	}
	slices.SortFunc(got, netip.Addr.Compare)
	slices.SortFunc(want, netip.Addr.Compare)
	if rcode != 0 || !slices.Equal(got, want) {
		s.breaks("what is planned is what is answered", "%s; planned is %v", what(), want)
	}
}

// steered holds the answer of a name that follows health.
func (w *watch) steered(n *node, v *regions.Service, got []netip.Addr, what func() string) {
	good := false
	for i := range v.Endpoints {
		good = good || w.good(n, v, &v.Endpoints[i])
	}
	if len(got) == 0 && (good || v.Policy.Panic != regions.FailClosed) {
		w.sim.breaks("an answer is never empty while anything is known good", "%s; good is known: %v", what(), good)
	}
	if len(got) > 0 && v.Policy.Panic == regions.FailClosed && w.dead(n, v) {
		w.sim.breaks("a policy that fails closed answers with nothing that is dead", "%s", what())
	}
	if !good || n.world.Freeze != nil {
		return
	}
	for _, a := range got {
		if w.bad(n, v, endpoint(v, w.region[a])) {
			w.sim.breaks("nothing that is out is answered while anything is good", "%s", what())
		}
	}
}

// good and bad are two ends; between them is what nobody has judged yet, or a
// person has forced.
func (w *watch) good(n *node, v *regions.Service, e *regions.Endpoint) bool {
	_, latched := n.plan.Latched[e.Region]
	return n.judgement.Verdicts[e.ID].Effective.Serves() && !latched && !w.ruled(n, v, e)
}

func (w *watch) bad(n *node, v *regions.Service, e *regions.Endpoint) bool {
	if e == nil {
		return true
	}
	_, latched := n.plan.Latched[e.Region]
	if w.ruled(n, v, e) {
		return !slices.ContainsFunc(n.world.Overrides, func(o regions.Override) bool { return o.Rules(e.Region, v.ID) && o.State() == regions.Up })
	}
	return n.judgement.Verdicts[e.ID].Effective == regions.Down || latched
}

// dead reports whether everything of a service is, and nobody has forced it.
func (w *watch) dead(n *node, v *regions.Service) bool {
	for i := range v.Endpoints {
		if e := &v.Endpoints[i]; n.judgement.Verdicts[e.ID].Effective != regions.Down || w.ruled(n, v, e) {
			return false
		}
	}
	return true
}

func (w *watch) ruled(n *node, v *regions.Service, e *regions.Endpoint) bool {
	return slices.ContainsFunc(n.world.Overrides, func(o regions.Override) bool { return o.Rules(e.Region, v.ID) })
}

func endpoint(v *regions.Service, id regions.TargetID) *regions.Endpoint {
	for i := range v.Endpoints {
		if v.Endpoints[i].ID == id {
			return &v.Endpoints[i]
		}
	}
	return nil
}

// sameAsOthers compares the answers with those of any node that believed the
// same under the same decisions.
func (w *watch) sameAsOthers(n *node) {
	e := n.plan.Writers[orders]
	k := binary.BigEndian.AppendUint64(w.buffer[:0], n.plan.Generation)
	k = append(binary.BigEndian.AppendUint64(k, e.Number), e.Writer...)
	for _, r := range places {
		_, latched := n.plan.Latched[r]
		k = append(k, b(latched))
	}
	for i := range n.targets {
		id := n.targets[i].ID
		v := n.judgement.Verdicts[id]
		k = append(k, byte(v.Measured), byte(v.Effective), b(n.plan.Waiting[id]))
	}
	hash, known := w.alike[string(k)]
	if known && hash != n.snapshot.Hash() {
		w.sim.breaks("nodes that believe and know the same answer the same", "%s answers otherwise than a node that stood where it stands, in generation %d", n.id, n.plan.Generation)
	}
	if !known {
		w.alike[string(k)] = n.snapshot.Hash()
	}
}

func b(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}
