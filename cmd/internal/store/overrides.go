package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Safety is what a drain is checked against, beside what is decided.
type Safety struct {
	// Out are the regions that are out of traffic for other reasons than an
	// override: measured down, or latched.
	Out []regions.ID
	// Force lets a person drain a second region all the same. A machine may
	// not, forced or not.
	Force bool
}

// machine reports whether a principal is not a person.
func machine(principal string) bool {
	return strings.HasPrefix(principal, runbooks.EnginePrefix) || principal == "system"
}

// PutOverride puts an override in force and returns the generation. One that
// is in force under the same ID already is no conflict: it is done once.
func (s *Store) PutOverride(ctx context.Context, lease Lease, o regions.Override, safety Safety) (generation uint64, err error) {
	subject := "region " + o.Scope().String()
	if o.ID() == "" || o.Phase() != regions.Active {
		return 0, fault.Invalidf(subject, "only an active override can be put in force")
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		generation = d.Generation
		replaced, same, err := admit(d, o, safety)
		if err != nil || same {
			return &decision{Nothing: true}, err
		}
		verb, data := "force_"+o.State().String(), encode(o)
		if o.IsDrain() {
			verb = "drain"
		}
		return s.change(ctx, Entry{
			Principal: o.By(), Act: verb, Subject: subject, Why: o.Why(), Data: data,
			Sentence: fmt.Sprintf("%s: %s until %s", o.By(), describe(o), stamp(o.Until())),
		}, []Pair{{Key: overrideKey(o.ID()), Value: data}}, overrideKeys(replaced))
	})
	return generationOf(done, generation), wrap(err, "override %s", o.Scope())
}

