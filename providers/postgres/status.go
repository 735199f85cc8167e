package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"fairlead/providers"
	"fairlead/providers/postgres/agent"
	"fairlead/regions"
)

// MemberStatus is how one member stands.
type MemberStatus struct {
	Region  regions.ID
	Facts   Facts // meaningful if Err is nil
	Err     error
	Agent   agent.Status // meaningful if HostErr is nil
	HostErr error
}

// String is the status in words.
func (s MemberStatus) String() string {
	if s.Err != nil {
		text := fmt.Sprintf("%s does not answer: %v", s.Region, s.Err)
		if s.HostErr == nil {
			text += "; " + s.Agent.Detail
		}
		return text
	}
	text := fmt.Sprintf("%s is a %s on timeline %d of system %s, at %s", s.Region, s.Facts.Role(), s.Facts.Timeline, s.Facts.SystemIdentifier, s.Facts.Current)
	if s.Facts.Standby {
		text += fmt.Sprintf(", %d bytes received and not replayed", s.Facts.Current.Minus(s.Facts.Replayed))
	}
	return text
}

// Status asks every member and every host, all at once.
func (p *Provider) Status(ctx context.Context) []MemberStatus {
	out := make([]MemberStatus, len(p.db.Members))
	var all sync.WaitGroup
	for i, dm := range p.db.Members {
		member := p.members[dm.Region]
		out[i].Region = dm.Region
		all.Go(func() { out[i].Facts, out[i].Err = member.facts(ctx) })
		all.Go(func() {
			m := move{p: p}
			out[i].Agent, out[i].HostErr = m.look(ctx, member, true)
		})
	}
	all.Wait()
	return out
}

func observeStatus(ctx context.Context, m move) (providers.Result, error) {
	values := map[string]string{}
	var words []string
	var primary, standby []MemberStatus
	for _, s := range m.p.Status(ctx) {
		prefix := strings.ReplaceAll(string(s.Region), "-", "_") + "_"
		words = append(words, s.String())
		if s.Err != nil {
			values[prefix+"role"] = "unknown"
			continue
		}
		values[prefix+"role"], values[prefix+"lsn"] = s.Facts.Role(), s.Facts.Current.String()
		values[prefix+"timeline"], values["system_identifier"] = fmt.Sprint(s.Facts.Timeline), s.Facts.SystemIdentifier
		if s.Facts.Standby {
			standby = append(standby, s)
		} else {
			primary = append(primary, s)
		}
	}
	if len(primary) == 1 {
		for _, s := range standby {
			prefix := strings.ReplaceAll(string(s.Region), "-", "_") + "_"
			values[prefix+"lag_bytes"] = fmt.Sprint(primary[0].Facts.Current.Minus(s.Facts.Replayed))
		}
	}
	state := providers.Done
	switch len(primary) {
	case 0:
		words = append(words, "nobody writes")
	case 1:
	default:
		words = append(words, fmt.Sprintf("%d servers write: fence all but the one that is the writer", len(primary)))
		state = providers.NotDone
	}
	return result(state, values, "%s", strings.Join(words, "; ")), nil
}
