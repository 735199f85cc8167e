package config

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// id reads an identifier.
func (l *loader) id(t *tree, n ast.Node, path, kind string) string {
	id := t.str(n, path)
	l.checkID(t, n, kind, id)
	return id
}

func (l *loader) checkID(t *tree, n ast.Node, kind, id string) {
	if err := regions.CheckID(kind, id); err != nil {
		l.fault(t, n, err)
	}
}

// fault notes an error of the model at a place.
func (l *loader) fault(t *tree, n ast.Node, err error) {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		t.problem(n, e.Remedy, "%s: %s", e.Subject, e.Problem)
		return
	}
	t.problem(n, "", "%v", err)
}

func (l *loader) regions(t *tree, n ast.Node, path string) {
	for _, e := range t.entries(n, path) {
		r := regions.Region{ID: regions.ID(e.key), Title: e.key}
		at := index("regions", len(l.fleet.Regions))
		l.checkID(t, e.at, "region", e.key)
		t.places[at] = t.placeOf(e.at)
		t.fields(e.value, at, map[string]func(ast.Node, string){
			"title":     func(n ast.Node, p string) { r.Title = t.str(n, p) },
			"latitude":  func(n ast.Node, p string) { r.Latitude = t.number(n, p, -90, 90) },
			"longitude": func(n ast.Node, p string) { r.Longitude = t.number(n, p, -180, 180) },
		})
		l.fleet.Regions = append(l.fleet.Regions, r)
	}
}

func (l *loader) services(t *tree, n ast.Node, path string) {
	for _, e := range t.entries(n, path) {
		at := index("services", len(l.fleet.Services))
		l.checkID(t, e.at, "service", e.key)
		t.places[at] = t.placeOf(e.at)
		l.fleet.Services = append(l.fleet.Services, l.service(t, e, at))
	}
}

func (l *loader) service(t *tree, e entry, at string) regions.Service {
	s := regions.Service{
		ID: regions.ServiceID(e.key), Mode: regions.Steer, TTL: 30 * time.Second,
		Policy: regions.Policy{Kind: regions.Failover, Panic: regions.AnswerAll}, Check: l.defaultCheck(regions.HTTP),
	}
	var endpoints ast.Node
	t.fields(e.value, at, map[string]func(ast.Node, string){
		"name":      func(n ast.Node, p string) { s.Name = regions.CanonicalName(t.str(n, p)) },
		"mode":      func(n ast.Node, p string) { s.Mode = regions.Mode(t.str(n, p)) },
		"ttl":       func(n ast.Node, p string) { s.TTL = t.duration(n, p) },
		"quorum":    func(n ast.Node, p string) { s.Quorum = l.quorum(t, n, p) },
		"check":     func(n ast.Node, p string) { s.Check = l.check(t, n, p, s.Check) },
		"policy":    func(n ast.Node, p string) { s.Policy = l.policy(t, n, p) },
		"writes":    func(n ast.Node, p string) { s.Writes = l.writes(t, n, p) },
		"endpoints": func(n ast.Node, p string) { endpoints = n },
	})
	if endpoints != nil { // after the check, which they inherit
		for _, e := range t.entries(endpoints, join(at, "endpoints")) {
			l.endpoints(t, &s, e, at)
		}
	}
	return s
}

func (l *loader) quorum(t *tree, n ast.Node, path string) regions.Rule {
	if t.str(n, path) == "majority" {
		return 0
	}
	return regions.Rule(t.integer(n, path, 1, 100))
}

// endpoints reads what one region offers of a service: addresses of one
// endpoint, or a mapping, or a list of mappings.
func (l *loader) endpoints(t *tree, s *regions.Service, e entry, at string) {
	nodes := []ast.Node{e.value}
	if list, ok := e.value.(*ast.SequenceNode); ok && len(list.Values) > 0 && isMapping(t.resolve(list.Values[0])) {
		nodes = t.items(list, join(at, e.key))
	}
	for i, n := range nodes {
		path := index(join(at, "endpoints"), len(s.Endpoints))
		t.places[path] = t.placeOf(e.at)
		ep := regions.Endpoint{ID: regions.EndpointID(s.ID, regions.ID(e.key), i+1), Region: regions.ID(e.key)}
		addresses := func(n ast.Node, p string) {
			for i, v := range t.items(n, p) {
				ep.Addresses = append(ep.Addresses, t.address(v, index(p, i)))
			}
		}
		switch {
		case n == nil:
		case isMapping(n):
			t.fields(n, path, map[string]func(ast.Node, string){
				"addresses":     addresses,
				"check_address": func(n ast.Node, p string) { ep.CheckAddress = t.hostPort(n, p) },
				"check": func(n ast.Node, p string) {
					c := l.check(t, n, p, s.Check)
					ep.Check = &c
				},
			})
		default:
			addresses(n, join(path, "addresses"))
		}
		s.Endpoints = append(s.Endpoints, ep)
	}
}

