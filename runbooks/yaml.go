package runbooks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds of a runbook's text; the longest we have seen has 300 lines. The time
// that the YAML parser takes grows with the square of lines and of brackets,
// and a text may come from anyone who may check one.
const (
	maxText     = 64 << 10
	maxLines    = 4000
	maxBrackets = 2000
	maxProblems = 100
)

// reader walks a YAML tree and collects problems instead of stopping at the
// first one: who mends a file wants to see all of them.
type reader struct {
	file     string
	problems []Problem
}

func (r *reader) at(n ast.Node, what string, args ...any) *Problem {
	p := Problem{File: r.file, Line: 1, Column: 1, What: fmt.Sprintf(what, args...)}
	switch m := n.(type) { // a mapping's own token is its first colon
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p.Line, p.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	r.problems = append(r.problems, p)
	return &r.problems[len(r.problems)-1]
}

// entry is one key of a mapping with its value.
type entry struct {
	name  string
	key   ast.Node
	value ast.Node
}

// document parses text and returns the one mapping it must consist of.
func (r *reader) document(text string) (ast.Node, bool) {
	if lines, brackets := strings.Count(text, "\n"), strings.Count(text, "[")+strings.Count(text, "{"); len(text) > maxText || lines > maxLines || brackets > maxBrackets {
		r.at(nil, "the text has %d bytes, %d lines and %d brackets", len(text), lines, brackets).Do =
			fmt.Sprintf("a runbook has at most %d, %d and %d; split it", maxText, maxLines, maxBrackets)
		return nil, false
	}
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p := r.at(nil, "not YAML: %v", err)
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			p.What = "not YAML: " + strings.TrimSpace(syntax.Message)
			if t := syntax.Token; t != nil && t.Position != nil {
				p.Line, p.Column = t.Position.Line, t.Position.Column
			}
		}
		return nil, false
	}
	docs := slices.DeleteFunc(slices.Clone(file.Docs), func(d *ast.DocumentNode) bool { return d == nil || d.Body == nil })
	switch len(docs) {
	case 1:
		return docs[0].Body, true
	case 0:
		r.at(nil, "the text is empty").Do = "begin with `runbook: NAME`"
	default:
		r.at(docs[1].Body, "a second document begins here").Do = "write one runbook in one file"
	}
	return nil, false
}

// mapping returns the entries of n in the order written. Keys that occur
// twice, and anything that is no plain mapping, are problems.
func (r *reader) mapping(n ast.Node, what string) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		r.at(n, "%s must be a mapping, not %s", what, kindOf(n))
		return nil, false
	}
	seen := map[string]bool{}
	entries := make([]entry, 0, len(values))
	for _, v := range values {
		name, ok := scalar(v.Key)
		switch {
		case !ok:
			r.at(v.Key, "a key of %s must be a plain word", what)
		case seen[name]:
			r.at(v.Key, "%s is given twice", name).Do = "keep one of them"
		default:
			seen[name] = true
			entries = append(entries, entry{name, v.Key, v.Value})
		}
	}
	return entries, true
}

func (r *reader) sequence(n ast.Node, what string) ([]ast.Node, bool) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.at(n, "%s must be a list, not %s", what, kindOf(n))
		return nil, false
	}
	return s.Values, true
}

func (r *reader) text(e entry) string {
	s, ok := scalar(e.value)
	if !ok {
		r.at(e.value, "%s must be a text, not %s", e.name, kindOf(e.value))
	}
	return s
}

func (r *reader) integer(e entry, low, high int) int {
	s := r.text(e)
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		r.at(e.value, "%s is %q", e.name, s).Do = fmt.Sprintf("give a whole number from %d to %d", low, high)
		return low
	}
	return n
}

func (r *reader) boolean(e entry) bool {
	b, ok := e.value.(*ast.BoolNode)
	if !ok {
		r.at(e.value, "%s must be true or false", e.name)
		return false
	}
	return b.Value
}

func (r *reader) duration(e entry, low, high time.Duration) time.Duration {
	s := r.text(e)
	d, err := time.ParseDuration(s)
	if err != nil {
		r.at(e.value, "%s is %q, which is no duration", e.name, s).Do = `write it like "500ms", "30s" or "5m"`
		return low
	}
	if d < low || d > high {
		r.at(e.value, "%s is %v", e.name, d).Do = fmt.Sprintf("give from %v to %v", low, high)
		return low
	}
	return d
}

// scalar returns the text of a scalar as it was written, without quotes.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return v.GetToken().Value, true
	case *ast.NullNode:
		return "", v.GetToken().Value == ""
	case *ast.MappingKeyNode:
		return scalar(v.Value)
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return "an anchor, alias or tag, which are not used here"
	}
	return "a plain value"
}
