package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fairlead/dns"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

// verify checks what only the whole can show: references between sections,
// zone files, runbooks, and that each steered name has a zone.
func (l *loader) verify(path string) {
	l.verifyRunbooks() // gives them their names
	if l.broken {
		l.verifyZones(path)
		return
	}
	l.verifyNode(path)
	misread := map[place]bool{}
	for _, p := range l.problems {
		misread[place{p.File, p.Line, p.Column}] = true
	}
	for i, d := range l.fleet.Runbooks {
		if d.Name == "" { // reported at the runbook itself
			misread[l.at(index("runbooks", i), path)] = true
		}
	}
	for _, p := range l.fleet.Validate() {
		if at := l.at(p.Path, path); !misread[at] { // else it is a consequence
			l.note(at, p.Err.Remedy, "%s: %s", p.Err.Subject, p.Err.Problem)
		}
	}
	l.verifyZones(path)
}

func (l *loader) note(at place, remedy, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: at.file, Line: at.line, Column: at.column, What: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (l *loader) verifyNode(path string) {
	node := &l.config.Node
	if len(l.fleet.Regions) == 0 {
		l.note(place{file: path}, "add regions: {us-east: {}, …}", "no regions")
		return
	}
	if node.Region == "" {
		node.Region = l.fleet.Regions[0].ID
	}
	for _, at := range append([]struct {
		region regions.ID
		path   string
	}{{node.Region, "node.region"}}, l.peerRegions()...) {
		if _, known := l.fleet.Region(at.region); !known {
			l.note(l.at(at.path, path), "name one of the regions below", "unknown region %q", at.region)
		}
	}
	if len(node.Peers) > 0 && node.Certificates == "" {
		l.note(l.at("node.peers", path), "make certificates with fairlead certs and set node.certificates to their directory", "peers without certificates")
	}
}

func (l *loader) peerRegions() (out []struct {
	region regions.ID
	path   string
}) {
	for _, p := range l.config.Node.Peers {
		out = append(out, struct {
			region regions.ID
			path   string
		}{p.Region, join("node.peers", string(p.Name)) + ".region"})
	}
	return out
}

// Types of records that a service answers itself (RFC 1035, RFC 3596).
const (
	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
)

func (l *loader) verifyZones(path string) {
	var sound []*zone.Zone
	for i, z := range l.fleet.Zones {
		parsed, err := zone.Parse(string(z.Origin), l.files[z.File], []byte(z.Text))
		if found, ok := errors.AsType[zone.Problems](err); ok {
			for _, p := range found {
				l.note(place{p.File, p.Line, p.Column}, p.Remedy, "%s", p.Text)
			}
			continue
		}
		if err != nil {
			l.note(l.at(index("zones", i), path), "", "zone %s: %v", z.Origin, err)
			continue
		}
		for _, w := range parsed.Warnings {
			l.warnings = append(l.warnings, Problem{File: w.File, Line: w.Line, Column: w.Column, What: w.Text, Remedy: w.Remedy})
		}
		sound = append(sound, parsed)
	}
	if len(sound) < len(l.fleet.Zones) || l.textOnly || l.broken {
		return // names below a zone that was not read would be reported as having none
	}
	var steered []regions.Name
	places := map[regions.Name]place{}
	for i, s := range l.fleet.Services {
		at := l.at(index("services", i)+".name", path)
		if s.Name == "." || s.Name == "" {
			continue // reported already
		}
		owner, err := zone.Wire(string(s.Name))
		if err != nil {
			l.note(at, "use labels of 1 to 63 bytes, 255 bytes in all", "service %s: %q is not a domain name", s.ID, s.Name)
			continue
		}
		if l.verifyOwner(sound, s, owner, at) && s.Mode != regions.Observe {
			steered, places[s.Name] = append(steered, s.Name), at
		}
	}
	l.verifyCompiled(sound, steered, places, path)
}

// verifyCompiled refuses names that cannot be steered for any other reason,
// such as a delegation above them, by asking what answers are compiled with.
func (l *loader) verifyCompiled(zones []*zone.Zone, steered []regions.Name, places map[regions.Name]place, path string) {
	conflicts, err := dns.Conflicts(zones, steered)
	if err != nil {
		l.note(place{file: path}, "", "zones: %v", err)
	}
	for _, c := range conflicts {
		what, remedy, _ := strings.Cut(strings.TrimSuffix(c.Reason, ")"), " (")
		i := slices.IndexFunc(l.fleet.Services, func(s regions.Service) bool { return s.Name == c.Name })
		l.note(places[c.Name], remedy, "service %s: %s", l.fleet.Services[i].ID, what)
	}
}

// verifyOwner refuses a steered name that no zone holds, and addresses in a
// zone file for a name that a service answers: which of the two would win must
// not be a question. It reports whether there is nothing of the kind.
func (l *loader) verifyOwner(zones []*zone.Zone, s regions.Service, owner string, at place) (ok bool) {
	home := slices.IndexFunc(zones, func(z *zone.Zone) bool { return zone.Within(owner, z.Apex) })
	if home < 0 {
		l.note(at, "add its zone under zones:", "service %s: no zone holds %s", s.ID, s.Name)
		return false
	}
	if s.Mode == regions.Observe {
		return true
	}
	ok = true
	for _, z := range zones {
		if line, _ := z.Has(owner, typeA, typeAAAA, typeCNAME); line > 0 {
			l.note(place{z.File, line, 1}, "remove the record, or the service", "service %s answers %s, which has an address or an alias here as well", s.ID, s.Name)
			ok = false
		}
	}
	return ok
}

func (l *loader) verifyRunbooks() {
	taken := map[string]string{}
	for i := range l.fleet.Runbooks {
		d := &l.fleet.Runbooks[i]
		parsed, problems := runbooks.Parse(l.files[d.File], d.Text, steps.Kinds())
		for _, p := range problems {
			l.note(place{p.File, p.Line, p.Column}, p.Do, "%s", p.What)
		}
		if len(problems) > 0 {
			continue
		}
		if other, twice := taken[parsed.Name]; twice {
			l.note(place{l.files[d.File], 1, 1}, "give one of them another name", "runbook %s is also in %s", parsed.Name, other)
			continue
		}
		d.Name = parsed.Name
		taken[d.Name] = l.files[d.File]
	}
}
