package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// place is where a value stands.
type place struct {
	file         string
	line, column int
}

// tree walks the syntax tree of one file. It notes every problem and, under a
// path such as "services[2].policy.order[1]", where each value stands, so that
// a later check can point at it.
type tree struct {
	file     string
	problems *Problems
	places   map[string]place
	anchors  map[string]ast.Node
}

// maxDepth bounds how deep values nest: deeper is an alias within itself.
const maxDepth = 32

func (t *tree) problem(n ast.Node, remedy, format string, args ...any) {
	p := t.placeOf(n)
	*t.problems = append(*t.problems, Problem{File: p.file, Line: p.line, Column: p.column, What: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (t *tree) placeOf(n ast.Node) place {
	if n == nil {
		return place{file: t.file}
	}
	tok := n.GetToken()
	switch v := n.(type) {
	case *ast.MappingNode:
		if len(v.Values) > 0 {
			tok = v.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		tok = v.Key.GetToken()
	}
	if tok == nil || tok.Position == nil {
		return place{file: t.file}
	}
	return place{t.file, tok.Position.Line, tok.Position.Column}
}

// root parses the text of a file, and reports whether it could. Of an empty
// file it returns nil.
func (t *tree) root(text []byte) (root ast.Node, parsed bool) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		p := syntaxProblem(t.file, err)
		p.Remedy = "mend the quotes, brackets or indentation there, or just before"
		*t.problems = append(*t.problems, p)
		return nil, false
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		t.problem(file.Docs[1].Body, "split it into several files of a directory", "a second YAML document in one file")
	}
	if len(file.Docs) == 0 {
		return nil, true
	}
	t.anchors = map[string]ast.Node{}
	ast.Walk(anchorFinder{t.anchors}, file.Docs[0].Body)
	return file.Docs[0].Body, true
}

type anchorFinder struct{ found map[string]ast.Node }

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		f.found[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// resolve follows anchors, aliases and tags to the value itself.
func (t *tree) resolve(n ast.Node) ast.Node {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := t.anchors[v.Value.GetToken().Value]
			if !ok {
				t.problem(v, "define it with &name first", "unknown alias %q", v.Value.GetToken().Value)
				return nil
			}
			n = target
		default:
			return n
		}
	}
	t.problem(n, "", "an alias leads to itself")
	return nil
}

// entry is one key of a mapping and its value.
type entry struct {
	key   string
	at    ast.Node // the key
	value ast.Node // resolved
}

// entries returns a mapping's keys in the order they were written. Merge keys
// ("<<") bring in what the mapping itself does not say.
func (t *tree) entries(n ast.Node, path string) []entry {
	if strings.Count(path, ".") > maxDepth {
		t.problem(n, "", "values nest deeper than %d levels", maxDepth)
		return nil
	}
	n = t.resolve(n)
	if n == nil {
		return nil
	}
	var values []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	case *ast.NullNode:
		return nil
	default:
		t.problem(n, "write key: value pairs", "%s should be a mapping, not %s", last(path), describe(n))
		return nil
	}
	t.places[path] = t.placeOf(n)
	var own, merged []entry
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, t.entries(v.Value, path)...)
			continue
		}
		key := v.Key.GetToken().Value
		if i := slices.IndexFunc(own, func(e entry) bool { return e.key == key }); i >= 0 {
			t.problem(v.Key, "keep one of them", "key %q is written twice", key)
			continue
		}
		own = append(own, entry{key, v.Key, t.resolve(v.Value)})
	}
	for _, e := range merged {
		if !slices.ContainsFunc(own, func(o entry) bool { return o.key == e.key }) {
			own = append(own, e)
		}
	}
	return own
}

// fields reads a mapping whose keys are known. Each function gets the value
// and its path.
func (t *tree) fields(n ast.Node, path string, known map[string]func(ast.Node, string)) {
	for _, e := range t.entries(n, path) {
		read, ok := known[e.key]
		if !ok {
			t.problem(e.at, suggestion(e.key, known), "unknown key %q", e.key)
			continue
		}
		if e.value == nil {
			continue
		}
		sub := join(path, e.key)
		t.places[sub] = t.placeOf(e.value)
		if _, empty := e.value.(*ast.NullNode); empty {
			continue // the same as leaving it out
		}
		read(e.value, sub)
	}
}

// items returns the values of a list; a single value counts as a list of one.
func (t *tree) items(n ast.Node, path string) []ast.Node {
	n = t.resolve(n)
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		if n == nil {
			return nil
		}
		t.places[index(path, 0)] = t.placeOf(n)
		return []ast.Node{n}
	}
	out := make([]ast.Node, 0, len(list.Values))
	for i, v := range list.Values {
		v = t.resolve(v)
		if v == nil {
			continue
		}
		t.places[index(path, i)] = t.placeOf(v)
		out = append(out, v)
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func last(path string) string {
	if path == "" {
		return "the file"
	}
	return path[strings.LastIndexByte(path, '.')+1:]
}

func describe(n ast.Node) string {
	switch n.Type() {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "a mapping"
	case ast.NullType:
		return "nothing"
	}
	return fmt.Sprintf("%q", text(n))
}

// text returns a scalar as it was written, without quotes.
func text(n ast.Node) string {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	}
	tok := n.GetToken()
	if tok == nil || tok.Type == token.NullType {
		return ""
	}
	return tok.Value
}

// suggestion names the known key nearest to one that is not known.
func suggestion[T any](key string, known map[string]T) string {
	best, distance := "", 3
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		if d := editDistance(key, k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "known here: " + strings.Join(names, ", ")
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
