package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Finding is one thing that preflight looked at.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // what to do if it is not OK
}

// survey is everything that preflight's checks look at: what each side says,
// or why it does not. It is gathered first and judged after, so that one dead
// side does not hide what is wrong with the other.
type survey struct {
	from, to       Facts
	fromErr, toErr error
	receiver       Receiver // to, as from sees it
	receiverErr    error
	host           agent.Status // of from
	hostErr        error
	hostKind       string

	fromRegion, toRegion regions.ID
	epoch                regions.Epoch
	planned              bool
	declaredBy           string // who said that from is lost, if somebody did
	maxLag               int64
}

// gather asks everybody at once: a frozen server costs one time limit, not
// three.
func gather(ctx context.Context, m move) (survey, error) {
	s := survey{fromRegion: m.from.Region, toRegion: m.to.Region, epoch: m.Epoch, planned: m.planned, declaredBy: m.Params["declared_lost_by"], maxLag: m.p.db.MaxLagBytes}
	if text := m.Params["max_lag_bytes"]; text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return s, fault.Invalidf("preflight", "max_lag_bytes is %q, which is no number of bytes", text)
		}
		s.maxLag = n
	}
	var all sync.WaitGroup
	all.Go(func() { s.from, s.fromErr = m.from.facts(ctx) })
	all.Go(func() {
		if s.to, s.toErr = m.to.facts(ctx); s.toErr == nil && s.to.Slot != "" {
			s.receiver, s.receiverErr = m.from.receiver(ctx, s.to.Slot)
		}
	})
	all.Go(func() { s.host, s.hostErr = m.look(ctx, m.from, false) })
	all.Wait()
	if m.from.host != nil {
		s.hostKind = m.from.host.kind()
	}
	return s, nil
}

func observePreflight(ctx context.Context, m move) (providers.Result, error) {
	s, err := gather(ctx, m)
	if err != nil {
		return providers.Result{}, err
	}
	checks := s.checks()
	text, err := json.Marshal(checks)
	if err != nil {
		return providers.Result{}, fmt.Errorf("encode the checks: %w", err)
	}
	values := map[string]string{"checks": string(text), "system_identifier": s.to.SystemIdentifier}
	if s.fromErr == nil {
		values["timeline_before"], values["timeline"] = fmt.Sprint(s.from.Timeline), fmt.Sprint(s.from.Timeline)
	}
	var failed []string
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c.Detail)
		}
	}
	if len(failed) > 0 {
		return result(providers.NotDone, values, "%d of %d checks failed: %s", len(failed), len(checks), strings.Join(failed, "; ")), nil
	}
	return result(providers.Done, values, "all %d checks passed", len(checks)), nil
}

// actPreflight refuses if any check failed, with the remedies.
func actPreflight(ctx context.Context, m move) (providers.Result, error) {
	res, err := observePreflight(ctx, m)
	if err != nil || res.State == providers.Done {
		return res, err
	}
	var checks []Finding
	if err := json.Unmarshal([]byte(res.Values["checks"]), &checks); err != nil {
		return res, fmt.Errorf("decode the checks: %w", err)
	}
	var problems, remedies []string
	for _, c := range checks {
		if !c.OK {
			problems, remedies = append(problems, c.Name+": "+c.Detail), append(remedies, c.Remedy)
		}
	}
	return res, fault.Conflictf("database "+string(m.p.db.ID), "is not ready to move from %s to %s: %s", m.from.Region, m.to.Region, strings.Join(problems, "; ")).
		Do("%s", strings.Join(remedies, "; "))
}