func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func (l *loader) writes(t *tree, n ast.Node, path string) *regions.Writes {
	w := &regions.Writes{}
	t.fields(n, path, map[string]func(ast.Node, string){
		"database": func(n ast.Node, p string) { w.Database = regions.DatabaseID(t.str(n, p)) },
		"remote":   func(n ast.Node, p string) { w.Remote = t.boolean(n, p) },
	})
	return w
}

func (l *loader) policy(t *tree, n ast.Node, path string) regions.Policy {
	p := regions.Policy{Kind: regions.Failover, Panic: regions.AnswerAll}
	t.fields(n, path, map[string]func(ast.Node, string){
		"kind":    func(n ast.Node, at string) { p.Kind = regions.PolicyKind(t.str(n, at)) },
		"order":   func(n ast.Node, at string) { p.Order = l.regionIDs(t, n, at) },
		"weights": func(n ast.Node, at string) { p.Weights = l.weights(t, n, at) },
		"panic":   func(n ast.Node, at string) { p.Panic = regions.Panic(t.str(n, at)) },
		"groups": func(n ast.Node, at string) {
			for _, e := range t.entries(n, at) {
				p.Groups = append(p.Groups, l.group(t, e, index(at, len(p.Groups))))
			}
		},
	})
	return p
}

func (l *loader) group(t *tree, e entry, path string) regions.ClientGroup {
	g := regions.ClientGroup{Name: e.key}
	l.checkID(t, e.at, "client group", e.key)
	t.places[path] = t.placeOf(e.at)
	t.fields(e.value, path, map[string]func(ast.Node, string){
		"prefixes": func(n ast.Node, p string) {
			for i, v := range t.items(n, p) {
				g.Prefixes = append(g.Prefixes, t.prefix(v, index(p, i)))
			}
		},
		"order":   func(n ast.Node, p string) { g.Order = l.regionIDs(t, n, p) },
		"weights": func(n ast.Node, p string) { g.Weights = l.weights(t, n, p) },
	})
	return g
}

func (l *loader) regionIDs(t *tree, n ast.Node, path string) []regions.ID {
	var out []regions.ID
	for _, s := range t.strs(n, path) {
		out = append(out, regions.ID(s))
	}
	return out
}

func (l *loader) weights(t *tree, n ast.Node, path string) map[regions.ID]int {
	out := map[regions.ID]int{}
	for _, e := range t.entries(n, path) {
		if e.value == nil {
			continue
		}
		at := join(path, e.key)
		t.places[at] = t.placeOf(e.value)
		out[regions.ID(e.key)] = t.integer(e.value, at, 0, regions.MaxWeight)
	}
	return out
}

func (l *loader) defaultCheck(kind regions.CheckKind) regions.Check {
	return regions.Check{Kind: kind, Interval: regions.DefaultInterval, Timeout: regions.DefaultTimeout, Rise: regions.DefaultRise, Fall: regions.DefaultFall,
		HTTP: regions.HTTPCheck{Path: "/", StatusMin: 200, StatusMax: 399}}
}

func (l *loader) check(t *tree, n ast.Node, path string, c regions.Check) regions.Check {
	t.fields(n, path, map[string]func(ast.Node, string){
		"kind":       func(n ast.Node, p string) { c.Kind = regions.CheckKind(t.str(n, p)) },
		"interval":   func(n ast.Node, p string) { c.Interval = t.duration(n, p) },
		"timeout":    func(n ast.Node, p string) { c.Timeout = t.duration(n, p) },
		"jitter":     func(n ast.Node, p string) { c.Jitter = t.duration(n, p) },
		"rise":       func(n ast.Node, p string) { c.Rise = t.integer(n, p, 1, 20) },
		"fall":       func(n ast.Node, p string) { c.Fall = t.integer(n, p, 1, 20) },
		"port":       func(n ast.Node, p string) { c.Port = uint16(t.integer(n, p, 1, 65535)) },
		"path":       func(n ast.Node, p string) { c.HTTP.Path = t.str(n, p) },
		"host":       func(n ast.Node, p string) { c.HTTP.Host = t.str(n, p) },
		"contains":   func(n ast.Node, p string) { c.HTTP.Contains = t.str(n, p) },
		"status_min": func(n ast.Node, p string) { c.HTTP.StatusMin = t.integer(n, p, 100, 599) },
		"status_max": func(n ast.Node, p string) { c.HTTP.StatusMax = t.integer(n, p, 100, 599) },
		"insecure":   func(n ast.Node, p string) { c.HTTP.Insecure = t.boolean(n, p) },
	})
	return c
}

