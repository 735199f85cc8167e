package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/providers"
	"fairlead/regions/fault"
)

// What the parameter fence of a promotion may say: how the fence step of the
// same run, under the same epoch, came by its result.
const (
	Fenced   = "fenced"   // an agent or a control command confirmed it
	Declared = "declared" // nothing confirmed it; a named person said that the region is lost
)

// declared is the last resort, where nothing can confirm a fence: a person's
// word, by name. Without it the answer is no; and no word counts against what
// is seen. It changes nothing, so it holds for an Observe, too: the request
// itself carries the word.
func (m move) declared(ctx context.Context, cause error) (providers.Result, error) {
	by := m.Params["declared_lost_by"]
	if m.planned || by == "" {
		refusal := fault.Unavailablef(m.subject(m.from), "is unfenced: it could not be confirmed that it cannot write").Because(cause)
		if !m.planned {
			return providers.Result{}, refusal.Do("%s", declareIt)
		}
		return providers.Result{}, refusal
	}
	if shows := m.life(ctx); shows != "" {
		return providers.Result{}, fault.Conflictf(m.subject(m.from), "was declared lost by %s, but is there: %s", by, shows).Do("%s", fenceIt)
	}
	evidence := fmt.Sprintf("unfenced: %s declared %s lost; nothing confirmed that it cannot write (%s)", by, m.from.Region, bare(cause))
	m.p.confirm(m, Declared, evidence)
	return result(providers.Done, map[string]string{"evidence": evidence, "fence": Declared, "fenced_by": by}, "%s", evidence), nil
}

const declareIt = "turn its machine off and make that confirmable by an agent or a control.command; or, if you are sure that the region is lost, " +
	"run it with declared_lost_by=YOUR-NAME. If it comes back writing, its writes and the new writer's have to be merged by hand"

const fenceIt = "have it fenced: by an agent, by a control.command, or by turning its machine off"

// life returns what shows that the old writer is there, or "". A frozen server
// shows nothing, which is why silence is no fence.
func (m move) life(ctx context.Context) string {
	if st, err := m.look(ctx, m.from, true); err == nil && st.Running {
		return st.Detail
	}
	return sign(m.from.facts(ctx))
}

// sign returns what an answer to a question shows of the server being there,
// or "" where there was none.
func sign(f Facts, err error) string {
	switch {
	case err == nil:
		return fmt.Sprintf("it answers as a %s", f.Role())
	case answered(err):
		return brief(err)
	}
	return ""
}

// answered reports whether an error is PostgreSQL's own, which only a living
// server can give: "the password is wrong", "I am starting up".
func answered(err error) bool {
	_, ok := errors.AsType[*pgconn.PgError](err)
	return ok
}
