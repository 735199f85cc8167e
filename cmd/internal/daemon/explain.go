package daemon

import (
	"context"
	"slices"
	"time"

	"fairlead/api"
	"fairlead/dns"
	"fairlead/dns/dig"
	"fairlead/dns/publish"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// explainer says what a client is answered, now or then. It implements
// [api.Explainer]. Now is the snapshot that packets are answered from; then is
// made anew of the inputs that this node's history holds, by the functions
// that made it at the time.
type explainer struct{ *Node }

// Explain implements [api.Explainer].
func (e explainer) Explain(_ context.Context, q api.Question) (api.Explained, error) {
	if !q.At.IsZero() {
		return e.then(q)
	}
	v, served := e.judge.View(), e.publisher.Served()
	if served == nil || v.Decided == nil {
		return api.Explained{}, fault.Unavailablef("name "+string(q.Name), "this node answers nothing yet").Do("try again in a moment, or ask another node")
	}
	return e.explained(q, time.Now(), v.Decided, served)
}

func (e explainer) explained(q api.Question, at time.Time, d *regions.Decided, served *publish.Served) (api.Explained, error) {
	if !within(served.Snapshot, q.Name) {
		return api.Explained{}, fault.NotFoundf("name "+string(q.Name), "is in none of the zones served here").Do("see fairlead status for the names that are")
	}
	wire, err := dig.Ask(served.Snapshot, string(q.Name), q.Type, q.Client)
	if err != nil {
		return api.Explained{}, err
	}
	plan, note := asServed(served, q.Name)
	return api.Explained{At: at, Node: e.settings.Name, Plan: &plan, Decided: d, Wire: wire, Note: note}, nil
}

// asServed is the plan that a snapshot was compiled from, but for a name that
// is not answered as planned: of that it says by what it is answered, and why.
func asServed(served *publish.Served, name regions.Name) (plan steer.Plan, note string) {
	plan = served.Plan
	instead, note := served.Otherwise(name)
	if note == "" {
		return plan, ""
	}
	plan.Names = slices.Clone(plan.Names)
	i := slices.IndexFunc(plan.Names, func(s steer.Steered) bool { return s.Name == name })
	if instead != nil {
		plan.Names[i] = *instead
	} else {
		plan.Names = slices.Delete(plan.Names, i, i+1)
	}
	return plan, note
}

func within(s *dns.Snapshot, name regions.Name) bool {
	owner, err := zone.Wire(string(name))
	if err != nil {
		return false
	}
	for _, z := range s.Zones() {
		if zone.Within(owner, z.Apex) {
			return true
		}
	}
	return false
}

// then rebuilds a past answer.
func (e explainer) then(q api.Question) (api.Explained, error) {
	past, err := e.history.At(q.At)
	if err != nil {
		return api.Explained{}, err
	}
	if past.Decided == nil || past.Decided.Fleet == nil {
		return api.Explained{}, fault.NotFoundf("name "+string(q.Name), "this node knew no fleet then").Do("ask for a later instant, or another node")
	}
	plan := steer.Decide(past.Plan(), past.World(), q.At)
	var zones []*zone.Zone
	for _, z := range past.Decided.Fleet.Zones {
		parsed, err := zone.Parse(string(z.Origin), z.File, []byte(z.Text))
		if err != nil {
			continue // only sound ones are decided, so it was not served then either
		}
		zones = append(zones, parsed)
	}
	snapshot, err := dns.Compile(zones, plan, dns.NSID(e.nsid()))
	if err != nil {
		return api.Explained{}, err
	}
	return e.explained(q, q.At, past.Decided, &publish.Served{Snapshot: snapshot, Plan: plan})
}
