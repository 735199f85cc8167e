package daemon

import (
	"context"
	"fmt"
	"strings"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// steering is how the steps of runs move traffic and writers: by decisions in
// the store, made under the engine's leadership, and confirmed by what the
// nodes say that they answer. It implements [steps.Steering], [steps.Overrides]
// and [steps.World].
type steering struct {
	*Node
	lease store.Lease // zero where only plans are made
}

// Writer implements [steps.Steering]. It asks the store, not this node's copy.
func (s steering) Writer(ctx context.Context, database regions.DatabaseID) (regions.Epoch, error) {
	d, err := s.store.Decided(ctx)
	if err != nil {
		return regions.Epoch{}, err
	}
	w, ok := d.Writers[database]
	if !ok {
		return regions.Epoch{}, fault.NotFoundf("database "+string(database), "has no epoch, so it is not in the fleet").Do("add it to the configuration")
	}
	return w.Epoch, nil
}

// Advance implements [steps.Steering]. The step's key begins with the run's
// identifier.
func (s steering) Advance(ctx context.Context, key string, database regions.DatabaseID, from regions.Epoch, writer regions.ID, by, why string) (regions.Epoch, error) {
	run, _, _ := strings.Cut(key, "/")
	signed, _, err := s.store.AdvanceEpoch(ctx, s.lease, database, from, from.Next(writer), runbooks.ExecutionID(run), by, why)
	return signed.Epoch, err
}

// Confirmed implements [steps.Steering]: a node answers by an epoch once it
// serves a decided state that holds it.
func (s steering) Confirmed(ctx context.Context, database regions.DatabaseID, e regions.Epoch) (int, []regions.NodeID, error) {
	d, err := s.store.Decided(ctx)
	if err != nil {
		return 0, nil, err
	}
	if w := d.Writers[database].Epoch; w.Compare(e) < 0 {
		return 0, nil, fault.Conflictf("database "+string(database), "its epoch is %s, and %s was to be confirmed", w, e)
	}
	nodes, behind := s.serving(d)
	return nodes, behind, nil
}

// Overrides implements [steps.Overrides].
func (s steering) Overrides(ctx context.Context) ([]regions.Override, error) {
	d, err := s.store.Decided(ctx)
	if err != nil {
		return nil, err
	}
	return d.Overrides, nil
}

// Put implements [steps.Overrides]. A run is ordered by people, and its plan
// said what it drains.
func (s steering) Put(ctx context.Context, o regions.Override) error {
	_, err := s.store.PutOverride(ctx, s.lease, o, store.Safety{Out: s.out()})
	return err
}

// Restore implements [steps.Overrides].
func (s steering) Restore(ctx context.Context, scope regions.Scope, by, why string) error {
	_, err := s.store.Restore(ctx, s.lease, scope, by, why)
	return err
}

// Gone implements [steps.Overrides].
func (s steering) Gone(ctx context.Context, scope regions.Scope) (int, []regions.NodeID, error) {
	d, err := s.store.Decided(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("ask which decision takes %s out: %w", scope, err)
	}
	nodes, behind := s.serving(d)
	return nodes, behind, nil
}

// Fleet implements [steps.World].
func (s steering) Fleet() *regions.Fleet {
	if d := s.decided(); d != nil {
		return d.Fleet
	}
	return nil
}

// State implements [steps.World].
func (s steering) State(region regions.ID) (regions.State, string) {
	v, ok := s.judge.View().Regions[region]
	if !ok {
		return regions.Unknown, "nothing is known of " + string(region)
	}
	return v.State, v.Because
}

// Running implements [steps.World].
func (s steering) Running(ctx context.Context, database regions.DatabaseID) (runbooks.ExecutionID, error) {
	runs, err := s.store.Executions(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range runs {
		if r.Database == database && !r.Over() {
			return r.ID, nil
		}
	}
	return "", nil
}

// serving returns how many nodes answer names, and those that do not yet
// answer by d, or were not heard.
func (n *Node) serving(d *regions.Decided) (nodes int, behind []regions.NodeID) {
	if n.settings.Has(config.DNS) {
		nodes++
		if served := n.publisher.Status(); !reached(served.Incarnation, served.Generation, d) {
			behind = append(behind, n.settings.Name)
		}
	}
	heard := n.peersHeard()
	for _, p := range n.settings.Peers {
		if !p.Has(config.DNS) {
			continue
		}
		nodes++
		if h, ok := heard[p.Name]; !ok || h.silent || !reached(h.incarnation, h.generation, d) {
			behind = append(behind, p.Name)
		}
	}
	return nodes, behind
}

func reached(incarnation, generation uint64, d *regions.Decided) bool {
	return incarnation > d.Incarnation || incarnation == d.Incarnation && generation >= d.Generation
}

// out returns the regions that are out of traffic for other reasons than an
// override: judged down, or latched out.
func (n *Node) out() []regions.ID {
	v := n.judge.View()
	var out []regions.ID
	for _, r := range v.Plan.Regions {
		if r.Latched || r.Measured == regions.Down {
			out = append(out, r.Region)
		}
	}
	return out
}
