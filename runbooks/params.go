package runbooks

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// ParamTypes are the types that a parameter may have.
var ParamTypes = [...]string{"string", "integer", "bytes", "duration", "boolean", "region", "database"}

const maxParamLength = 1024

// Bind checks what was given against what the runbook declares, fills in the
// defaults and returns every parameter in its canonical form: bytes as a
// whole number, durations as Go writes them. What was not given and has no
// default is absent. All mistakes are reported at once.
func (r Runbook) Bind(given map[string]string) (map[string]string, error) {
	bound := map[string]string{}
	var wrong []string
	for _, p := range r.Params {
		text, ok := given[p.Name]
		if !ok || text == "" {
			text = p.Default
		}
		if text == "" {
			if p.Required {
				wrong = append(wrong, fmt.Sprintf("%s is missing", p.Name))
			}
			continue
		}
		value, err := p.canonical(text)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", p.Name, err))
			continue
		}
		bound[p.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(r.Params, func(p Param) bool { return p.Name == name }) {
			wrong = append(wrong, fmt.Sprintf("%s is not a parameter of it", name))
		}
	}
	if len(wrong) > 0 {
		return nil, fault.Invalidf("runbook "+r.Name, "%s", strings.Join(wrong, "; ")).Do("it takes %s", r.signature())
	}
	return bound, nil
}

// signature names the parameters for error messages: required ones plain,
// the others in brackets.
func (r Runbook) signature() string {
	if len(r.Params) == 0 {
		return "no parameters"
	}
	var names []string
	for _, p := range r.Params {
		if n := fmt.Sprintf("%s (%s)", p.Name, p.Type); p.Required {
			names = append(names, n)
		} else {
			names = append(names, "["+n+"]")
		}
	}
	return strings.Join(names, ", ")
}

func (p Param) canonical(text string) (string, error) {
	if len(text) > maxParamLength {
		return "", fmt.Errorf("has %d bytes, at most %d are taken", len(text), maxParamLength)
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return "", fmt.Errorf("contains the control character %q", c)
		}
	}
	switch p.Type {
	case "string":
		return text, nil
	case "integer":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%q is no whole number", text)
		}
		return strconv.FormatInt(n, 10), nil
	case "bytes":
		n, err := ParseBytes(text)
		if err != nil {
			return "", err
		}
		return strconv.FormatInt(n, 10), nil
	case "duration":
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return "", fmt.Errorf("%q is no duration like 500ms, 30s or 5m", text)
		}
		return d.String(), nil
	case "boolean":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return "", fmt.Errorf("%q is neither true nor false", text)
		}
		return strconv.FormatBool(b), nil
	case "region", "database":
		return text, regions.CheckID(p.Type, text)
	}
	return "", fmt.Errorf("has the unknown type %q", p.Type)
}

var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseBytes reads a number of bytes such as "16MiB", "1GB" or "0".
func ParseBytes(text string) (int64, error) {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.size {
			break
		}
		return n * u.size, nil
	}
	return 0, fmt.Errorf("%q is no number of bytes like 0, 512kB or 16MiB", text)
}

// holds reports whether a when: condition is met by the bound parameters.
func holds(when string, params map[string]string) bool {
	if when == "" {
		return true
	}
	value, err := expandText(when, func(r reference) string { return params[r.name] })
	if err != nil {
		return true // Parse refuses such a text
	}
	if d, err := time.ParseDuration(value); err == nil && d == 0 {
		return false
	}
	return value != "" && value != "false"
}
