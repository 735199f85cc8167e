package daemon

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/judge"
	"fairlead/regions/steer"
)

// acts carries out what people order by the API. It implements
// [api.Overrider] and [api.Freezer].
type acts struct{ *Node }

// Steer implements [api.Overrider].
func (a acts) Steer(ctx context.Context, act api.Act) (api.Decision, error) {
	by := auth.From(ctx).Name
	if act.DryRun {
		return a.foresee(act, by)
	}
	before := a.judge.View()
	generation, err := a.decide(ctx, act, by)
	if err != nil {
		a.record(ctx, act, by, err)
		return api.Decision{}, err
	}
	d, err := a.store.Decided(ctx)
	if err != nil {
		return api.Decision{}, fmt.Errorf("decided as generation %d, but what stands now could not be read: %w", generation, err)
	}
	a.take(d)
	a.keepNow(d)
	return api.Decision{Generation: generation, Overrides: d.Overrides,
		Effects: effects(&before.Plan, planUnder(before, d, time.Now()))}, nil
}

func (a acts) decide(ctx context.Context, act api.Act, by string) (uint64, error) {
	switch act.Verb {
	case api.Restore:
		return a.store.Restore(ctx, store.Lease{}, act.Scope, by, act.Reason)
	case api.End:
		return a.store.EndOverride(ctx, store.Lease{}, act.ID, by, act.Reason)
	}
	o, err := a.override(act, by)
	if err != nil {
		return 0, err
	}
	return a.store.PutOverride(ctx, store.Lease{}, o, store.Safety{Out: a.out(), Force: act.Force})
}

// record writes into the trail that an act was refused, if somebody decided so:
// what was asked wrongly, or of a store that is gone, is nobody's decision.
func (a acts) record(ctx context.Context, act api.Act, by string, refused error) {
	if !fault.Is(refused, fault.Conflict) && !fault.Is(refused, fault.Denied) {
		return
	}
	_, err := a.store.Record(ctx, store.Entry{Principal: by, Act: string(act.Verb) + ".refused", Subject: "region " + act.Scope.String(), Why: act.Reason,
		Sentence: fmt.Sprintf("%s asked to %s %s, refused: %v", by, act.Verb, act.Scope, refused)})
	if err != nil {
		a.log.Error("a refusal could not be written to the trail", "act", string(act.Verb), "by", by, "problem", err.Error())
	}
}

func (a acts) override(act api.Act, by string) (regions.Override, error) {
	d := a.decided()
	if d == nil || d.Fleet == nil {
		return regions.Override{}, fault.Unavailablef("region "+string(act.Scope.Region), "this node knows no fleet yet").Do("try again in a moment")
	}
	if _, ok := d.Fleet.Region(act.Scope.Region); !ok {
		return regions.Override{}, fault.NotFoundf("region "+string(act.Scope.Region), "there is none of that name").Do("see fairlead status")
	}
	if s := act.Scope.Service; s != "" {
		if _, ok := d.Fleet.Service(s); !ok {
			return regions.Override{}, fault.NotFoundf("service "+string(s), "there is none of that name").Do("see fairlead status")
		}
	}
	id, now := "o-"+rand.Text()[:10], time.Now()
	switch act.Verb {
	case api.Drain:
		return regions.NewDrain(id, act.Scope, by, act.Reason, now, now.Add(act.For))
	case api.ForceUp:
		return regions.NewForce(id, act.Scope, regions.Up, by, act.Reason, now, now.Add(act.For))
	case api.ForceDown:
		return regions.NewForce(id, act.Scope, regions.Down, by, act.Reason, now, now.Add(act.For))
	}
	return regions.Override{}, fault.Invalidf("act "+string(act.Verb), "is not known")
}

