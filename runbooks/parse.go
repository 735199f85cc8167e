package runbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"fairlead/regions"
)

// Limits of what may be written.
const (
	defaultTimeout = 30 * time.Second
	maxTimeout     = 24 * time.Hour
	defaultBackoff = 500 * time.Millisecond
	maxRetries     = 20
	maxApprovals   = 9
	maxSteps       = 200
	maxDepth       = 8
)

// Parse reads a runbook from YAML. It is strict: what it does not know it
// refuses, with the place and the remedy, and it reports every problem it can
// find at once. The Runbook is usable only if there are none.
func Parse(file, text string, kinds Kinds) (Runbook, []Problem) {
	p := &parse{reader: reader{file: file}, kinds: kinds, places: map[StepID]*place{}}
	root, ok := p.document(text)
	if ok {
		p.runbook(root)
	}
	if len(p.problems) == 0 {
		p.check()
	}
	sum := sha256.Sum256([]byte(text))
	p.rb.Hash = hex.EncodeToString(sum[:])
	slices.SortStableFunc(p.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if len(p.problems) > maxProblems {
		p.problems = append(p.problems[:maxProblems], Problem{File: file, Line: 1, Column: 1, What: fmt.Sprintf("and %d more problems", len(p.problems)-maxProblems)})
	}
	return p.rb, p.problems
}

// parse is one reading of one text.
type parse struct {
	reader
	kinds  Kinds
	rb     Runbook
	places map[StepID]*place
	steps  int
}

// place remembers where a step and its parts were written, for the checks
// that need the whole.
type place struct {
	node       ast.Node
	with       map[string]ast.Node
	when       ast.Node
	compensate *place
}

func (p *parse) runbook(root ast.Node) {
	entries, ok := p.mapping(root, "a runbook")
	if !ok {
		return
	}
	for _, e := range entries {
		switch e.name {
		case "runbook":
			p.rb.Name = p.text(e)
			if err := regions.CheckID("runbook", p.rb.Name); err != nil {
				p.at(e.value, "%v", err)
			}
		case "version":
			p.rb.Version = p.integer(e, 1, 1<<30)
		case "title":
			p.rb.Title = p.text(e)
		case "about":
			p.rb.About = strings.TrimSpace(p.text(e))
		case "ungraceful":
			p.rb.Ungraceful = p.boolean(e)
		case "on_failure":
			p.rb.OnFailure = OnFailure(p.text(e))
			if p.rb.OnFailure != Block && p.rb.OnFailure != Undo {
				p.at(e.value, "on_failure is %q", p.rb.OnFailure).Do = "write block (wait for a person) or undo (take back what was done)"
			}
		case "params":
			p.params(e)
		case "steps":
			p.rb.Steps = p.specs(e, 0)
		default:
			p.at(e.key, "%s is not known here", e.name).Do = "a runbook has runbook, version, title, about, ungraceful, on_failure, params and steps"
		}
	}
	if p.rb.OnFailure == "" {
		p.rb.OnFailure = Block
	}
	for name, missing := range map[string]bool{"runbook": p.rb.Name == "", "version": p.rb.Version == 0, "title": p.rb.Title == "", "steps": len(p.rb.Steps) == 0} {
		if missing && !slices.ContainsFunc(entries, func(e entry) bool { return e.name == name }) {
			p.at(root, "%s is missing", name).Do = "a runbook needs runbook, version, title and steps"
		}
	}
}

func (p *parse) params(e entry) {
	entries, ok := p.mapping(e.value, "params")
	if !ok {
		return
	}
	for _, pe := range entries {
		param := Param{Name: pe.name, Type: "string"}
		if !isWord(pe.name) || pe.name == FromParam {
			p.at(pe.key, "%q cannot be a parameter's name", pe.name).Do = "use lower-case letters, digits, - and _; from is always there"
		}
		fields, ok := p.mapping(pe.value, "parameter "+pe.name)
		if !ok {
			continue
		}
		var given *entry
		for _, f := range fields {
			switch f.name {
			case "type":
				param.Type = p.text(f)
				if !slices.Contains(ParamTypes[:], param.Type) {
					p.at(f.value, "%q is no type", param.Type).Do = "use one of " + strings.Join(ParamTypes[:], ", ")
				}
			case "about":
				param.About = strings.TrimSpace(p.text(f))
			case "required":
				param.Required = p.boolean(f)
			case "default":
				param.Default = p.text(f)
				given = &f
			default:
				p.at(f.key, "%s is not known here", f.name).Do = "a parameter has type, about, required and default"
			}
		}
		if given != nil && param.Default != "" && slices.Contains(ParamTypes[:], param.Type) {
			value, err := param.canonical(param.Default)
			if err != nil {
				p.at(given.value, "the default of %s: %v", param.Name, err)
			}
			param.Default = value
			if param.Required {
				p.at(given.value, "%s is required and has a default", param.Name).Do = "keep one of the two"
			}
		}
		p.rb.Params = append(p.rb.Params, param)
	}
}

func (p *parse) specs(e entry, depth int) []Spec {
	nodes, ok := p.sequence(e.value, e.name)
	if !ok {
		return nil
	}
	if len(nodes) == 0 {
		p.at(e.value, "%s is empty", e.name).Do = "write at least one step"
	}
	if depth > maxDepth {
		p.at(e.value, "groups are nested more than %d deep", maxDepth)
		return nil
	}
	var specs []Spec
	for _, n := range nodes {
		if p.steps++; p.steps > maxSteps {
			p.at(n, "there are more than %d steps", maxSteps).Do = "split the runbook"
			return specs
		}
		if s, where, ok := p.spec(n, depth, false); ok {
			if p.places[s.ID] != nil {
				p.at(n, "the step %s is there twice", s.ID).Do = "give each step and group its own id"
			} else if s.ID != "" {
				p.places[s.ID] = where
			}
			specs = append(specs, s)
		}
	}
	return specs
}
