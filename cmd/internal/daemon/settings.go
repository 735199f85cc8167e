package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/config"
	"fairlead/regions/fault"
)

// settings tells about this node's configuration. It implements
// [api.Configuration] and [api.Readiness].
type settings struct{ *Node }

// Config implements [api.Configuration].
func (s settings) Config(context.Context) (openapi.Config, error) {
	now := s.source.now()
	wrong, since := now.problem()
	out := openapi.Config{Source: s.source.path, Files: now.Config.Files, Ok: wrong == nil, Problems: []openapi.TextProblem{}, LoadedAt: now.LoadedAt.UTC()}
	if d := s.decided(); d != nil {
		out.ContentHash = d.FleetHash
	}
	if wrong != nil {
		out.RefusedAt, out.Problems = since.UTC(), textProblems(wrong)
	}
	return out, nil
}

// CheckConfig implements [api.Configuration].
func (s settings) CheckConfig(_ context.Context, file, text string) []openapi.TextProblem {
	if problems := config.Check(file, text); len(problems) > 0 {
		return textProblems(problems)
	}
	return []openapi.TextProblem{}
}

func textProblems(err error) []openapi.TextProblem {
	problems, ok := errors.AsType[config.Problems](err)
	if f, about := errors.AsType[*fault.Error](err); !ok && about {
		return []openapi.TextProblem{{Problem: strings.TrimSuffix(err.Error(), " ("+f.Remedy+")"), Remedy: f.Remedy}}
	}
	if !ok {
		return []openapi.TextProblem{{Problem: err.Error()}}
	}
	var out []openapi.TextProblem
	for _, p := range problems {
		out = append(out, openapi.TextProblem{File: p.File, Line: p.Line, Column: p.Column, Problem: p.What, Remedy: p.Remedy})
	}
	return out
}

// configStatus is the short form, for the picture.
func (n *Node) configStatus() openapi.ConfigStatus {
	now := n.source.now()
	wrong, _ := now.problem()
	st := openapi.ConfigStatus{Source: n.source.path, Ok: wrong == nil, LoadedAt: now.LoadedAt.UTC()}
	if problems, ok := errors.AsType[config.Problems](wrong); ok {
		st.Problem = problems[0].String()
	} else if wrong != nil {
		st.Problem = wrong.Error()
	}
	return st
}

// Unready implements [api.Readiness]. A store that is gone is no reason: a
// node without it still judges, answers and shows.
func (s settings) Unready(context.Context) []string {
	var why []string
	if s.decided() == nil {
		why = append(why, "no decided state is known yet: neither the disk nor the store had one")
	}
	if s.settings.Has(config.DNS) && s.publisher.Current() == nil {
		why = append(why, "no answers have been compiled yet")
	}
	if at := s.judge.View().At; !at.IsZero() && time.Since(at) > 10*time.Second {
		why = append(why, "nothing has been judged for "+time.Since(at).Round(time.Second).String())
	}
	return why
}
