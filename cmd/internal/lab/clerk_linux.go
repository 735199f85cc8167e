package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// Clerk decides something harmless on one node after the other, again and
// again, and keeps what was acknowledged: none of it may be missing from the
// trail in the end.
type Clerk struct {
	lab *Lab

	mu           sync.Mutex
	acknowledged map[string]bool // by reason
	refused      int
	unknown      int
}

// ledger is the service that the clerk decides about. Nobody asks for it.
const ledger, ledgerRegion = "ledger", "ap-south"

// Run decides until ctx ends.
func (c *Clerk) Run(ctx context.Context) error {
	for i := 0; ctx.Err() == nil; i++ {
		if n := c.lab.Regions[i%len(c.lab.Regions)].Node; n.Runs() {
			c.decide(ctx, n, fmt.Sprintf("clerk %d on %s", i, n.Name))
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil
}

// decide forces the ledger up, which it is, and takes that back.
func (c *Clerk) decide(ctx context.Context, n *Node, reason string) {
	call, err := n.Call(3 * time.Second)
	if err != nil {
		return
	}
	did, err := client.Get[openapi.SteeringResult](call.CreateOverride(ctx,
		openapi.OverrideRequest{Region: ledgerRegion, Service: ledger, State: "up", For: "10m", Reason: reason}))
	c.note(reason, err)
	if err == nil {
		for _, o := range did.Overrides {
			if o.Reason == reason {
				c.end(ctx, call, o.Id, reason+", over")
				return
			}
		}
	}
	if !fault.Is(err, fault.Conflict) {
		return
	}
	// One whose answer was lost is in the way, or another node's: end it.
	if list, err := client.Get[openapi.OverrideList](call.ListOverrides(ctx)); err == nil {
		for _, o := range list.Overrides {
			if o.Service == ledger {
				c.end(ctx, call, o.Id, reason+", cleared")
			}
		}
	}
}

func (c *Clerk) end(ctx context.Context, call *client.Client, id, reason string) {
	c.note(reason, client.Done(call.EndOverride(ctx, id, openapi.ReasonRequest{Reason: reason})))
}

func (c *Clerk) note(reason string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		if c.acknowledged == nil {
			c.acknowledged = map[string]bool{}
		}
		c.acknowledged[reason] = true
	case fault.Is(err, fault.Unavailable):
		c.unknown++
	default:
		c.refused++
	}
}

// Lost returns the decisions that were acknowledged and that the trail of a
// node does not have, and how many were acknowledged.
func (c *Clerk) Lost(ctx context.Context, n *Node) (lost []string, acknowledged int, err error) {
	call, err := n.Call(10 * time.Second)
	if err != nil {
		return nil, 0, err
	}
	have := map[string]bool{}
	for from := int64(1); ; {
		page, err := client.Get[openapi.AuditPage](call.ListAudit(ctx, &openapi.ListAuditParams{From: from, Limit: 1000}))
		if err != nil {
			return nil, 0, fmt.Errorf("read the trail of %s: %w", n.Name, err)
		}
		for _, e := range page.Entries {
			have[e.Reason] = true
		}
		if page.Next == nil {
			break
		}
		from = *page.Next
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason := range c.acknowledged {
		if !have[reason] {
			lost = append(lost, reason)
		}
	}
	return lost, len(c.acknowledged), nil
}

// NewClerk makes a clerk who decides in a laboratory.
func NewClerk(l *Lab) *Clerk { return &Clerk{lab: l} }
