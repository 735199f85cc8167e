package apitest

import (
	"context"

	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// Glass implements [api.GlassBreaker]: a node on which nothing rules.
func (w *World) Glass(context.Context) (openapi.BreakGlass, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.BreakGlass{}, err
	}
	defer leave()
	return openapi.BreakGlass{Cluster: "world", Incarnation: 1, Sequence: 4, MaySign: []string{"alice", "bob"}, Needed: 1}, nil
}

// BreakGlass implements [api.GlassBreaker]: the world reads none.
func (w *World) BreakGlass(_ context.Context, bundle string) (openapi.BreakGlass, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.BreakGlass{}, err
	}
	defer leave()
	return openapi.BreakGlass{}, fault.Invalidf("break-glass bundle", "cannot be read").Do("take the file again from who made it")
}

// EndGlass implements [api.GlassBreaker].
func (w *World) EndGlass(ctx context.Context, reason string) (openapi.BreakGlass, error) {
	leave, err := w.enter()
	if err != nil {
		return openapi.BreakGlass{}, err
	}
	defer leave()
	return openapi.BreakGlass{}, fault.NotFoundf("break-glass", "nothing rules past the store on this node").Do("there is nothing to end")
}
