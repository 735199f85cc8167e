package runbooks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// check looks at the runbook as a whole, once each part of it is sound.
func (p *parse) check() {
	known := map[StepID][]string{} // the values of all steps that are over by then
	p.checkSequence(p.rb.Steps, known)
	p.checkFence(p.rb.Steps, nil)
}

// checkSequence checks references: a step may refer to parameters and to the
// values of steps that are certainly over before it begins.
func (p *parse) checkSequence(specs []Spec, known map[StepID][]string) {
	for _, s := range specs {
		p.checkStep(s, known)
	}
}

func (p *parse) checkStep(s Spec, known map[StepID][]string) {
	where := p.places[s.ID]
	if where.when != nil {
		p.checkWhen(s.When, where.when)
	}
	if len(s.Sequence) > 0 {
		p.checkSequence(s.Sequence, known)
		return
	}
	if len(s.Parallel) > 0 {
		after := map[StepID][]string{}
		for _, branch := range s.Parallel {
			alone := clone(known)
			p.checkStep(branch, alone)
			for id, values := range alone {
				after[id] = values
			}
		}
		for id, values := range after {
			known[id] = values
		}
		return
	}
	p.checkReferences(s.With, where.with, known)
	known[s.ID] = p.kinds[s.Kind].Values
	if s.Compensate != nil {
		p.checkReferences(s.Compensate.With, where.compensate.with, known)
	}
}

func clone(m map[StepID][]string) map[StepID][]string {
	c := make(map[StepID][]string, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func (p *parse) checkReferences(with map[string]string, nodes map[string]ast.Node, known map[StepID][]string) {
	for name, text := range with {
		_, err := expand(text, func(r reference) string {
			p.checkReference(r, nodes[name], known)
			return ""
		})
		if err != nil {
			p.at(nodes[name], "%s: %v", name, err).Do = "write ${param} or ${step.value}, or $${ for a plain ${"
		}
	}
}

func (p *parse) checkReference(r reference, n ast.Node, known map[StepID][]string) {
	if r.step == "" {
		if !p.isParam(r.name) {
			p.at(n, "%s refers to a parameter that is not declared", r).Do = "declare it under params, or use one of " + strings.Join(p.paramNames(), ", ")
		}
		return
	}
	values, over := known[r.step]
	switch {
	case p.places[r.step] == nil:
		p.at(n, "%s refers to a step that is not there", r)
	case !over:
		p.at(n, "%s refers to a step that is not over by then", r).Do = "move it behind that step, and out of a parallel group with it"
	case !slices.Contains(values, r.name):
		p.at(n, "%s: step %s does not give %q", r, r.step, r.name).Do = "it gives " + orNothing(values)
	}
}

func (p *parse) checkWhen(text string, n ast.Node) {
	single := false
	_, err := expandText(text, func(r reference) string {
		single = r.step == "" && text == r.String()
		if single && !p.isParam(r.name) {
			p.at(n, "%s refers to a parameter that is not declared", r).Do = "use one of " + strings.Join(p.paramNames(), ", ")
		}
		return ""
	})
	if err != nil || !single {
		p.at(n, "when is %q", text).Do = "name one parameter, as ${param}: the step is planned if that is neither empty nor false nor zero"
	}
}

// checkFence refuses a promotion without a fence of the same database that is
// certainly over before it. It returns the databases, as they are written,
// that are fenced after specs.
func (p *parse) checkFence(specs []Spec, fenced []string) []string {
	for _, s := range specs {
		var held []string
		switch {
		case len(s.Sequence) > 0:
			held = p.checkFence(s.Sequence, fenced)
		case len(s.Parallel) > 0:
			for _, branch := range s.Parallel {
				held = append(held, p.checkFence([]Spec{branch}, fenced)...)
			}
		default:
			k := p.kinds[s.Kind]
			if k.Promotes && !slices.Contains(fenced, s.With["database"]) {
				p.at(p.places[s.ID].node, "step %s promotes, and no fence of that database is proved before it", s.ID).Do =
					fmt.Sprintf("put a step of kind %s before it, without when: and not beside it", strings.Join(p.fencing(), " or "))
			}
			if k.Fences {
				held = []string{s.With["database"]}
			}
		}
		if s.When == "" {
			fenced = append(slices.Clip(fenced), held...)
		}
	}
	return fenced
}

func (p *parse) fencing() []string {
	var names []string
	for _, name := range p.kinds.Names() {
		if p.kinds[name].Fences {
			names = append(names, name)
		}
	}
	return names
}

func (p *parse) isParam(name string) bool { return slices.Contains(p.paramNames(), name) }

func (p *parse) paramNames() []string {
	names := []string{FromParam}
	for _, param := range p.rb.Params {
		names = append(names, param.Name)
	}
	return names
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
