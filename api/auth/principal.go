package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// Method is how a principal signed in.
type Method string

const (
	ByToken   Method = "token"
	BySession Method = "session"
	ByLocal   Method = "local"
)

// Principal is somebody who acts. The zero Principal is nobody and may
// nothing.
type Principal struct {
	Name    string
	Roles   []Role
	Only    []Scope // limits acts; empty means everything
	Method  Method
	TokenID string    // of the token, or of the one the session came from
	Expires time.Time // of the session; zero if it does not end
	Note    string    // something this person should know about how they are signed in
}

// Local is everybody on a loopback listener while there are no tokens. It may
// do everything, but it is one person: where a second one must approve, that
// cannot happen.
func Local() Principal {
	return Principal{Name: "local", Roles: Roles(), Method: ByLocal,
		Note: "There are no tokens, so everybody on this machine is the one person \"local\". " +
			"Whoever starts a run may not approve it: create a token for each of two people (fairlead token create)."}
}

// watcher is what Local shrinks to while it is not known whether tokens exist.
func watcher() Principal {
	return Principal{Name: "local", Roles: []Role{Viewer}, Method: ByLocal,
		Note: "The store cannot be asked whether there are tokens, so without one you may only look."}
}

// May reports whether the principal may do v at all, to some object.
func (p Principal) May(v Verb) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return may(r, v) })
}

// Verbs returns what the principal may do, in the order of [Verbs].
func (p Principal) Verbs() []Verb {
	var able []Verb
	for _, v := range Verbs() {
		if p.May(v) {
			able = append(able, v)
		}
	}
	return able
}

// Allow returns nil if the principal may do v to o, else a fault that says who
// may.
func (p Principal) Allow(v Verb, o Object) error {
	if p.Name == "" {
		return fault.Deniedf("request", "nobody is signed in").Do("send a token (fairlead: --token-file FILE), or sign in to the console")
	}
	if !p.May(v) && p.Method == ByLocal {
		return fault.Unavailablef("request", "whether there are tokens is not known while the store cannot be asked, so without one nobody may %s", v.phrase()).
			Do("use a token of this node's tokens file, or try again when the store is back")
	}
	if !p.May(v) {
		return fault.Deniedf(p.Name, "may not %s", v.phrase()).Do("ask somebody who is %s", orRoles(rolesFor(v)))
	}
	if v == View || v == Check || v == Audit || len(p.Only) == 0 {
		return nil
	}
	if slices.ContainsFunc(p.Only, func(s Scope) bool { return s.Covers(o) }) {
		return nil
	}
	limits := make([]string, len(p.Only))
	for i, s := range p.Only {
		limits[i] = s.String()
	}
	return fault.Deniedf(p.Name, "may not %s %s: this token is limited to %s", v, o, strings.Join(limits, ", ")).
		Do("use a token without that limit")
}

func orRoles(roles []Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " or ")
}

type principalKey struct{}

// With returns a context in which p acts.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns who acts in ctx, or nobody.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