// generationOf returns the generation after a decision: the one that was read
// if nothing had to be decided.
func generationOf(done decided, read uint64) uint64 {
	if done.Number > 0 {
		return uint64(done.Revision)
	}
	return read
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

func describe(o regions.Override) string {
	if o.IsDrain() {
		return "drain " + o.Scope().String()
	}
	return fmt.Sprintf("force %s %v", o.Scope(), o.State())
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

func overrideKeys(list []regions.Override) (keys []string) {
	for _, o := range list {
		keys = append(keys, overrideKey(o.ID()))
	}
	return keys
}

// admit says whether o may be put in force. It returns the held overrides that
// it replaces, and whether it is in force already.
func admit(d *regions.Decided, o regions.Override, safety Safety) (replaced []regions.Override, same bool, err error) {
	subject := "region " + o.Scope().String()
	if d.Fleet != nil {
		if _, ok := d.Fleet.Region(o.Scope().Region); !ok {
			return nil, false, fault.NotFoundf(subject, "there is no such region in the fleet").Do("see fairlead status")
		}
		if s := o.Scope().Service; s != "" {
			if _, ok := d.Fleet.Service(s); !ok {
				return nil, false, fault.NotFoundf(subject, "there is no such service in the fleet").Do("see fairlead status")
			}
		}
	}
	for _, other := range d.Overrides {
		switch {
		case other.ID() == o.ID():
			return nil, true, nil
		case other.Scope() == o.Scope() && other.Phase() == regions.Held && o.State() == regions.Down:
			replaced = append(replaced, other)
		case other.Scope() == o.Scope(), overlap(other, o) && other.State() != o.State():
			return nil, false, fault.Conflictf(subject, "already %s by %s since %s", word(other), other.By(), stamp(other.From())).
				Do("lift that override first: it is %s", other.ID())
		}
	}
	return replaced, false, second(d, o, safety)
}

func overlap(a, b regions.Override) bool {
	x, y := a.Scope(), b.Scope()
	return x.Region == y.Region && (x.Service == "" || y.Service == "" || x.Service == y.Service)
}

func word(o regions.Override) string {
	switch {
	case o.Phase() == regions.Held:
		return "held out after a drain"
	case o.IsDrain():
		return "drained"
	}
	return "forced " + o.State().String()
}

// second refuses to take a second region out while one is.
func second(d *regions.Decided, o regions.Override, safety Safety) error {
	if o.State() != regions.Down {
		return nil
	}
	var out []string
	note := func(r regions.ID, why string) {
		if r != o.Scope().Region {
			out = append(out, fmt.Sprintf("%s (%s)", r, why))
		}
	}
	for _, other := range d.Overrides {
		services := other.Scope().Service == "" || o.Scope().Service == "" || other.Scope().Service == o.Scope().Service
		if other.State() == regions.Down && services {
			note(other.Scope().Region, word(other)+" by "+other.By())
		}
	}
	for _, r := range safety.Out {
		if !slices.ContainsFunc(out, func(s string) bool { return strings.HasPrefix(s, string(r)+" ") }) {
			note(r, "not serving")
		}
	}
	if len(out) == 0 {
		return nil
	}
	subject := "region " + o.Scope().String()
	if machine(o.By()) {
		return fault.Deniedf(subject, "nothing automatic takes a second region out while one is out: %s", strings.Join(out, ", ")).
			Do("a person can, by force")
	}
	if !safety.Force {
		return fault.Conflictf(subject, "another region is out already: %s", strings.Join(out, ", ")).
			Do("restore that one first, or force this if losing both is what you want")
	}
	return nil
}

// change makes a decision that is a new generation of the decided state.
func (s *Store) change(ctx context.Context, e Entry, puts []Pair, deletes []string) (*decision, error) {
	touch, _, err := s.touch(ctx)
	if err != nil {
		return nil, err
	}
	return &decision{Entry: e, Put: append(puts, touch), Delete: deletes}, nil
}

// EndOverride lifts the override of that ID; measurement rules again.
func (s *Store) EndOverride(ctx context.Context, lease Lease, id, by, why string) (generation uint64, err error) {
	if err := signed("override "+id, by, why); err != nil {
		return 0, err
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(d.Overrides, func(o regions.Override) bool { return o.ID() == id })
		if i < 0 {
			return nil, noOverride(id)
		}
		o := d.Overrides[i]
		return s.change(ctx, Entry{
			Principal: by, Act: "override.end", Subject: "region " + o.Scope().String(), Why: why, Data: encode(o.EndedNow(by)),
			Sentence: fmt.Sprintf("%s ended %s's order to %s", by, o.By(), describe(o)),
		}, nil, []string{overrideKey(id)})
	})
	return generationOf(done, 0), wrap(err, "end override %s", id)
}

// signed refuses a decision without an author or a reason.
func signed(subject, by, why string) error {
	switch {
	case by == "":
		return fault.Invalidf(subject, "the decision needs an author").Do("sign in, or use a token")
	case why == "":
		return fault.Invalidf(subject, "the decision needs a reason").Do("say why, for those who read this tonight")
	}
	return nil
}

// HoldExpired ends what has run out by the leader's clock: a drain is held,
// a force and a freeze are over. It returns what it changed.
func (s *Store) HoldExpired(ctx context.Context, lease Lease, at time.Time) (lapsed []regions.Override, err error) {
	_, err = s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		var puts []Pair
		var deletes, said []string
		lapsed = nil
		for _, o := range d.Overrides {
			if o.Phase() != regions.Active || at.Before(o.Until()) {
				continue
			}
			o = o.Lapsed()
			lapsed = append(lapsed, o)
			if o.Phase() == regions.Held {
				puts = append(puts, Pair{Key: overrideKey(o.ID()), Value: encode(o)})
				said = append(said, fmt.Sprintf("the drain of %s by %s has run out, and it is held out until somebody restores it", o.Scope(), o.By()))
			} else {
				deletes = append(deletes, overrideKey(o.ID()))
				said = append(said, fmt.Sprintf("%s's order to %s has run out", o.By(), describe(o)))
			}
		}
		if d.Freeze != nil && !at.Before(d.Freeze.Until) {
			deletes = append(deletes, freezeKey)
			said = append(said, fmt.Sprintf("the freeze by %s has run out", d.Freeze.By))
		}
		if len(said) == 0 {
			return &decision{Nothing: true}, nil
		}
		return s.change(ctx, Entry{
			Principal: "system", Act: "lapse", Subject: "overrides", Data: encode(lapsed),
			Sentence: strings.Join(said, "; "),
		}, puts, deletes)
	})
	return lapsed, wrap(err, "end what has run out")
}

