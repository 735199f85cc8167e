package api

import (
	"fmt"
	"net/netip"
	"slices"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/steer"
)

func encodeServices(v View) []openapi.Service {
	var out []openapi.Service
	for _, s := range fleetIn(v).Services {
		out = append(out, encodeService(v, s))
	}
	return out
}

func encodeService(v View, s regions.Service) openapi.Service {
	out := openapi.Service{Id: string(s.ID), Name: string(s.Name), Mode: openapi.Mode(s.Mode), Policy: encodePolicy(s.Policy)}
	if out.Mode == "" {
		out.Mode = openapi.ModeSteer
	}
	if db, pinned := s.Pinned(); pinned {
		out.WritesDatabase = string(db)
	}
	var steered *steer.Steered
	if v.Plan != nil {
		if n, ok := v.Plan.Name(s.Name); ok {
			steered = n
		}
	}
	for _, e := range s.Endpoints {
		out.Endpoints = append(out.Endpoints, encodeEndpoint(v, s, e, steered))
	}
	out.State, out.Because = summarise(out.Endpoints)
	if writer, ok := writerIn(v, out.WritesDatabase); ok && out.State != openapi.StateUp {
		// Only the writer's endpoints are answered: the others help nobody.
		there := slices.DeleteFunc(slices.Clone(out.Endpoints), func(e openapi.Endpoint) bool { return e.Region != string(writer) })
		state, because := summarise(there)
		out.State, out.Because = state, fmt.Sprintf("in %s, where %s is written, %s; in all %s", writer, out.WritesDatabase, because, out.Because)
	}
	if steered != nil {
		for i := range steered.Cells {
			out.Answers = append(out.Answers, encodeCell(steered, i))
		}
	}
	return out
}

// writerIn is the region that writes a database by the newest epoch.
func writerIn(v View, database string) (regions.ID, bool) {
	if v.Decided == nil || database == "" {
		return "", false
	}
	signed, ok := v.Decided.Writers[regions.DatabaseID(database)]
	return signed.Epoch.Writer, ok
}

// summarise tells a service's state from its endpoints'. It is for people;
// nothing is steered by it.
func summarise(endpoints []openapi.Endpoint) (openapi.State, string) {
	serving, down, unknown := 0, 0, 0
	for _, e := range endpoints {
		switch e.Measured {
		case openapi.StateUp, openapi.StateDegraded:
			serving++
		case openapi.StateDown:
			down++
		default:
			unknown++
		}
	}
	because := fmt.Sprintf("%d of %d endpoints serve", serving, len(endpoints))
	if unknown > 0 {
		because += fmt.Sprintf(", %d unknown", unknown)
	}
	switch {
	case len(endpoints) == 0:
		return openapi.StateUnknown, "it has no endpoints"
	case serving == len(endpoints):
		return openapi.StateUp, because
	case serving > 0:
		return openapi.StateDegraded, because
	case down > 0:
		return openapi.StateDown, because
	}
	return openapi.StateUnknown, because
}

func encodePolicy(p regions.Policy) openapi.Policy {
	out := openapi.Policy{Kind: string(p.Kind), WhenAllDown: string(p.Panic)}
	for _, r := range p.Order {
		out.Regions = append(out.Regions, string(r))
	}
	if len(p.Weights) > 0 {
		out.Weights = map[string]int{}
		for r, w := range p.Weights {
			out.Weights[string(r)] = w
		}
	}
	return out
}

func encodeEndpoint(v View, s regions.Service, e regions.Endpoint, steered *steer.Steered) openapi.Endpoint {
	verdict := v.Verdicts[e.ID]
	out := openapi.Endpoint{Id: string(e.ID), Region: string(e.Region), Addresses: addresses(e.Addresses),
		Measured: encodeState(verdict.Measured), Effective: encodeState(verdict.Effective), Because: verdict.Because, Since: verdict.Since.UTC(),
		LatencyMs: milliseconds(verdict.Latency), Check: describeCheck(s.CheckOf(e))}
	if st, ok := standingOf(steered, e.ID); ok {
		out.Measured, out.Effective, out.Because = encodeState(st.Measured), encodeState(st.Effective), st.Because
	}
	for _, voice := range verdict.Voices {
		out.Reports = append(out.Reports, openapi.Report{Vantage: string(voice.Node), VantageRegion: string(voice.Region), State: encodeState(voice.State),
			Because: voice.Because, AgeMs: voice.Age.Milliseconds(), LatencyMs: milliseconds(voice.Latency)})
	}
	return out
}

func standingOf(s *steer.Steered, id regions.TargetID) (steer.Standing, bool) {
	if s == nil {
		return steer.Standing{}, false
	}
	i := slices.IndexFunc(s.Standing, func(st steer.Standing) bool { return st.Endpoint == id })
	if i < 0 {
		return steer.Standing{}, false
	}
	return s.Standing[i], true
}

func describeCheck(c regions.Check) string {
	if c.Kind == "" {
		return ""
	}
	what := string(c.Kind)
	if c.Kind == regions.HTTP || c.Kind == regions.HTTPS {
		what += " GET " + c.HTTP.Path
	}
	return fmt.Sprintf("%s every %v, %d failures to fall, %d successes to rise", what, c.Interval, c.Fall, c.Rise)
}

func addresses(list []netip.Addr) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

func encodeCell(s *steer.Steered, i int) openapi.AnswerGroup {
	cell := s.Cells[i]
	out := openapi.AnswerGroup{Group: groupName(cell.Group), TtlSeconds: int(s.TTL.Seconds()), Because: cell.Because, Regions: shares(s, cell)}
	for _, p := range cell.Prefixes {
		out.Prefixes = append(out.Prefixes, p.String())
	}
	return out
}

// shares says which part of a cell's clients gets which region. A set that
// names several regions counts for each of them: its clients get all of it.
func shares(s *steer.Steered, cell steer.Cell) []openapi.AnswerShare {
	var out []openapi.AnswerShare
	below := 0
	for _, t := range cell.Thresholds {
		percent := float64(t.Below-below) * 100 / steer.Buckets
		below = t.Below
		if t.Set < 0 || t.Set >= len(s.Sets) {
			continue
		}
		for region, addrs := range byRegion(s.Sets[t.Set]) {
			i := slices.IndexFunc(out, func(a openapi.AnswerShare) bool { return a.Region == string(region) })
			if i < 0 {
				out = append(out, openapi.AnswerShare{Region: string(region)})
				i = len(out) - 1
			}
			out[i].SharePercent += percent
			for _, a := range addrs {
				if !slices.Contains(out[i].Addresses, a) {
					out[i].Addresses = append(out[i].Addresses, a)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b openapi.AnswerShare) int {
		switch {
		case a.SharePercent > b.SharePercent:
			return -1
		case a.SharePercent < b.SharePercent:
			return 1
		case a.Region < b.Region:
			return -1
		}
		return 1
	})
	return out
}

func byRegion(set steer.Set) map[regions.ID][]string {
	out := map[regions.ID][]string{}
	for _, e := range set.Endpoints {
		out[e.Region] = append(out[e.Region], addresses(e.Addresses)...)
	}
	return out
}
