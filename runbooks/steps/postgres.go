package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// action is an action of the provider postgres as a kind of step.
type action struct {
	runbooks.Kind
	at      side
	proof   bool   // look again after acting; not where writers wait
	gate    bool   // rehearsed when the plan is made
	lenient bool   // what is not done is left over and named, and fails nothing
	sayings string // with %[1]s the database, %[2]s the region, %[3]s the other region, %[4]s its server
}

// side is the region that an action is about where the runbook does not say.
type side uint8

const (
	atFrom side = iota // the old writer
	atTo               // the new one
)

// PostgresProvider is the name under which the registry knows the provider of
// all PostgreSQL databases.
const PostgresProvider = "postgres"

var postgresActions = []action{
	{Kind: runbooks.Kind{Name: "preflight", About: "check all that can be known before anything is changed", Guard: true},
		at: atTo, gate: true, sayings: "check that %[1]s can be moved from %[3]s to %[2]s (%[4]s); nothing is changed"},
	{Kind: runbooks.Kind{Name: "status", About: "say how a server stands"},
		at: atTo, sayings: "look at %[1]s in %[2]s (%[4]s)"},
	{Kind: runbooks.Kind{Name: "quiesce", About: "flush what is dirty on both servers, so that stopping and promoting are quick", Guard: true},
		at: atFrom, sayings: "flush %[1]s in %[2]s (%[4]s) and %[3]s, so that the rest is quick; writers go on"},
	{Kind: runbooks.Kind{Name: "fence", About: "stop the old writer and prove that it cannot write again",
		Changes: true, Destructive: true, Guard: true, Fences: true},
		at: atFrom, sayings: "stop %[1]s in %[2]s (%[4]s) and mark it so that it cannot write again; writers wait from here on"},
	{Kind: runbooks.Kind{Name: "unfence", About: "let the old writer write again", Changes: true, Destructive: true, Guard: true},
		at: atFrom, proof: true, sayings: "start %[1]s in %[2]s (%[4]s) as the writer again"},
	{Kind: runbooks.Kind{Name: "wait_replay", About: "wait until the new writer has replayed all that the old one wrote", Guard: true},
		at: atTo, sayings: "wait until %[1]s in %[2]s (%[4]s) has replayed all that %[3]s wrote"},
	{Kind: runbooks.Kind{Name: "promote", About: "make the standby the writer", Changes: true, Destructive: true, Guard: true, Promotes: true},
		at: atTo, sayings: "promote %[1]s in %[2]s (%[4]s): from here on there is no way back to %[3]s but another run"},
	{Kind: runbooks.Kind{Name: "verify_writable", About: "insert a row and read it back"},
		at: atTo, sayings: "insert a row into %[1]s in %[2]s (%[4]s) and read it back"},
	{Kind: runbooks.Kind{Name: "slot", About: "have the new writer keep what the old one will need as its standby", Changes: true},
		at: atTo, sayings: "create the slot on %[1]s in %[2]s (%[4]s) that %[3]s will follow as a standby"},
	{Kind: runbooks.Kind{Name: "reprotect", About: "make a server a standby of the writer again: by rewind where that does, else by a copy", Changes: true, Destructive: true},
		at: atFrom, proof: true, sayings: "make %[1]s in %[2]s (%[4]s) a standby of %[3]s; what it alone has is archived"},
	{Kind: runbooks.Kind{Name: "announce", About: "tell every agent the new epoch; one that is out of reach is named and left", Changes: true},
		at: atTo, lenient: true, sayings: "tell every agent of %[1]s the new epoch, so that nobody acts under an older one"},
}

// fields and values that all actions of postgres have in common. What they
// mean, the provider documents.
var (
	postgresFields = []runbooks.Field{{Name: "database"}, {Name: "from"}, {Name: "to"}, {Name: "region"}, {Name: "planned"}, {Name: "lsn"}, {Name: "method"},
		{Name: "fence"}, {Name: "declared_lost_by"}, {Name: "never_promoted"}, {Name: "max_lag_bytes"}, {Name: "max_lag_seconds"}, {Name: "within"}}
	postgresValues = []string{"lsn", "timeline", "timeline_before", "timeline_after", "system_identifier", "slot", "fence", "evidence", "method", "checks",
		runbooks.LeftoverValue}
)

// postgres returns the kinds postgres.X.
func (s *Set) postgres() []kind {
	var kinds []kind
	for _, a := range postgresActions {
		k := a.Kind
		k.Name = PostgresProvider + "." + a.Name
		k.With, k.Values = postgresFields, postgresValues
		kinds = append(kinds, kind{k, a.build})
	}
	return kinds
}

func (a action) build(b binding) (runbooks.Step, error) {
	d, err := b.database()
	if err != nil {
		return nil, err
	}
	from, to := regions.ID(b.with("from", string(b.start.From))), regions.ID(b.with("to", string(b.start.To)))
	region, other := from, to
	if a.at == atTo {
		region, other = to, from
	}
	region = regions.ID(b.with("region", string(region)))
	member, ok := d.Member(region)
	if !ok {
		return nil, b.invalid("database %s has no member in %q", d.ID, region)
	}
	step := act{ask: b.out.Providers, provider: PostgresProvider, database: d.ID, subject: b.subject(), proof: a.proof, lenient: a.lenient,
		request:  request(b, a.Name, d.ID, region),
		describe: fmt.Sprintf(a.sayings, d.ID, region, other, server(member))}
	if a.Changes {
		step.steering = b.out.Steering
	}
	switch by := b.with("declared_lost_by", ""); {
	case a.gate:
		return gate{step}, nil
	case a.Fences && by != "":
		step.describe += fmt.Sprintf("; if nothing can confirm that, go on all the same, because %s declares %s lost: should it come back, "+
			"two servers write until somebody stops it, and what it wrote has to be merged by hand", by, region)
		return declared{step, by}, nil
	}
	return step, nil
}

// request makes a provider's request for a step. Database, from, to and
// whether the move is planned are always among its parameters.
func request(b binding, action string, database regions.DatabaseID, region regions.ID) providers.Request {
	params := map[string]string{"from": string(b.start.From), "to": string(b.start.To), "planned": fmt.Sprint(!b.start.Ungraceful)}
	if b.spec.Timeout > 0 {
		params["within"] = b.spec.Timeout.String()
	}
	maps.Copy(params, b.params())
	delete(params, "region")
	params["database"] = string(database)
	return providers.Request{Action: action, Region: region, Params: params}
}

// gate is an act that changes nothing and is rehearsed when the plan is made.
type gate struct{ act }

// Rehearse says what would refuse the step now, one error for each check that
// fails.
func (g gate) Rehearse(ctx context.Context, sc runbooks.Scope) error {
	r := g.with(sc)
	r.DryRun = true
	res, err := g.ask.Act(ctx, g.provider, r)
	var checks []struct {
		Name, Detail, Remedy string
		OK                   bool
	}
	if err == nil || json.Unmarshal([]byte(res.Values["checks"]), &checks) != nil {
		return err
	}
	var failed []error
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, fault.Conflictf("database "+string(g.database), "%s: %s", c.Name, c.Detail).Do("%s", c.Remedy))
		}
	}
	if len(failed) == 0 {
		return err
	}
	return errors.Join(failed...)
}
