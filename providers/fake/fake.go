// Package fake is a provider that fails on demand, for the tests of whoever
// calls providers.
//
// The surprising choice: what it does and what it answers are scripted apart,
// because the failures that hurt are those where the two differ: the act
// happened and the answer was an error, or the answer was done and nothing
// happened.
package fake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"fairlead/providers"
	"fairlead/regions"
)

// Script says how one call goes. The zero Script does what is asked, at once.
type Script struct {
	Delay  time.Duration     // before anything happens
	Err    error             // what is answered; Acted says whether it happened all the same
	Acted  bool              // with Err: the act happened although an error is answered
	Lost   bool              // without Err: answers done although nothing happened
	State  string            // overrides the state that is answered; with Err of an act, providers.Untouched or nothing
	Detail string            // overrides the detail that is answered
	Values map[string]string // are answered
	Hang   bool              // waits for the context to end, acts on nothing
}

// Call is one call that was made.
type Call struct {
	Verb    string // "observe" or "act"
	Request providers.Request
}

// Provider is a fake outside system: a set of actions that are done.
type Provider struct {
	mu      sync.Mutex
	done    map[string]bool     // action@region
	keys    map[string]bool     // keys that had their effect
	effects map[string]int      // action@region → how often
	scripts map[string][]Script // verb action → what the next calls do
	newest  regions.Epoch       // refuses older ones, as an agent does
	values  map[string]map[string]string
	calls   []Call
}

// New returns a fake in which nothing is done yet.
func New() *Provider {
	return &Provider{done: map[string]bool{}, keys: map[string]bool{}, effects: map[string]int{},
		scripts: map[string][]Script{}, values: map[string]map[string]string{}}
}

// Next scripts the next calls of a verb ("observe" or "act") for an action;
// each Script is used once. Afterwards the fake does what is asked.
func (p *Provider) Next(verb, action string, scripts ...Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[verb+" "+action] = append(p.scripts[verb+" "+action], scripts...)
}

// Answers sets the values that an action answers with.
func (p *Provider) Answers(action string, values map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[action] = values
}

// Undo makes an action not done, as if somebody had changed the world.
func (p *Provider) Undo(action string, region regions.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.done, action+"@"+string(region))
}

// Effects returns how often an action really happened in a region.
func (p *Provider) Effects(action string, region regions.ID) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.effects[action+"@"+string(region)]
}

// Calls returns every call so far, oldest first.
func (p *Provider) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Observe implements [providers.Provider].
func (p *Provider) Observe(ctx context.Context, r providers.Request) (providers.Result, error) {
	s, err := p.begin(ctx, "observe", r)
	if err != nil {
		return providers.Result{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Err != nil {
		return providers.Result{}, s.Err
	}
	res := providers.Result{State: providers.NotDone, Detail: fmt.Sprintf("%s in %s is not done", r.Action, r.Region), Values: p.values[r.Action]}
	if p.done[r.Action+"@"+string(r.Region)] {
		res.State, res.Detail = providers.Done, fmt.Sprintf("%s in %s is done", r.Action, r.Region)
	}
	return s.answer(res), nil
}

// Act implements [providers.Provider].
func (p *Provider) Act(ctx context.Context, r providers.Request) (providers.Result, error) {
	s, err := p.begin(ctx, "act", r)
	if err != nil {
		return providers.Result{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Epoch.Compare(p.newest) < 0 {
		return providers.Result{State: providers.Untouched}, providers.Stale("fake", r.Epoch, p.newest)
	}
	if r.DryRun {
		return s.answer(providers.Result{State: providers.NotDone, Detail: fmt.Sprintf("would %s in %s", r.Action, r.Region)}), s.Err
	}
	p.newest = r.Epoch
	if s.Err == nil && !s.Lost || s.Err != nil && s.Acted {
		at := r.Action + "@" + string(r.Region)
		p.done[at] = true
		if !p.keys[r.Key] {
			p.keys[r.Key] = true
			p.effects[at]++
		}
	}
	if s.Err != nil {
		return providers.Result{State: s.State}, s.Err
	}
	return s.answer(providers.Result{State: providers.Done, Detail: fmt.Sprintf("did %s in %s", r.Action, r.Region), Values: p.values[r.Action]}), nil
}

// begin records the call, takes its script and waits as that says.
func (p *Provider) begin(ctx context.Context, verb string, r providers.Request) (Script, error) {
	p.mu.Lock()
	p.calls = append(p.calls, Call{Verb: verb, Request: r})
	name := verb + " " + r.Action
	var s Script
	if waiting := p.scripts[name]; len(waiting) > 0 {
		s, p.scripts[name] = waiting[0], waiting[1:]
	}
	p.mu.Unlock()

	if s.Hang {
		<-ctx.Done()
	}
	if s.Delay > 0 {
		select {
		case <-time.After(s.Delay):
		case <-ctx.Done():
		}
	}
	return s, ctx.Err()
}

func (s Script) answer(res providers.Result) providers.Result {
	if s.State != "" {
		res.State = s.State
	}
	if s.Detail != "" {
		res.Detail = s.Detail
	}
	if s.Values != nil {
		res.Values = s.Values
	}
	return res
}