func (l *loader) databases(t *tree, n ast.Node, path string) {
	for _, e := range t.entries(n, path) {
		at := index("databases", len(l.fleet.Databases))
		l.checkID(t, e.at, "database", e.key)
		t.places[at] = t.placeOf(e.at)
		d := regions.Database{ID: regions.DatabaseID(e.key), Engine: "postgres", MaxLagBytes: 16 << 20, MaxLagTime: 30 * time.Second,
			Check: l.defaultCheck(regions.Postgres)}
		t.fields(e.value, at, map[string]func(ast.Node, string){
			"engine":        func(n ast.Node, p string) { d.Engine = t.str(n, p) },
			"writer":        func(n ast.Node, p string) { d.Writer = regions.ID(t.str(n, p)) },
			"max_lag_bytes": func(n ast.Node, p string) { d.MaxLagBytes = t.size(n, p) },
			"max_lag_time":  func(n ast.Node, p string) { d.MaxLagTime = t.duration(n, p) },
			"check":         func(n ast.Node, p string) { d.Check = l.check(t, n, p, d.Check) },
			"members": func(n ast.Node, p string) {
				for _, e := range t.entries(n, p) {
					d.Members = append(d.Members, l.member(t, e, index(p, len(d.Members))))
				}
			},
		})
		l.fleet.Databases = append(l.fleet.Databases, d)
	}
}

func (l *loader) member(t *tree, e entry, path string) regions.Member {
	m := regions.Member{Region: regions.ID(e.key)}
	t.places[path] = t.placeOf(e.at)
	t.fields(e.value, path, map[string]func(ast.Node, string){
		"dsn":           func(n ast.Node, p string) { m.DSN = t.str(n, p) },
		"password_file": func(n ast.Node, p string) { m.PasswordFile = t.str(n, p) },
		"agent":         func(n ast.Node, p string) { m.Agent = t.hostPort(n, p) },
		"control":       func(n ast.Node, p string) { m.Control = t.strs(n, p) },
	})
	return m
}

func (l *loader) zones(t *tree, n ast.Node, path string) {
	for _, e := range t.entries(n, path) {
		if e.value == nil {
			continue
		}
		written := t.str(e.value, join(path, e.key))
		text, ok := l.include(t, e.value, "zone "+e.key, written)
		if !ok {
			continue
		}
		t.places[index("zones", len(l.fleet.Zones))] = t.placeOf(e.at)
		l.fleet.Zones = append(l.fleet.Zones, regions.Zone{Origin: regions.CanonicalName(e.key), File: written, Text: text})
	}
}

func (l *loader) runbooks(t *tree, n ast.Node, path string) {
	for i, v := range t.items(n, path) {
		written := t.str(v, index(path, i))
		if body, ok := l.include(t, v, "runbook", written); ok {
			l.fleet.Runbooks = append(l.fleet.Runbooks, regions.Document{File: written, Text: body})
		}
	}
}

// include reads a file that the configuration names. The fleet keeps the name
// as it was written: the same content in another directory is the same fleet.
func (l *loader) include(t *tree, n ast.Node, what, written string) (string, bool) {
	if l.textOnly {
		return "", false
	}
	file := relative(t.file, written)
	body, err := os.ReadFile(file)
	if err != nil {
		t.problem(n, "check the path, which is relative to this file", "%s cannot be read from %s: %v", what, file, plain(err))
		return "", false
	}
	l.files[written] = file
	return string(body), true
}

// plain drops the operation and the path from an error about a file, which
// the sentence around it names already.
func plain(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// parent returns the path one level up: of "services[2].ttl" it is
// "services[2]", of that "services".
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return ""
	}
	return path[:i]
}
