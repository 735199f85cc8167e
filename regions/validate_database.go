package regions

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func (v *validator) databases() {
	ids := map[string]string{}
	for i, d := range v.fleet.Databases {
		path := fmt.Sprintf("databases[%d]", i)
		subject := "database " + string(d.ID)
		v.id(path+".id", "database", string(d.ID), ids)
		if d.Engine != "postgres" {
			v.add(path+".engine", subject, "%q is not an engine that Fairlead moves", d.Engine).Do("use postgres")
		}
		if d.MaxLagBytes < 0 {
			v.add(path+".max_lag_bytes", subject, "%d is not a number of bytes", d.MaxLagBytes).Do("use 0 or more")
		}
		if d.MaxLagTime < 0 {
			v.add(path+".max_lag_time", subject, "%v is not a span of time", d.MaxLagTime).Do("use 0s or more")
		}
		check := d.Check
		if check.Kind == "" {
			check.Kind = Postgres
		}
		v.check(path+".check", subject, check, Postgres)
		v.members(path, subject, d)
	}
}

func (v *validator) members(path, subject string, d Database) {
	if len(d.Members) == 0 {
		v.add(path+".members", subject, "has no members").Do("list the server of each region")
	} else if _, ok := d.Member(d.Writer); !ok {
		v.add(path+".writer", subject, "the writer %q is not among the members", d.Writer).Do("name the region of a member")
	}
	for j, m := range d.Members {
		at := fmt.Sprintf("%s.members[%d]", path, j)
		known := v.knownRegion(at+".region", subject, m.Region)
		if known && slices.ContainsFunc(d.Members[:j], func(o Member) bool { return o.Region == m.Region }) {
			v.add(at+".region", subject, "region %s already has a member", m.Region).Do("a region can have one")
		}
		v.dsn(at, subject, m)
		if m.Agent != "" {
			v.hostPort(at+".agent", subject, m.Agent)
		}
		if len(m.Control) > 0 && strings.TrimSpace(m.Control[0]) == "" {
			v.add(at+".control.command", subject, "the command is empty").Do("give the program and its arguments")
		}
		if m.Agent != "" && len(m.Control) > 0 {
			v.add(at+".control", subject, "the member in %s has an agent and a control command", m.Region).Do("keep the one that controls the server")
		}
	}
}

// dsn refuses secrets: the fleet travels to every node and is shown to people.
func (v *validator) dsn(path, subject string, m Member) {
	switch secret, err := dsnSecret(m.DSN); {
	case m.DSN == "":
		v.add(path+".dsn", subject, "the member in %s has no dsn", m.Region).Do("write it like host=10.0.0.7 port=5432 dbname=orders user=fairlead")
	case err != nil:
		v.add(path+".dsn", subject, "the dsn cannot be read: %v", err).Do("write key=value pairs, or a postgres:// URL")
	case secret != "":
		v.add(path+".dsn", subject, "the dsn carries a secret (%s)", secret).Do("put the password into a file that only Fairlead can read, and say password_file: PATH")
	}
}

// dsnSecret returns which setting of a libpq connection string is a secret.
// Its errors never quote the string, which may hold one.
func dsnSecret(dsn string) (string, error) {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		u, err := url.Parse(dsn)
		if err != nil {
			return "", fmt.Errorf("it is not a URL")
		}
		if _, set := u.User.Password(); set {
			return "password", nil
		}
		for key := range u.Query() {
			if isSecretKey(key) {
				return key, nil
			}
		}
		return "", nil
	}
	for rest := strings.TrimSpace(dsn); rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || strings.ContainsAny(key, " \t\n'\\") {
			return "", fmt.Errorf("a setting is not key=value")
		}
		if isSecretKey(key) {
			return key, nil
		}
		if rest, ok = skipValue(strings.TrimLeft(after, " \t\n")); !ok {
			return "", fmt.Errorf("a quote of %s is not closed", key)
		}
		rest = strings.TrimLeft(rest, " \t\n")
	}
	return "", nil
}

func isSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "sslpassword":
		return true
	}
	return false
}

// skipValue returns what follows a value: bare until white space, or in single
// quotes; a backslash takes the next character as it is in both.
func skipValue(s string) (rest string, ok bool) {
	quoted := strings.HasPrefix(s, "'")
	start := 0
	if quoted {
		start = 1
	}
	for i := start; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quoted && c == '\'':
			return s[i+1:], true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			return s[i:], true
		}
	}
	return "", !quoted
}
