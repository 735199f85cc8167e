package auth

import (
	"regexp"
	"strings"

	"fairlead/regions/fault"
)

// Object is what an act is about; what is empty does not matter to it.
type Object struct {
	Region   string
	Service  string
	Database string
}

// String names the object as a refusal does.
func (o Object) String() string {
	var parts []string
	for _, p := range []struct{ kind, id string }{
		{"database", o.Database}, {"service", o.Service}, {"region", o.Region},
	} {
		if p.id != "" {
			parts = append(parts, p.kind+" "+p.id)
		}
	}
	if len(parts) == 0 {
		return "the whole fleet"
	}
	return strings.Join(parts, " in ")
}

// Scope limits what a principal's acts may be about, such as
// "database/orders". The zero Scope covers nothing.
type Scope struct{ kind, id string }

var identifier = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// ParseScope reads "region/ID", "service/ID" or "database/ID".
func ParseScope(text string) (Scope, error) {
	kind, id, _ := strings.Cut(text, "/")
	switch kind {
	case "region", "service", "database":
		if identifier.MatchString(id) {
			return Scope{kind, id}, nil
		}
	}
	return Scope{}, fault.Invalidf("limit "+text, "is not a limit").Do("write region/ID, service/ID or database/ID")
}

// String is the inverse of [ParseScope].
func (s Scope) String() string { return s.kind + "/" + s.id }

// Covers reports whether an act about o stays within s. An act about a whole
// region is not within a scope of one service: it would touch the others too.
func (s Scope) Covers(o Object) bool {
	switch s.kind {
	case "region":
		return o.Region == s.id
	case "service":
		return o.Service == s.id
	case "database":
		return o.Database == s.id
	}
	return false
}
