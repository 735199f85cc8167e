package api

import (
	"slices"
	"time"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/steer"
)

func encodeStatus(v View) openapi.Status {
	st := openapi.Status{At: v.At.UTC(), Node: string(v.Node), Version: v.Version, Store: v.Store, Config: v.Config,
		Freeze: encodeFreeze(freezeIn(v)), Regions: encodeRegions(v), Services: encodeServices(v), Databases: encodeDatabases(v),
		Alarms: encodeAlarms(v.Alarms), Nodes: v.Nodes, Standpoint: v.Standpoint}
	if v.Decided != nil {
		st.Generation = int64(v.Decided.Generation)
	}
	return st
}

func encodeState(s regions.State) openapi.State { return openapi.State(s.String()) }

func encodeRegions(v View) []openapi.Region {
	var out []openapi.Region
	for _, r := range fleetIn(v).Regions {
		out = append(out, encodeRegion(v, r))
	}
	return out
}

func encodeRegion(v View, r regions.Region) openapi.Region {
	measured := v.Regions[r.ID]
	out := openapi.Region{Id: string(r.ID), Name: r.Title, Measured: encodeState(measured.State), Effective: encodeState(measured.State),
		Because: measured.Because, Since: measured.Since.UTC()}
	if out.Name == "" {
		out.Name = string(r.ID)
	}
	if r.Latitude != 0 || r.Longitude != 0 {
		out.Latitude, out.Longitude = &r.Latitude, &r.Longitude
	}
	if v.Plan != nil {
		i := slices.IndexFunc(v.Plan.Regions, func(w steer.RegionView) bool { return w.Region == r.ID })
		if i >= 0 {
			view := v.Plan.Regions[i]
			out.Measured, out.Effective, out.Latched = encodeState(view.Measured), encodeState(view.Effective), view.Latched
			out.Because = view.Because
		}
	}
	for _, o := range overridesIn(v) {
		// The one that says most about the whole region is shown; all of them
		// are in the list of overrides.
		if s := o.Scope(); s.Region == r.ID && s.Service == "" && o.Rules(r.ID, "") {
			out.Override = encodeOverride(o)
			out.Held = out.Held || o.Phase() == regions.Held
		}
	}
	for _, service := range fleetIn(v).Services {
		for _, e := range service.Endpoints {
			if e.Region != r.ID || service.Mode == regions.Observe {
				continue
			}
			out.EndpointsTotal++
			switch v.Verdicts[e.ID].Measured {
			case regions.Up, regions.Degraded:
				out.EndpointsUp++
			case regions.Down:
				out.EndpointsDown++
			}
		}
	}
	return out
}

// overridesIn returns the overrides that rule, active or held.
func overridesIn(v View) []regions.Override {
	if v.Decided == nil {
		return nil
	}
	var out []regions.Override
	for _, o := range v.Decided.Overrides {
		if o.Phase() != regions.Ended {
			out = append(out, o)
		}
	}
	return out
}

func findOverride(v View, id string) (regions.Override, bool) {
	for _, o := range overridesIn(v) {
		if o.ID() == id {
			return o, true
		}
	}
	return regions.Override{}, false
}

func encodeOverrides(list []regions.Override) []openapi.Override {
	var out []openapi.Override
	for _, o := range list {
		out = append(out, encodeOverride(o))
	}
	return out
}

func encodeOverride(o regions.Override) openapi.Override {
	kind := "force_down"
	switch {
	case o.IsDrain():
		kind = "drain"
	case o.State() == regions.Up:
		kind = "force_up"
	}
	return openapi.Override{Id: o.ID(), Region: string(o.Scope().Region), Service: string(o.Scope().Service), State: encodeState(o.State()), Kind: kind,
		By: o.By(), Reason: o.Why(), Since: o.From(), Until: o.Until(), Held: o.Phase() == regions.Held}
}

func freezeIn(v View) *regions.Freeze {
	if v.Decided == nil {
		return nil
	}
	return v.Decided.Freeze
}

func encodeFreeze(f *regions.Freeze) openapi.Freeze {
	if f == nil {
		return openapi.Freeze{}
	}
	return openapi.Freeze{Frozen: true, By: f.By, Reason: f.Why, Since: f.From.UTC(), Until: f.Until.UTC()}
}

func fleetIn(v View) *regions.Fleet {
	if v.Decided == nil || v.Decided.Fleet == nil {
		return &regions.Fleet{}
	}
	return v.Decided.Fleet
}

// encodeAlarms puts the most severe first, and the oldest among equals.
func encodeAlarms(alarms []regions.Alarm) []openapi.Alarm {
	var out []openapi.Alarm
	for _, a := range alarms {
		out = append(out, openapi.Alarm{Id: a.ID, Severity: openapi.AlarmSeverity(a.Severity), Subject: a.Subject, Sentence: a.Sentence,
			Remedy: a.Remedy, Since: a.Since.UTC()})
	}
	rank := map[openapi.AlarmSeverity]int{openapi.AlarmCritical: 0, openapi.AlarmWarning: 1}
	slices.SortStableFunc(out, func(a, b openapi.Alarm) int {
		ra, rb := severityRank(rank, a), severityRank(rank, b)
		if ra != rb {
			return ra - rb
		}
		return a.Since.Compare(b.Since)
	})
	return out
}

func severityRank(rank map[openapi.AlarmSeverity]int, a openapi.Alarm) int {
	if r, ok := rank[a.Severity]; ok {
		return r
	}
	return len(rank)
}

// milliseconds keeps the fraction: checks on a local network take less than
// one.
func milliseconds(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	ms := float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
	return &ms
}
