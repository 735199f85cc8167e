package daemon

import (
	"context"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// Glass implements [api.GlassBreaker].
func (a acts) Glass(context.Context) (openapi.BreakGlass, error) {
	kept, d := a.glass.state(), a.decided()
	out := openapi.BreakGlass{MaySign: []string{}, Sequence: int64(kept.Seen.Sequence)}
	if d == nil || d.Fleet == nil {
		return out, fault.Unavailablef("break-glass", "this node remembers nothing that was decided, so it knows nobody's signature").Do("ask a node that answers names")
	}
	out.Cluster, out.Incarnation = d.Cluster, int64(d.Incarnation)
	if kept.Seen.Incarnation < d.Incarnation {
		out.Sequence = 0
	}
	if end := d.GlassEnd; end != nil && end.Incarnation == d.Incarnation {
		out.Sequence = max(out.Sequence, int64(end.Sequence))
	}
	if r := d.Fleet.Recovery; r != nil {
		out.MaySign, out.Needed = r.People(), r.BreakGlass
	}
	if rules := kept.Rules.After(d.GlassEnd); rules != nil {
		out.Rules, out.Id, out.SignedBy, out.Reason = true, rules.ID, rules.By, rules.Why
		for _, o := range rules.Orders {
			out.Orders = append(out.Orders, o.String())
		}
	}
	return out, nil
}

// BreakGlass implements [api.GlassBreaker].
func (a acts) BreakGlass(ctx context.Context, bundle string) (openapi.BreakGlass, error) {
	if _, err := a.takeBundle([]byte(bundle)); err != nil {
		return openapi.BreakGlass{}, err
	}
	a.log.Warn("break-glass bundle handed in", "by", auth.From(ctx).Name)
	return a.Glass(ctx)
}

// EndGlass implements [api.GlassBreaker].
func (a acts) EndGlass(ctx context.Context, reason string) (openapi.BreakGlass, error) {
	rules := a.glass.rules()
	if d := a.decided(); d == nil || rules.After(d.GlassEnd) == nil {
		return openapi.BreakGlass{}, fault.NotFoundf("break-glass", "nothing rules past the store on this node").Do("ask the node on which something does: its alarms say so")
	}
	if a.following != nil {
		return openapi.BreakGlass{}, fault.Invalidf("break-glass", "what rules on node %s cannot be ended in writing there, as it keeps no record of decisions", a.settings.Name).
			Do("say fairlead bundle end on a control node, after handing it the same bundle if nothing rules there; or hand this node a later bundle without orders")
	}
	if err := a.enterGlass(ctx); err != nil {
		return openapi.BreakGlass{}, err
	}
	if _, err := a.store.EndGlass(ctx, rules, auth.From(ctx).Name, reason); err != nil {
		return openapi.BreakGlass{}, err
	}
	d, err := a.store.Decided(ctx)
	if err != nil {
		return openapi.BreakGlass{}, err
	}
	a.take(d)
	a.keepNow(d)
	return a.Glass(ctx)
}
