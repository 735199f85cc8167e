package runbooks

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Names that every runbook may refer to without declaring them, because the
// plan fixes them: the writer when the run was planned.
const FromParam = "from"

// reference is one ${…} in a text: ${param}, or ${step.value}.
type reference struct {
	step StepID // empty: a parameter
	name string
}

func (r reference) String() string {
	if r.step == "" {
		return "${" + r.name + "}"
	}
	return fmt.Sprintf("${%s.%s}", r.step, r.name)
}

// expand replaces the references in text by what lookup gives. A text that
// holds a list is expanded element by element, so that no value can add an
// element. "$${" stands for "${".
func expand(text string, lookup func(reference) string) (string, error) {
	if list, ok := asList(text); ok {
		for i, element := range list {
			var err error
			if list[i], err = expandText(element, lookup); err != nil {
				return "", err
			}
		}
		return fromList(list), nil
	}
	return expandText(text, lookup)
}

func expandText(text string, lookup func(reference) string) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		switch {
		case i < 0:
			b.WriteString(text)
			return b.String(), nil
		case i > 0 && text[i-1] == '$':
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		inner, rest, closed := strings.Cut(text[i+2:], "}")
		ref, ok := parseReference(inner)
		if !closed || !ok {
			return "", fmt.Errorf("%q is no reference", text[i:min(len(text), i+40)])
		}
		b.WriteString(lookup(ref))
		text = rest
	}
}

func parseReference(inner string) (reference, bool) {
	step, name, dotted := strings.Cut(inner, ".")
	if !dotted {
		return reference{name: step}, isWord(step)
	}
	return reference{StepID(step), name}, isWord(step) && isWord(name)
}

func isWord(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && s[0] >= 'a' && s[0] <= 'z'
}

// asList returns the elements of a text that [fromList] made.
func asList(text string) ([]string, bool) {
	if !strings.HasPrefix(text, `["`) {
		return nil, false
	}
	var list []string
	err := json.Unmarshal([]byte(text), &list)
	return list, err == nil
}

func fromList(list []string) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(b)
}

// List returns the elements of a with: entry that was written as a list; a
// plain text is a list of itself.
func List(text string) []string {
	if list, ok := asList(text); ok {
		return list
	}
	if text == "" {
		return nil
	}
	return []string{text}
}