// restored lies under a region's key; the key's revision is the generation
// that releases latches.
type restored struct {
	Region regions.ID `json:"region"`
	By     string     `json:"by"`
}

// Restore lets a scope back: what takes it out is lifted, held or not, and if
// it is a whole region, nodes that have latched it out release it.
func (s *Store) Restore(ctx context.Context, lease Lease, scope regions.Scope, by, why string) (generation uint64, err error) {
	subject := "region " + scope.String()
	if err := signed(subject, by, why); err != nil {
		return 0, err
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		d, err := s.decidedNow(ctx)
		if err != nil {
			return nil, err
		}
		taken, err := takenOut(d, scope)
		if err != nil {
			return nil, err
		}
		var lifted []regions.Override
		for _, o := range taken {
			lifted = append(lifted, o.EndedNow(by))
		}
		var puts []Pair
		if scope.Service == "" {
			puts = append(puts, Pair{Key: restoredKey(scope.Region), Value: encode(restored{scope.Region, by})})
		}
		return s.change(ctx, Entry{
			Principal: by, Act: "restore", Subject: subject, Why: why, Data: encode(lifted),
			Sentence: fmt.Sprintf("%s lets %s back; %d overrides lifted", by, scope, len(lifted)),
		}, puts, overrideKeys(taken))
	})
	return generationOf(done, 0), wrap(err, "restore %s", scope)
}

// takenOut returns the overrides that take a scope out, which restoring it
// lifts. A service that nothing takes out is not to be restored.
func takenOut(d *regions.Decided, scope regions.Scope) (taken []regions.Override, err error) {
	subject := "region " + scope.String()
	if d.Fleet != nil {
		if _, ok := d.Fleet.Region(scope.Region); !ok {
			return nil, fault.NotFoundf(subject, "there is no such region in the fleet").Do("see fairlead status")
		}
	}
	for _, o := range d.Overrides {
		theirs := o.Scope().Region == scope.Region && (scope.Service == "" || o.Scope().Service == scope.Service)
		if theirs && o.State() == regions.Down {
			taken = append(taken, o)
		}
	}
	if scope.Service != "" && len(taken) == 0 {
		return nil, fault.NotFoundf(subject, "nothing takes that service out there").Do("see fairlead override list; restore the whole region to release a latch")
	}
	return taken, nil
}

// MaxFreeze is the longest that automatic changes may be stopped.
const MaxFreeze = regions.MaxOverride

// SetFreeze stops automatic changes until f ends; a nil f lets them go on.
func (s *Store) SetFreeze(ctx context.Context, lease Lease, f *regions.Freeze, by, why string) (generation uint64, err error) {
	if err := signed("freeze", by, why); err != nil {
		return 0, err
	}
	if f != nil && (!f.Until.After(f.From) || f.Until.Sub(f.From) > MaxFreeze) {
		return 0, fault.Invalidf("freeze", "needs an end at most %v ahead", MaxFreeze).Do("freeze for less, and renew it when that has passed")
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		if f != nil {
			f := regions.Freeze{By: by, Why: why, From: f.From.UTC(), Until: f.Until.UTC()}
			return s.change(ctx, Entry{Principal: by, Act: "freeze", Subject: "fleet", Why: why, Data: encode(f),
				Sentence: fmt.Sprintf("%s froze automatic changes until %s", by, stamp(f.Until))},
				[]Pair{{Key: freezeKey, Value: encode(f)}}, nil)
		}
		p, ok, err := s.get(ctx, freezeKey)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fault.NotFoundf("freeze", "nothing is frozen").Do("there is nothing to end")
		}
		return s.change(ctx, Entry{Principal: by, Act: "freeze.end", Subject: "fleet", Why: why, Data: p.Value,
			Sentence: by + " lets automatic changes go on"}, nil, []string{freezeKey})
	})
	return generationOf(done, 0), wrap(err, "freeze")
}
