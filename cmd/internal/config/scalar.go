package config

import (
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func (t *tree) str(n ast.Node, path string) string {
	switch n.Type() {
	case ast.SequenceType, ast.MappingType, ast.MappingValueType:
		t.problem(n, "write one value", "%s should be text, not %s", last(path), describe(n))
		return ""
	}
	return text(n)
}

func (t *tree) strs(n ast.Node, path string) []string {
	var out []string
	for i, v := range t.items(n, path) {
		out = append(out, t.str(v, index(path, i)))
	}
	return out
}

func (t *tree) boolean(n ast.Node, path string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		t.problem(n, "write true or false", "%s should be true or false, not %s", last(path), describe(n))
		return false
	}
	return b.Value
}

func (t *tree) integer(n ast.Node, path string, least, most int) int {
	v, err := strconv.Atoi(t.str(n, path))
	if err != nil {
		t.problem(n, "", "%s should be a whole number, not %s", last(path), describe(n))
		return least
	}
	if v < least || v > most {
		t.problem(n, "", "%s is %d but should be %d to %d", last(path), v, least, most)
		return least
	}
	return v
}

func (t *tree) number(n ast.Node, path string, least, most float64) float64 {
	v, err := strconv.ParseFloat(t.str(n, path), 64)
	if err != nil || math.IsNaN(v) || v < least || v > most {
		t.problem(n, "", "%s should be a number from %g to %g, not %s", last(path), least, most, describe(n))
		return 0
	}
	return v
}

func (t *tree) duration(n ast.Node, path string) time.Duration {
	d, err := time.ParseDuration(t.str(n, path))
	if err != nil || d < 0 {
		t.problem(n, "write it like 500ms, 30s or 5m", "%s should be a length of time, not %s", last(path), describe(n))
		return 0
	}
	return d
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

func (t *tree) size(n ast.Node, path string) int64 {
	written := t.str(n, path)
	number, unit := strings.TrimSpace(written), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v < 0 || v > math.MaxInt64/unit {
		t.problem(n, "write it like 16MiB or 4096", "%s should be a size, not %q", last(path), written)
		return 0
	}
	return v * unit
}

func (t *tree) address(n ast.Node, path string) netip.Addr {
	a, err := netip.ParseAddr(t.str(n, path))
	if err != nil {
		t.problem(n, "write it like 192.0.2.10 or 2001:db8::10", "%s should be an IP address, not %s", last(path), describe(n))
	}
	return a
}

func (t *tree) prefix(n ast.Node, path string) netip.Prefix {
	written := t.str(n, path)
	p, err := netip.ParsePrefix(written)
	switch {
	case err != nil:
		t.problem(n, "write it like 192.0.2.0/24", "%s should be a network, not %q", last(path), written)
	case p.Masked() != p:
		t.problem(n, "write "+p.Masked().String(), "%q has bits set beyond its length", written)
	}
	return p
}

// hostPort reads host:port; port 0 lets the kernel choose where that is
// allowed.
func (t *tree) hostPort(n ast.Node, path string) string {
	written := t.str(n, path)
	host, port, err := net.SplitHostPort(written)
	if err != nil || host == "" {
		t.problem(n, "write it like 127.0.0.1:8470", "%s should be host:port, not %q", last(path), written)
		return ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		t.problem(n, "use 1 to 65535", "%s has port %q", last(path), port)
	}
	return written
}
