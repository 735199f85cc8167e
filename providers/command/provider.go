package command

import (
	"context"
	"fmt"
	"time"

	"fairlead/providers"
	"fairlead/regions/fault"
)

// Provider runs a program as a runbook's step, and another one that proves
// it. Its one action is "run".
type Provider struct {
	act, verify []string
	limit       time.Duration
}

// New makes a provider. The verify program is what Observe asks: exit 0 means
// done, 75 unknown, anything else not done. Without one, Observe always says
// unknown, and a crash in the middle needs a person.
func New(act, verify []string, limit time.Duration) (*Provider, error) {
	if len(act) == 0 || act[0] == "" {
		return nil, fault.Invalidf("command", "names no program").Do("give the program and its arguments as a list")
	}
	return &Provider{act: act, verify: verify, limit: limit}, nil
}

// Observe implements [providers.Provider].
func (p *Provider) Observe(ctx context.Context, r providers.Request) (providers.Result, error) {
	if len(p.verify) == 0 {
		return providers.Result{State: providers.Unknown, Detail: "no verify command is configured, so nothing tells whether it was done"}, nil
	}
	out, err := Run(ctx, Spec{Program: p.verify, Env: environment(r), Limit: p.limit})
	if err != nil {
		return providers.Result{}, err
	}
	res := providers.Result{Detail: fmt.Sprintf("%s exited %d: %s", p.verify[0], out.Exit, out.Reason())}
	switch {
	case out.TimedOut:
		res.State, res.Detail = providers.Unknown, fmt.Sprintf("%s was ended after %v", p.verify[0], out.Took.Round(time.Millisecond))
	case out.Exit == 0:
		res.State = providers.Done
	case out.Exit == OutOfReach:
		res.State = providers.Unknown
	default:
		res.State = providers.NotDone
	}
	return res, nil
}

// Act implements [providers.Provider]. If the verify program already says
// done, the other one does not run: that is what makes it harmless twice.
func (p *Provider) Act(ctx context.Context, r providers.Request) (providers.Result, error) {
	seen, err := p.Observe(ctx, r)
	if err != nil {
		return providers.Result{State: providers.Untouched}, err
	}
	switch {
	case seen.State == providers.Done:
		return seen, nil
	case r.DryRun:
		return providers.Result{State: providers.NotDone, Detail: fmt.Sprintf("would run %q", p.act)}, nil
	}
	out, err := Run(ctx, Spec{Program: p.act, Env: environment(r), Limit: p.limit})
	subject := "command " + p.act[0]
	switch {
	case err != nil: // it could not even be started
		return providers.Result{State: providers.Untouched}, err
	case out.TimedOut:
		return providers.Result{}, fault.Unavailablef(subject, "was ended after %v", out.Took.Round(time.Millisecond))
	case out.Exit == OutOfReach:
		return providers.Result{}, fault.Unavailablef(subject, "says that it is out of reach: %s", out.Reason())
	case out.Exit != 0:
		return providers.Result{}, fault.Conflictf(subject, "failed with exit code %d: %s", out.Exit, out.Reason())
	case len(p.verify) == 0:
		return providers.Result{State: providers.Done, Detail: fmt.Sprintf("%s exited 0; nothing verified it", p.act[0])}, nil
	}
	seen, err = p.Observe(ctx, r)
	if err == nil && seen.State != providers.Done {
		return seen, fault.Conflictf(subject, "exited 0, but its verify command does not agree: %s", seen.Detail)
	}
	return seen, err
}

// environment tells a program what it runs for.
func environment(r providers.Request) []string {
	return append(Environment(), Variables(r)...)
}

// Variables are the environment variables that describe a request to a
// program: FAIRLEAD_KEY, FAIRLEAD_REGION, FAIRLEAD_INCARNATION,
// FAIRLEAD_EPOCH and FAIRLEAD_WRITER.
func Variables(r providers.Request) []string {
	return []string{
		"FAIRLEAD_KEY=" + r.Key,
		"FAIRLEAD_REGION=" + string(r.Region),
		fmt.Sprintf("FAIRLEAD_INCARNATION=%d", r.Epoch.Incarnation),
		fmt.Sprintf("FAIRLEAD_EPOCH=%d", r.Epoch.Number),
		"FAIRLEAD_WRITER=" + string(r.Epoch.Writer),
	}
}
