package dnstest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/steer"
)

// ParsePlan reads a plan in a form that fits a test:
//
//	generation 7
//	name www.example.com 20s service=www observe
//	set eu 192.0.2.1 2001:db8::1
//	set us 192.0.2.2
//	cell europe 198.51.100.0/24 = eu
//	cell everyone = 5000:eu 10000:us
//
// The sets and cells belong to the name above them; "= nothing" is a cell that
// fails closed.
func ParsePlan(text string) (steer.Plan, error) {
	plan := steer.Plan{Incarnation: 1, Generation: 1}
	var labels []string // of the current name's sets
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		err := func() error {
			if f[0] == "generation" {
				n, err := strconv.ParseUint(f[1], 10, 64)
				plan.Generation = n
				return err
			}
			if f[0] == "name" {
				labels = nil
				s, err := parseName(f[1:])
				plan.Names = append(plan.Names, s)
				return err
			}
			if len(plan.Names) == 0 {
				return fmt.Errorf("%q before any name", f[0])
			}
			s := &plan.Names[len(plan.Names)-1]
			switch f[0] {
			case "set":
				labels = append(labels, f[1])
				return addSet(s, f[1], f[2:])
			case "cell":
				return addCell(s, labels, f[1:])
			}
			return fmt.Errorf("unknown word %q", f[0])
		}()
		if err != nil {
			return plan, fmt.Errorf("plan line %d: %w", i+1, err)
		}
	}
	slices.SortStableFunc(plan.Names, func(a, b steer.Steered) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return plan, nil
}

func parseName(f []string) (steer.Steered, error) {
	s := steer.Steered{Name: regions.CanonicalName(f[0]), Service: "test", Mode: regions.Steer, TTL: 20 * time.Second}
	for _, word := range f[1:] {
		switch service, ok := strings.CutPrefix(word, "service="); {
		case ok:
			s.Service = regions.ServiceID(service)
		case word == "observe":
			s.Mode = regions.Observe
		default:
			ttl, err := time.ParseDuration(word)
			if err != nil {
				return s, err
			}
			s.TTL = ttl
		}
	}
	return s, nil
}

func addSet(s *steer.Steered, label string, f []string) error {
	var set steer.Set
	for _, text := range f {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		set.Endpoints = append(set.Endpoints, regions.Endpoint{
			ID: regions.TargetID(label), Region: regions.ID(label), Addresses: []netip.Addr{addr}})
	}
	s.Sets = append(s.Sets, set)
	return nil
}

func addCell(s *steer.Steered, labels, f []string) error {
	cell := steer.Cell{Group: f[0]}
	equals := slices.Index(f, "=")
	if equals < 0 {
		return fmt.Errorf("a cell without =")
	}
	for _, text := range f[1:equals] {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		cell.Prefixes = append(cell.Prefixes, p)
	}
	for _, text := range f[equals+1:] {
		if text == "nothing" {
			break
		}
		below, label, ok := strings.Cut(text, ":")
		if !ok {
			below, label = strconv.Itoa(steer.Buckets), text
		}
		n, err := strconv.Atoi(below)
		if err != nil {
			return err
		}
		set := slices.Index(labels, label)
		if set < 0 {
			return fmt.Errorf("no set %q", label)
		}
		cell.Thresholds = append(cell.Thresholds, steer.Threshold{Below: n, Set: set})
	}
	s.Cells = append(s.Cells, cell)
	return nil
}
