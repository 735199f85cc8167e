package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// told is what came of speaking to one agent about an epoch.
type told struct {
	region regions.ID
	epoch  regions.Epoch // the newest it knows; meaningful if err is nil
	err    error
}

// agents speaks to every agent at once: one that is lost costs one time limit.
func (m move) agents(speak func(at *member) (agent.Status, error)) []told {
	var asked []told
	for _, dm := range m.p.db.Members {
		if dm.Agent != "" {
			asked = append(asked, told{region: dm.Region})
		}
	}
	var all sync.WaitGroup
	for i := range asked {
		all.Go(func() {
			st, err := speak(m.p.members[asked[i].region])
			asked[i].epoch, asked[i].err = st.Epoch, err
		})
	}
	all.Wait()
	return asked
}

func observeAnnounce(ctx context.Context, m move) (providers.Result, error) {
	return announced(m.Epoch, m.agents(func(at *member) (agent.Status, error) { return m.look(ctx, at, true) })), nil
}

// actAnnounce tells every agent the epoch, so that nobody can act through one
// under an older epoch. Agents out of reach are named and left: they learn it
// from the next order. Only an agent that knows a newer epoch is an error,
// because then somebody else has decided.
func actAnnounce(ctx context.Context, m move) (providers.Result, error) {
	asked := m.agents(func(at *member) (agent.Status, error) {
		o := m.order(at, "")
		o.Brief = true
		return m.tell(ctx, at, agent.VerbStatus, o)
	})
	for _, a := range asked {
		if fault.Is(a.err, fault.Conflict) {
			return providers.Result{}, a.err
		}
	}
	return announced(m.Epoch, asked), nil
}

// announced says who knows the epoch, or a newer one, and who does not.
func announced(e regions.Epoch, asked []told) providers.Result {
	var know, late []string
	for _, a := range asked {
		switch {
		case a.err != nil:
			late = append(late, fmt.Sprintf("%s (%s)", a.region, brief(a.err)))
		case a.epoch.Compare(e) < 0:
			late = append(late, fmt.Sprintf("%s (it knows %s)", a.region, a.epoch))
		default:
			know = append(know, string(a.region))
		}
	}
	switch {
	case len(late) > 0:
		return result(providers.NotDone, nil, "epoch %s is not known to the agent in %s", e, strings.Join(late, ", "))
	case len(know) == 0:
		return result(providers.Done, nil, "no member has an agent that could be told")
	}
	return result(providers.Done, nil, "the agents in %s know epoch %s, or a newer one", strings.Join(know, " and "), e)
}
