package regions

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// Problem is one thing that is wrong with a fleet, and where. Path is written
// with the configuration's names: "services[2].policy.order[1]".
type Problem struct {
	Path string
	Err  *fault.Error
}

// Error reads like "services[2].ttl: …".
func (p Problem) Error() string { return p.Path + ": " + p.Err.Error() }

func (p Problem) Unwrap() error { return p.Err }

// Bounds that Validate holds a fleet to.
const (
	MaxTTL       = 24 * time.Hour
	MaxInARow    = 100 // rise and fall
	MaxInFlight  = 4   // overlapping checks of one target
	MaxCohorts   = 8   // regions with a weight in one policy or group
	MaxContains  = 64 << 10
	minTimeout   = time.Millisecond
	maxNameBytes = 254 // with the final dot
)

// Validate returns everything that is wrong with the fleet at once; a fleet
// without problems can be judged and steered. What a zone file or a runbook
// says is not looked into: the packages that read those do that.
func (f *Fleet) Validate() []Problem {
	v := &validator{fleet: f}
	v.regions()
	v.services()
	v.databases()
	v.documents()
	v.recovery()
	return v.problems
}

// validator collects problems. Its fleet is never changed.
type validator struct {
	fleet    *Fleet
	problems []Problem
}

// add notes a problem; the fault can be given a remedy by the caller.
func (v *validator) add(path, subject, format string, args ...any) *fault.Error {
	err := fault.Invalidf(subject, format, args...)
	v.problems = append(v.problems, Problem{path, err})
	return err
}

// id checks an identifier's form, and that it is new among its kind.
func (v *validator) id(path, kind, id string, seen map[string]string) {
	if err := CheckID(kind, id); err != nil {
		v.problems = append(v.problems, Problem{path, err.(*fault.Error)})
		return
	}
	if first, twice := seen[id]; twice {
		v.add(path, fmt.Sprintf("%s %q", kind, id), "is already defined at %s", first).Do("give one of the two another name")
		return
	}
	seen[id] = path
}

func (v *validator) regions() {
	if len(v.fleet.Regions) == 0 {
		v.add("regions", "regions", "there are none").Do("list at least one region")
	}
	seen := map[string]string{}
	for i, r := range v.fleet.Regions {
		path := fmt.Sprintf("regions[%d]", i)
		v.id(path+".id", "region", string(r.ID), seen)
		if !(r.Latitude >= -90 && r.Latitude <= 90) {
			v.add(path+".latitude", "region "+string(r.ID), "%v is not a latitude", r.Latitude).Do("use degrees from -90 to 90")
		}
		if !(r.Longitude >= -180 && r.Longitude <= 180) {
			v.add(path+".longitude", "region "+string(r.ID), "%v is not a longitude", r.Longitude).Do("use degrees from -180 to 180")
		}
	}
}

// knownRegion reports whether a reference to a region leads anywhere.
func (v *validator) knownRegion(path, subject string, id ID) bool {
	if _, ok := v.fleet.Region(id); ok {
		return true
	}
	v.add(path, subject, "region %q does not exist", id).Do("use one of: %s", v.regionNames())
	return false
}

func (v *validator) regionNames() string {
	names := make([]string, len(v.fleet.Regions))
	for i, r := range v.fleet.Regions {
		names[i] = string(r.ID)
	}
	return strings.Join(names, ", ")
}

func (v *validator) documents() {
	seen := map[Name]string{}
	for i, z := range v.fleet.Zones {
		path := fmt.Sprintf("zones[%d].origin", i)
		if !v.name(path, "zone", z.Origin) {
			continue
		}
		if first, twice := seen[z.Origin]; twice {
			v.add(path, "zone "+string(z.Origin), "is already defined at %s", first).Do("keep one file for it")
		}
		seen[z.Origin] = path
	}
	names := map[string]string{}
	for i, d := range v.fleet.Runbooks {
		v.id(fmt.Sprintf("runbooks[%d].name", i), "runbook", d.Name, names)
	}
}

// name checks that a domain name is canonical and not too long. What else a
// name may be is the DNS packages' matter.
func (v *validator) name(path, kind string, n Name) bool {
	bad := func(why string) bool {
		v.add(path, fmt.Sprintf("%s %q", kind, n), "%s", why).Do("write a domain name such as www.example.com")
		return false
	}
	text := strings.TrimSuffix(string(n), ".")
	switch {
	case text == "" && kind != "zone":
		return bad("the name is empty")
	case n != CanonicalName(string(n)):
		return bad("the name is not in lower case with a final dot")
	case len(n) > maxNameBytes:
		return bad("the name is longer than 253 characters")
	}
	if text == "" {
		return true // the root zone
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 {
			return bad(fmt.Sprintf("its part %q is not 1 to 63 characters long", label))
		}
		if strings.ContainsAny(label, " \t\r\n\x00\"@:/\\") {
			return bad(fmt.Sprintf("its part %q contains a character that no name here may have", label))
		}
	}
	return true
}

// hostPort checks an address to dial.
func (v *validator) hostPort(path, subject, address string) {
	if !isHostPort(address) {
		v.add(path, subject, "%q is not an address and port", address).Do("write host:port, such as 10.0.0.7:8472 or [2001:db8::7]:8472")
	}
}

// isHostPort reports whether an address can be dialled. (Package net would
// know, but brings the network along, and this package is pure.)
func isHostPort(address string) bool {
	colon := strings.LastIndexByte(address, ':')
	if colon <= 0 {
		return false
	}
	host, port := address[:colon], address[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return closed && err == nil && addr.Is6()
	}
	return !strings.ContainsAny(host, ":[]/@ \t\r\n")
}
