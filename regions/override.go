package regions

import (
	"encoding/json"
	"fmt"
	"time"

	"fairlead/regions/fault"
)

// MaxOverride is the longest that an override may last before a person has
// to look again.
const MaxOverride = 7 * 24 * time.Hour

// Phase is where an override stands in its life.
type Phase string

const (
	Active Phase = "active" // rules
	Held   Phase = "held"   // a drain whose time has passed: still out, and somebody is paged
	Ended  Phase = "ended"  // measurement rules again
)

// An Override replaces the measured state of a region, or of one service in
// it, until it ends. Its fields are private, so that an override without an
// author, a reason and an end cannot exist. The zero Override overrides
// nothing.
type Override struct {
	r overrideRecord
}

type overrideRecord struct {
	ID      string    `json:"id"`
	Region  ID        `json:"region"`
	Service ServiceID `json:"service,omitempty"`
	State   State     `json:"state"` // Down is a drain or a force down; Up is a force up
	Drain   bool      `json:"drain,omitempty"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Phase   Phase     `json:"phase"`
	EndedBy string    `json:"ended_by,omitempty"`
}

// Scope is what an override is about.
type Scope struct {
	Region  ID
	Service ServiceID // empty: all services of the region
}

// String reads like "us-east" or "www in us-east".
func (s Scope) String() string {
	if s.Service == "" {
		return string(s.Region)
	}
	return fmt.Sprintf("%s in %s", s.Service, s.Region)
}

// NewDrain takes a scope out of every answer until a person lets it back:
// when until passes it goes to [Held], not back into traffic.
func NewDrain(id string, scope Scope, by, why string, now, until time.Time) (Override, error) {
	o, err := newOverride(id, scope, Down, by, why, now, until)
	o.r.Drain = err == nil
	return o, err
}

// NewForce makes a scope up or down whatever is measured.
func NewForce(id string, scope Scope, state State, by, why string, now, until time.Time) (Override, error) {
	return newOverride(id, scope, state, by, why, now, until)
}

func newOverride(id string, scope Scope, state State, by, why string, now, until time.Time) (Override, error) {
	subject := "override of " + scope.String()
	switch {
	case id == "" || scope.Region == "":
		return Override{}, fault.Invalidf("override", "needs an identifier and a region")
	case by == "":
		return Override{}, fault.Invalidf(subject, "needs an author").Do("sign in, or use a token")
	case why == "":
		return Override{}, fault.Invalidf(subject, "needs a reason").Do("say why, for those who read this tonight")
	case state != Up && state != Down:
		return Override{}, fault.Invalidf(subject, "can force up or down, not %v", state)
	case !until.After(now):
		return Override{}, fault.Invalidf(subject, "would be over before it began").Do("give a time in the future, at most %v ahead", MaxOverride)
	case until.Sub(now) > MaxOverride:
		return Override{}, fault.Invalidf(subject, "would last %v", until.Sub(now).Round(time.Minute)).Do("at most %v; renew it when that has passed", MaxOverride)
	}
	return Override{overrideRecord{ID: id, Region: scope.Region, Service: scope.Service, State: state, By: by, Why: why,
		From: now.UTC(), Until: until.UTC(), Phase: Active}}, nil
}

func (o Override) ID() string       { return o.r.ID }
func (o Override) Scope() Scope     { return Scope{o.r.Region, o.r.Service} }
func (o Override) State() State     { return o.r.State }
func (o Override) IsDrain() bool    { return o.r.Drain }
func (o Override) By() string       { return o.r.By }
func (o Override) Why() string      { return o.r.Why }
func (o Override) From() time.Time  { return o.r.From }
func (o Override) Until() time.Time { return o.r.Until }
func (o Override) Phase() Phase     { return o.r.Phase }
func (o Override) EndedBy() string  { return o.r.EndedBy }

// Rules reports whether o replaces what is measured of a service in a region.
func (o Override) Rules(region ID, service ServiceID) bool {
	return (o.r.Phase == Active || o.r.Phase == Held) && o.r.Region == region && (o.r.Service == "" || o.r.Service == service)
}

// Lapsed returns o as the leader records it once its time has passed: a drain
// is held, anything else has ended. Nodes never judge the end by their own
// clocks.
func (o Override) Lapsed() Override {
	if o.r.Phase != Active {
		return o
	}
	o.r.Phase = Ended
	if o.r.Drain {
		o.r.Phase = Held
	}
	return o
}

// EndedNow returns o as ended by a person. Who ended it first is kept.
func (o Override) EndedNow(by string) Override {
	if o.r.Phase == Ended {
		return o
	}
	o.r.Phase, o.r.EndedBy = Ended, by
	return o
}

// Effective returns the state to steer by and why. Measurement is never lost:
// it rules again as soon as the override has ended.
func (o Override) Effective(measured State) (s State, because string) {
	switch {
	case o.r.Phase == Held:
		return Down, fmt.Sprintf("held out since the drain by %s ended at %s: %s (restore %s to let it back)",
			o.r.By, o.r.Until.Format("2006-01-02 15:04Z"), o.r.Why, o.Scope())
	case o.r.Phase != Active:
		return measured, "measured"
	case o.r.Drain:
		return Down, fmt.Sprintf("drained by %s until %s: %s", o.r.By, o.r.Until.Format("2006-01-02 15:04Z"), o.r.Why)
	}
	return o.r.State, fmt.Sprintf("forced %v by %s until %s: %s", o.r.State, o.r.By, o.r.Until.Format("2006-01-02 15:04Z"), o.r.Why)
}

// MarshalJSON writes the override as the store keeps it.
func (o Override) MarshalJSON() ([]byte, error) { return json.Marshal(o.r) }

// UnmarshalJSON reads an override that was once made by a constructor.
func (o *Override) UnmarshalJSON(b []byte) error {
	var r overrideRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	switch {
	case r.ID == "" || r.Region == "" || r.By == "" || r.Why == "" || r.Until.IsZero():
		return fault.Invalidf("stored override "+r.ID, "lacks a region, an author, a reason or an end")
	case r.State != Up && r.State != Down || r.Drain && r.State != Down:
		return fault.Invalidf("stored override "+r.ID, "forces %v, which no override can", r.State)
	case r.Phase != Active && r.Phase != Held && r.Phase != Ended || r.Phase == Held && !r.Drain:
		return fault.Invalidf("stored override "+r.ID, "is in phase %q, which it cannot be", r.Phase)
	}
	o.r = r
	return nil
}
