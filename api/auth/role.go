package auth

import (
	"slices"

	"fairlead/regions/fault"
)

// Role is a set of verbs.
type Role string

const (
	Viewer   Role = "viewer"   // looks
	Operator Role = "operator" // drains, overrides, starts and steers runs
	Approver Role = "approver" // agrees to what somebody else started
	Admin    Role = "admin"    // all of it, tokens and backups
)

// Verb is what somebody wants to do.
type Verb string

const (
	View     Verb = "view"     // see everything, explain, preview
	Check    Verb = "check"    // have a text checked; applies nothing
	Audit    Verb = "audit"    // read and verify the audit trail
	Drain    Verb = "drain"    // take a region out
	Restore  Verb = "restore"  // let a region back
	Override Verb = "override" // force up or down, end overrides
	Freeze   Verb = "freeze"   // stop automatic changes, or let them go on
	Run      Verb = "run"      // start a run
	Operate  Verb = "operate"  // pause, resume, retry, skip, abort a run
	Approve  Verb = "approve"  // approve or decline what a run asks for
	Tokens   Verb = "tokens"   // see, create and revoke tokens
	Backup   Verb = "backup"   // take a copy of everything that the store holds
)

// phrase is the verb as it reads after "may" in a sentence.
func (v Verb) phrase() string {
	if v == Tokens {
		return "manage tokens"
	}
	return string(v)
}

// Verbs returns all verbs, from the harmless to the powerful.
func Verbs() []Verb {
	return []Verb{View, Check, Audit, Drain, Restore, Override, Freeze, Run, Operate, Approve, Tokens, Backup}
}

// Roles returns all roles, from the weakest to the strongest.
func Roles() []Role { return []Role{Viewer, Operator, Approver, Admin} }

// may is the whole policy. That whoever started a run may not approve it is no
// matter of roles: the run itself refuses it (package runbooks).
func may(r Role, v Verb) bool {
	switch r {
	case Viewer:
		return slices.Contains([]Verb{View, Check, Audit}, v)
	case Operator:
		return slices.Contains([]Verb{View, Check, Audit, Drain, Restore, Override, Freeze, Run, Operate}, v)
	case Approver:
		// An approver may also stop what they would not approve.
		return slices.Contains([]Verb{View, Check, Audit, Approve}, v)
	case Admin:
		return slices.Contains(Verbs(), v)
	}
	return false
}

// rolesFor returns who may do v, for the remedy of a refusal.
func rolesFor(v Verb) []Role {
	var able []Role
	for _, r := range Roles() {
		if may(r, v) {
			able = append(able, r)
		}
	}
	return able
}

// ParseRole reads a role as a person writes it.
func ParseRole(text string) (Role, error) {
	if r := Role(text); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fault.Invalidf("role "+text, "is not a role").Do("use viewer, operator, approver or admin")
}
