package story

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/shop"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// actor is a person with a token, at one node.
type actor struct {
	name string
	*client.Client
}

func newActor(w *world.World, n *world.Node, p world.Person) (*actor, error) {
	c, err := w.Client(n, p)
	if err != nil {
		return nil, err
	}
	return &actor{name: p.Name, Client: c}, nil
}

// order asks for a run of a runbook on the database orders.
func (a *actor) order(ctx context.Context, runbook string, to regions.ID, params openapi.Params, reason string) (openapi.Execution, error) {
	x, err := client.Get[openapi.Execution](a.StartExecution(ctx, &openapi.StartExecutionParams{IdempotencyKey: shop.NewID()},
		openapi.ExecutionRequest{Runbook: runbook, Database: world.Database, To: string(to), Params: params, Reason: reason, Ungraceful: runbook == "failover"}))
	if err != nil {
		return x, fmt.Errorf("%s orders a %s to %s: %w", a.name, runbook, to, err)
	}
	return x, nil
}

func (a *actor) look(ctx context.Context, id string) (openapi.Execution, error) {
	return client.Get[openapi.Execution](a.GetExecution(ctx, id))
}

// approve waits until the run asks for approval and gives it, for the plan
// that it was shown.
func (a *actor) approve(ctx context.Context, id string) error {
	return eventually(ctx, 60*time.Second, 10*time.Millisecond, a.name+" could approve the run", func(ctx context.Context) error {
		x, err := a.look(ctx, id)
		if err != nil {
			return err
		}
		if x.State == openapi.ExecutionEnded {
			return nil // it was refused; whoever waits for its end will say so
		}
		if !slices.Contains(x.AllowedOperations, openapi.OperationApprove) {
			return notYet("the run is %s: %s", x.State, x.Sentence)
		}
		_, err = client.Get[openapi.Execution](a.OperateExecution(ctx, id, openapi.OperationApprove,
			openapi.OperationRequest{Reason: "read the plan, go ahead", PlanHash: x.PlanHash}))
		return err
	})
}

// ended waits until the run is over, or goes no further by itself.
func (a *actor) ended(ctx context.Context, id string) (openapi.Execution, error) {
	var x openapi.Execution
	err := eventually(ctx, 3*time.Minute, 25*time.Millisecond, "the run ended", func(ctx context.Context) (err error) {
		if x, err = a.look(ctx, id); err != nil {
			return err
		}
		// A blocked run waits for a person, and nobody is there to decide: its
		// missing outcome is the finding.
		if x.State != openapi.ExecutionEnded && x.State != openapi.ExecutionBlocked {
			return notYet("the run is %s: %s", x.State, x.Sentence)
		}
		return nil
	})
	return x, err
}

// restore lets a region take traffic again.
func (a *actor) restore(ctx context.Context, region regions.ID, reason string) error {
	_, err := client.Get[openapi.SteeringResult](a.RestoreRegion(ctx, string(region), openapi.RestoreRequest{Reason: reason}))
	if err != nil {
		return fmt.Errorf("%s restores %s: %w", a.name, region, err)
	}
	return nil
}

// status is the picture that the node draws.
func (a *actor) status(ctx context.Context) (openapi.Status, error) {
	return client.Get[openapi.Status](a.GetStatus(ctx))
}

// region is one region of the picture.
func (a *actor) region(ctx context.Context, id regions.ID) (openapi.Region, error) {
	status, err := a.status(ctx)
	if err != nil {
		return openapi.Region{}, err
	}
	for _, r := range status.Regions {
		if r.Id == string(id) {
			return r, nil
		}
	}
	return openapi.Region{}, fmt.Errorf("the node does not show region %s", id)
}

// member is one server of the database orders in the picture.
func (a *actor) member(ctx context.Context, id regions.ID) (openapi.DatabaseMember, error) {
	status, err := a.status(ctx)
	if err != nil {
		return openapi.DatabaseMember{}, err
	}
	for _, d := range status.Databases {
		for _, m := range d.Members {
			if d.Id == world.Database && m.Region == string(id) {
				return m, nil
			}
		}
	}
	return openapi.DatabaseMember{}, fmt.Errorf("the node does not show %s in %s", world.Database, id)
}

// steps is how long each step of a run took, by its record.
func steps(x openapi.Execution) []report.Step {
	var all []report.Step
	for _, s := range x.Steps {
		step := report.Step{Name: s.Id, State: string(s.State), MS: -1}
		if s.DurationMs != nil {
			step.MS = *s.DurationMs
		}
		all = append(all, step)
	}
	return all
}

// people lists who took part in a run.
func people(x openapi.Execution) []string {
	all := []string{x.StartedBy}
	for _, s := range x.Steps {
		for _, a := range s.Approvals {
			if !slices.Contains(all, a.By) {
				all = append(all, a.By)
			}
		}
	}
	return all
}