// foresee says what an act would do, or why it would be refused, by the same
// functions that would do it.
func (a acts) foresee(act api.Act, by string) (api.Decision, error) {
	before := a.judge.View()
	if before.Decided == nil {
		return api.Decision{}, fault.Unavailablef("preview", "this node knows no decided state yet").Do("try again in a moment")
	}
	d, err := a.foretold(before.Decided, act, by)
	if err != nil {
		return api.Decision{}, err
	}
	return api.Decision{Generation: before.Decided.Generation, Overrides: d.Overrides,
		Effects: effects(&before.Plan, planUnder(before, d, time.Now()))}, nil
}

func (a acts) foretold(d *regions.Decided, act api.Act, by string) (*regions.Decided, error) {
	switch act.Verb {
	case api.Restore:
		return store.ForeseeRestore(d, act.Scope)
	case api.End:
		return store.ForeseeEnd(d, act.ID)
	}
	o, err := a.override(act, by)
	if err != nil {
		return nil, err
	}
	return store.ForeseeOverride(d, o, store.Safety{Out: a.out(), Force: act.Force})
}

// effects says who gains and who loses between two plans: for each service
// and client group whose answer changes, a sentence.
func effects(before, after *steer.Plan) []string {
	var out []string
	for i := range after.Names {
		s := &after.Names[i]
		old, _ := before.Name(s.Name)
		for c := range s.Cells {
			was, is := "nothing", regionsOf(s, c)
			if old != nil && c < len(old.Cells) {
				was = regionsOf(old, c)
			}
			if was == is {
				continue
			}
			group := s.Cells[c].Group
			if group == "" || c == len(s.Cells)-1 {
				group = "everyone else"
			}
			out = append(out, fmt.Sprintf("%s: %s gets %s instead of %s, within %v", s.Service, group, is, was, s.TTL))
		}
	}
	if len(out) == 0 {
		out = append(out, "no answer changes now")
	}
	return out
}

// regionsOf names the regions that a cell answers, with shares where there
// are several.
func regionsOf(s *steer.Steered, cell int) string {
	text, below := "", 0
	thresholds := s.Cells[cell].Thresholds
	for _, t := range thresholds {
		var in []regions.ID
		if t.Set >= 0 && t.Set < len(s.Sets) {
			for _, e := range s.Sets[t.Set].Endpoints {
				if !slices.Contains(in, e.Region) {
					in = append(in, e.Region)
				}
			}
		}
		if text != "" {
			text += ", "
		}
		if len(thresholds) > 1 {
			text += fmt.Sprintf("%.3g %% ", float64(t.Below-below)/steer.Buckets*100)
		}
		for i, r := range in {
			if i > 0 {
				text += " and "
			}
			text += string(r)
		}
		below = t.Below
	}
	if text == "" {
		return "no address"
	}
	return text
}

// Freeze implements [api.Freezer].
func (a acts) Freeze(ctx context.Context, reason string, d time.Duration) (*regions.Freeze, error) {
	by, now := auth.From(ctx).Name, time.Now()
	f := &regions.Freeze{By: by, Why: reason, From: now.UTC(), Until: now.Add(d).UTC()}
	return f, a.setFreeze(ctx, f, by, reason)
}

func (a acts) setFreeze(ctx context.Context, f *regions.Freeze, by, reason string) error {
	if _, err := a.store.SetFreeze(ctx, store.Lease{}, f, by, reason); err != nil {
		return err
	}
	d, err := a.store.Decided(ctx)
	if err != nil {
		a.log.Warn("decided, but what stands now could not be read yet", "problem", err.Error())
		return nil
	}
	a.take(d)
	a.keepNow(d)
	return nil
}

// Unfreeze implements [api.Freezer].
func (a acts) Unfreeze(ctx context.Context, reason string) error {
	return a.setFreeze(ctx, nil, auth.From(ctx).Name, reason)
}

// planUnder is the plan that this node would make now if d were decided.
func planUnder(v *judge.View, d *regions.Decided, now time.Time) *steer.Plan {
	w := v.World
	w.Incarnation, w.Generation, w.Fleet = d.Incarnation, d.Generation, d.Fleet
	w.Overrides, w.Restored, w.Freeze = d.Overrides, d.Restored, d.Freeze
	plan := steer.Decide(v.Plan, w, now)
	return &plan
}
