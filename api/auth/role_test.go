package auth_test

import (
	"slices"
	"strings"
	"testing"

	"fairlead/api/auth"
	"fairlead/regions/fault"
)

func scopes(t *testing.T, texts ...string) []auth.Scope {
	t.Helper()
	var out []auth.Scope
	for _, text := range texts {
		s, err := auth.ParseScope(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// The whole policy, row by row.
func TestWhoMayWhat(t *testing.T) {
	orders, www, us := auth.Object{Database: "orders", Region: "eu-central"}, auth.Object{Service: "www", Region: "us-east"}, auth.Object{Region: "us-east"}
	type want = map[auth.Role]bool
	nobody, all := want{}, want{auth.Viewer: true, auth.Operator: true, auth.Approver: true, auth.Admin: true}
	operators, approvers, admins := want{auth.Operator: true, auth.Admin: true}, want{auth.Approver: true, auth.Admin: true}, want{auth.Admin: true}
	tests := []struct {
		name   string
		verb   auth.Verb
		object auth.Object
		only   []string
		want   want
	}{
		{"everybody looks", auth.View, auth.Object{}, nil, all},
		{"everybody checks texts", auth.Check, auth.Object{}, nil, all},
		{"everybody reads the trail", auth.Audit, auth.Object{}, nil, all},
		{"operators drain", auth.Drain, us, nil, operators},
		{"operators restore", auth.Restore, us, nil, operators},
		{"operators override", auth.Override, us, nil, operators},
		{"operators freeze", auth.Freeze, auth.Object{}, nil, operators},
		{"operators start runs", auth.Run, orders, nil, operators},
		{"operators steer runs", auth.Operate, orders, nil, operators},
		{"approvers approve", auth.Approve, orders, nil, approvers},
		{"admins make tokens", auth.Tokens, auth.Object{}, nil, admins},
		{"a verb that is none", auth.Verb("explode"), us, nil, nobody},

		{"a limit does not keep from looking", auth.View, us, []string{"database/orders"}, all},
		{"a database's limit covers its runs", auth.Run, orders, []string{"database/orders"}, operators},
		{"and no region", auth.Drain, us, []string{"database/orders"}, nobody},
		{"a region's limit covers the region", auth.Drain, us, []string{"region/us-east"}, operators},
		{"and each service in it", auth.Drain, www, []string{"region/us-east"}, operators},
		{"and no other region", auth.Drain, us, []string{"region/eu-central"}, nobody},
		{"a service's limit covers the service", auth.Drain, www, []string{"service/www"}, operators},
		{"and not the region around it", auth.Drain, us, []string{"service/www"}, nobody},
		{"one of several limits is enough", auth.Approve, orders, []string{"region/us-east", "database/orders"}, approvers},
		{"a limit keeps from what is about everything", auth.Freeze, auth.Object{}, []string{"region/us-east"}, nobody},
		{"and from making tokens", auth.Tokens, auth.Object{}, []string{"region/us-east"}, nobody},
	}
	for _, tt := range tests {
		for _, role := range auth.Roles() {
			p := auth.Principal{Name: "alice", Roles: []auth.Role{role}, Only: scopes(t, tt.only...)}
			err := p.Allow(tt.verb, tt.object)
			if (err == nil) != tt.want[role] {
				t.Errorf("%s: %s %s %+v limited to %v: %v, want allowed %v", tt.name, role, tt.verb, tt.object, tt.only, err, tt.want[role])
			}
			if err != nil && (!fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "alice")) {
				t.Errorf("%s: refusal %v, want one of kind denied that names who", tt.name, err)
			}
		}
	}
}

func TestRolesAddUp(t *testing.T) {
	p := auth.Principal{Name: "carol", Roles: []auth.Role{auth.Operator, auth.Approver}}
	if !p.May(auth.Run) || !p.May(auth.Approve) || p.May(auth.Tokens) {
		t.Errorf("an operator and approver may %v", p.Verbs())
	}
	if got := len(auth.Local().Verbs()); got != len(auth.Verbs()) {
		t.Errorf("local may %d verbs, want all %d", got, len(auth.Verbs()))
	}
}

func TestNobodyMayNothing(t *testing.T) {
	for _, v := range auth.Verbs() {
		if err := (auth.Principal{Roles: auth.Roles()}).Allow(v, auth.Object{}); err == nil {
			t.Errorf("nobody may %s", v)
		}
	}
}

func TestARefusalNamesWhoMay(t *testing.T) {
	err := auth.Principal{Name: "eve", Roles: []auth.Role{auth.Viewer}}.Allow(auth.Approve, auth.Object{})
	if want := "eve: may not approve (ask somebody who is approver or admin)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = auth.Principal{Name: "eve", Roles: []auth.Role{auth.Viewer}}.Allow(auth.Tokens, auth.Object{})
	if want := "eve: may not manage tokens (ask somebody who is admin)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLimitsAreReadStrictly(t *testing.T) {
	for _, text := range []string{"", "orders", "database/", "database", "planet/mars", "region/US", "region/us east", "region/us-east/x"} {
		if s, err := auth.ParseScope(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseScope(%q) = %v, %v; want a refusal", text, s, err)
		}
	}
	if got := scopes(t, "region/us-east")[0].String(); got != "region/us-east" {
		t.Errorf("String = %q", got)
	}
	if (auth.Scope{}).Covers(auth.Object{Region: "us-east"}) {
		t.Error("the zero scope covers something")
	}
	if _, err := auth.ParseRole("root"); err == nil || slices.Contains(auth.Roles(), "root") {
		t.Error("root is a role")
	}
}
