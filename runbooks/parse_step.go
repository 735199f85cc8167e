package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"fairlead/regions"
)

// spec reads one step, group or compensation.
func (p *parse) spec(n ast.Node, depth int, compensation bool) (Spec, *place, bool) {
	what := "a step"
	if compensation {
		what = "compensate"
	}
	entries, ok := p.mapping(n, what)
	if !ok {
		return Spec{}, nil, false
	}
	s, where := Spec{}, &place{node: n, with: map[string]ast.Node{}}
	if len(entries) > 0 {
		where.node = entries[0].key
	}
	given := map[string]entry{}
	for _, e := range entries {
		given[e.name] = e
		switch {
		case e.name == "kind":
			s.Kind = p.text(e)
		case e.name == "title":
			s.Title = p.text(e)
		case e.name == "with":
			p.with(e, &s, where)
		case e.name == "timeout":
			s.Timeout = p.duration(e, time.Millisecond, maxTimeout)
		case e.name == "retries":
			s.Retries = p.integer(e, 0, maxRetries)
		case e.name == "backoff":
			s.Backoff = p.duration(e, time.Millisecond, time.Hour)
		case compensation:
			p.at(e.key, "%s is not known here", e.name).Do = "compensate has kind, title, with, timeout, retries and backoff"
		case e.name == "id":
			s.ID = StepID(p.text(e))
			if err := regions.CheckID("step", string(s.ID)); err != nil {
				p.at(e.value, "%v", err)
			}
		case e.name == "when":
			s.When, where.when = p.text(e), e.value
		case e.name == "no_return":
			s.NoReturn = p.boolean(e)
		case e.name == "approvals":
			s.Approvals = p.integer(e, 1, maxApprovals)
		case e.name == "compensate":
			if c, cw, ok := p.spec(e.value, depth, true); ok {
				s.Compensate, where.compensate = &c, cw
			}
		case e.name == "parallel":
			s.Parallel = p.specs(e, depth+1)
		case e.name == "sequence":
			s.Sequence = p.specs(e, depth+1)
		default:
			p.at(e.key, "%s is not known here", e.name).Do =
				"a step has id, kind, title, when, with, timeout, retries, backoff, approvals, no_return and compensate, or parallel or sequence"
		}
	}
	if _, ok := given["id"]; !ok && !compensation {
		p.at(n, "a step has no id").Do = "give it one, such as `id: promote`"
	}
	p.shape(n, &s, where, given)
	return s, where, true
}

// shape checks that what was given belongs together.
func (p *parse) shape(n ast.Node, s *Spec, where *place, given map[string]entry) {
	_, parallel := given["parallel"]
	_, sequence := given["sequence"]
	kind, isStep := given["kind"]
	switch {
	case parallel && sequence:
		p.at(n, "step %s has both parallel and sequence", s.ID).Do = "nest one in the other"
		return
	case parallel || sequence:
		for name, e := range given {
			if !slices.Contains([]string{"id", "title", "when", "parallel", "sequence"}, name) {
				p.at(e.key, "a group takes no %s", name).Do = "give it to the steps in the group"
			}
		}
		return
	case !isStep:
		p.at(n, "step %s has no kind", s.ID).Do = "give it a kind, or make it a group with parallel or sequence"
		return
	}
	k, known := p.kinds[s.Kind]
	if !known {
		p.at(kind.value, "%q is no kind of step", s.Kind).Do = "use one of " + strings.Join(p.kinds.Names(), ", ")
		return
	}
	p.fields(n, s, k, where)
	p.defaults(s, k, given)
	switch e, ok := given["no_return"]; {
	case k.Promotes && !s.NoReturn:
		p.at(kind.value, "step %s promotes, which cannot be taken back", s.ID).Do = "write `no_return: true`, so that nobody counts on an undo"
	case ok && s.NoReturn && !k.Changes:
		p.at(e.key, "%s changes nothing, so it is no point of no return", s.Kind)
	}
	if e, ok := given["compensate"]; ok {
		switch {
		case s.NoReturn:
			p.at(e.key, "step %s is a point of no return and has a compensation", s.ID).Do = "remove one of the two: what is past that point is never undone"
		case !k.Changes:
			p.at(e.key, "%s changes nothing, so there is nothing to compensate", s.Kind)
		}
	}
}

func (p *parse) fields(n ast.Node, s *Spec, k Kind, where *place) {
	for name, node := range where.with {
		i := slices.IndexFunc(k.With, func(f Field) bool { return f.Name == name })
		if i < 0 {
			p.at(node, "%s takes no %q", s.Kind, name).Do = "it takes " + fieldNames(k)
			continue
		}
		if _, isList := asList(s.With[name]); isList && !k.With[i].List {
			p.at(node, "%s of %s must be a text, not a list", name, s.Kind)
		}
	}
	for _, f := range k.With {
		if _, ok := s.With[f.Name]; f.Required && !ok {
			p.at(n, "%s needs %s", s.Kind, f.Name).Do = fmt.Sprintf("add `with: {%s: …}`; it takes %s", f.Name, fieldNames(k))
		}
	}
}

func fieldNames(k Kind) string {
	if len(k.With) == 0 {
		return "nothing"
	}
	var names []string
	for _, f := range k.With {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// defaults fills in what was not written, and refuses what a kind cannot use.
func (p *parse) defaults(s *Spec, k Kind, given map[string]entry) {
	if k.Approves {
		for _, name := range []string{"timeout", "retries", "backoff", "compensate", "no_return"} {
			if e, ok := given[name]; ok {
				p.at(e.key, "%s takes no %s", s.Kind, name).Do = "an approval waits until people approve, decline or abort"
			}
		}
		if s.Approvals == 0 {
			s.Approvals = 1
		}
		return
	}
	if e, ok := given["approvals"]; ok {
		p.at(e.key, "only a step of kind %s takes approvals", ApproveKind)
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.Backoff == 0 {
		s.Backoff = defaultBackoff
	}
}

func (p *parse) with(e entry, s *Spec, where *place) {
	entries, ok := p.mapping(e.value, "with")
	if !ok {
		return
	}
	s.With = map[string]string{}
	for _, w := range entries {
		where.with[w.name] = w.value
		if list, ok := w.value.(*ast.SequenceNode); ok {
			elements := []string{}
			for _, n := range list.Values {
				text, ok := scalar(n)
				if !ok {
					p.at(n, "an element of %s must be a text, not %s", w.name, kindOf(n))
				}
				elements = append(elements, text)
			}
			if len(elements) == 0 {
				p.at(w.value, "%s is an empty list", w.name)
				continue
			}
			s.With[w.name] = fromList(elements)
			continue
		}
		s.With[w.name] = p.text(w)
	}
}
