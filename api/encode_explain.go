package api

import (
	"net/netip"
	"slices"
	"strings"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// encodeExplanation puts the plan's own explanation on the wire. It adds
// nothing but the answer's wire form and the endpoints' addresses.
func encodeExplanation(q Question, e Explained) openapi.Explanation {
	out := openapi.Explanation{Name: string(q.Name), Type: strings.ToUpper(q.Type), At: e.At.UTC(), Node: string(e.Node), Wire: e.Wire}
	if q.Client.IsValid() {
		out.Client = q.Client.String()
	}
	if e.Plan == nil {
		out.Answer = "no plan is known for that instant"
		return out
	}
	client := clientOf(q)
	x := e.Plan.Explain(q.Name, client)
	out.Generation, out.Answer = int64(x.Generation), x.Because
	if e.Note != "" {
		out.Answer = e.Note
	}
	if !x.Found {
		return out
	}
	out.Service, out.TtlSeconds, out.Group, out.DecidedBy = string(x.Service), int(x.TTL.Seconds()), groupName(x.Group), rule(x.Decided)
	if x.Bucket >= 0 {
		out.Bucket = &x.Bucket
	}
	if x.Scope > 0 {
		// It only fails for more bits than an address has.
		if p, err := client.Addr().Prefix(x.Scope); err == nil {
			out.EcsScope = p.String()
		}
	}
	out.Regions = answeredRegions(e.Plan, x, client)
	if out.Answer = answerSentence(x, out.Regions); e.Note != "" {
		out.Answer += "; it is answered as it was before: " + e.Note
	}
	out.Reasons = encodeReasons(x)
	out.Endpoints = encodeStandings(e, x)
	return out
}

// clientOf is who asks. Of whom no bit is known, all there is is the resolver's
// own address; who is nobody in particular asks from the address that stands
// for none.
func clientOf(q Question) netip.Prefix {
	from := q.Client
	if !from.IsValid() {
		from = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	if from.Bits() > 0 {
		return from
	}
	return netip.PrefixFrom(from.Addr(), from.Addr().BitLen())
}

func groupName(group string) string {
	if group == "" {
		return "everyone else"
	}
	return group
}

// answeredRegions is what this client gets, with the share of its group that
// gets the same.
func answeredRegions(p *steer.Plan, x steer.Explanation, client netip.Prefix) []openapi.AnswerShare {
	share := 100.0
	if s, ok := p.Name(x.Name); ok && len(s.Cells) > 0 {
		choice := s.Choose(client)
		share = shareOf(s.Cells[choice.Cell], choice.Set)
	}
	var out []openapi.AnswerShare
	for region, addrs := range byRegion(steer.Set{Endpoints: x.Answer}) {
		out = append(out, openapi.AnswerShare{Region: string(region), Addresses: addrs, SharePercent: share})
	}
	slices.SortFunc(out, func(a, b openapi.AnswerShare) int { return strings.Compare(a.Region, b.Region) })
	return out
}

func shareOf(cell steer.Cell, set int) float64 {
	below, percent := 0, 0.0
	for _, t := range cell.Thresholds {
		if t.Set == set {
			percent += float64(t.Below-below) * 100 / steer.Buckets
		}
		below = t.Below
	}
	return percent
}

func answerSentence(x steer.Explanation, answered []openapi.AnswerShare) string {
	if len(answered) == 0 {
		return "no address is answered: " + x.Because
	}
	names := make([]string, len(answered))
	for i, a := range answered {
		names[i] = a.Region
	}
	return strings.Join(names, " and ") + ": " + x.Because
}

// encodeReasons lists the rules in order of precedence. One applies if it
// decided, or if it has the last word on an endpoint.
func encodeReasons(x steer.Explanation) []openapi.PrecedenceReason {
	var out []openapi.PrecedenceReason
	for _, r := range x.Rules {
		applies := r.Decided || slices.ContainsFunc(x.Standing, func(s steer.Standing) bool { return s.Decided == r.Rule })
		out = append(out, openapi.PrecedenceReason{Rule: openapi.PrecedenceReasonRule(rule(r.Rule)), Applies: applies, Decisive: r.Decided, Sentence: r.Says})
	}
	return out
}

func encodeStandings(e Explained, x steer.Explanation) []openapi.ExplainedEndpoint {
	addrs := map[regions.TargetID][]string{}
	if e.Decided != nil && e.Decided.Fleet != nil {
		if service, ok := e.Decided.Fleet.Service(x.Service); ok {
			for _, endpoint := range service.Endpoints {
				addrs[endpoint.ID] = addresses(endpoint.Addresses)
			}
		}
	}
	var out []openapi.ExplainedEndpoint
	for _, st := range x.Standing {
		out = append(out, openapi.ExplainedEndpoint{Id: string(st.Endpoint), Region: string(st.Region), Addresses: addrs[st.Endpoint],
			Measured: encodeState(st.Measured), Effective: encodeState(st.Effective), Because: st.Because,
			Answered: slices.ContainsFunc(x.Answer, func(a regions.Endpoint) bool { return a.ID == st.Endpoint })})
	}
	return out
}

// rule is the name of a precedence on the wire: break_glass, writer_interlock.
func rule(p steer.Precedence) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(string(p))
}
