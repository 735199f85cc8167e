// Package house holds the test that keeps the house standing: which package
// may import which, and why.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// room is a package, or all packages below it where it ends with "/...".
type room string

func (r room) holds(pkg string) bool {
	if base, below := strings.CutSuffix(string(r), "/..."); below {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pkg == string(r)
}

// rule is one line of the house: what a room may know of the house, and the
// reason for whoever meets it.
type rule struct {
	room   room
	may    []room
	reason string
}

var rules = []rule{
	{"fairlead/regions/fault", nil, "everyone speaks of faults, so faults speak of nobody"},
	{"fairlead/regions", []room{"fairlead/regions/fault"}, "the model is the ground floor"},
	{"fairlead/regions/health", []room{"fairlead/regions", "fairlead/regions/fault"}, "judging is pure"},
	{"fairlead/regions/steer", []room{"fairlead/regions", "fairlead/regions/fault"}, "deciding is pure, and knows reports only as verdicts"},
	{"fairlead/regions/...", []room{"fairlead/regions/..."}, "regions observe and decide; who answers, runs or stores is above them"},
	{"fairlead/dns/zone", []room{"fairlead/regions", "fairlead/regions/fault"}, "a zone file is text"},
	{"fairlead/dns/...", []room{"fairlead/dns/...", "fairlead/regions", "fairlead/regions/fault", "fairlead/regions/steer"}, "answers are compiled from plans, never from reports"},
	{"fairlead/providers", []room{"fairlead/regions", "fairlead/regions/fault"}, "a provider acts on one outside system and knows nobody here"},
	{"fairlead/providers/...", []room{"fairlead/providers/...", "fairlead/regions", "fairlead/regions/fault"}, "a provider acts on one outside system and knows nobody here"},
	{"fairlead/runbooks", []room{"fairlead/regions", "fairlead/regions/fault"}, "where a run stands is a fold of its journal"},
	{"fairlead/runbooks/...", []room{"fairlead/runbooks/...", "fairlead/providers", "fairlead/regions", "fairlead/regions/fault", "fairlead/regions/steer"}, "runbooks order, providers execute"},
	{"fairlead/api/openapi", []room{}, "the contract comes before everything that keeps it"},
	{"fairlead/api/client", []room{"fairlead/api/openapi", "fairlead/regions/fault"}, "a client knows the contract and nothing behind it"},
	{"fairlead/api/auth", []room{"fairlead/regions/fault"}, "who someone is does not depend on what they want"},
	{"fairlead/api/console", []room{}, "the console is files"},
	{"fairlead/api/...", []room{"fairlead/api/...", "fairlead/runbooks", "fairlead/regions", "fairlead/regions/fault", "fairlead/regions/steer"}, "handlers decode, call and encode; what they call is handed to them"},
	{"fairlead/terraform/...", []room{"fairlead/terraform/...", "fairlead/api/client", "fairlead/api/openapi", "fairlead/regions/fault"}, "terraform is a client like any other"},
	{"fairlead/cmd/internal/demo", []room{"fairlead/..."}, "the demo builds a world"},
	{"fairlead/cmd/internal/...", []room{"fairlead/..."}, "wiring knows everyone"},
	{"fairlead/cmd/fairlead", []room{"fairlead/cmd/...", "fairlead/api/...", "fairlead/runbooks", "fairlead/runbooks/...", "fairlead/regions", "fairlead/regions/fault", "fairlead/dns/server", "fairlead/dns/zone", "fairlead/dns", "fairlead/regions/steer", "fairlead/providers/postgres/agent"}, "main parses and hands over"},
}

// kept says where a library has its one home.
var kept = []struct {
	library string
	home    []room
}{
	{"github.com/gin-gonic/gin", []room{"fairlead/api/..."}},
	{"github.com/miekg/dns", []room{"fairlead/dns/..."}},
	{"go.etcd.io/etcd", []room{"fairlead/cmd/internal/..."}},
	{"github.com/aws/aws-sdk-go-v2", []room{"fairlead/providers/aws/..."}},
	{"cloud.google.com/go", []room{"fairlead/providers/gcp/..."}},
	{"github.com/spf13/cobra", []room{"fairlead/cmd/fairlead"}},
}

// pure packages take the time as an argument and touch nothing.
var pure = []string{"fairlead/regions", "fairlead/regions/health", "fairlead/regions/steer", "fairlead/dns", "fairlead/runbooks"}

var effects = []string{"net", "net/http", "os", "os/exec", "log", "log/slog", "math/rand", "math/rand/v2"}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "fairlead/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

func TestEveryArrowIsAllowed(t *testing.T) {
	for _, p := range packages(t) {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.room.holds(p.ImportPath) })
		if i < 0 {
			t.Errorf("%s has no place in the house: give it a rule", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, "fairlead/") {
				continue
			}
			if !slices.ContainsFunc(rules[i].may, func(r room) bool { return r.holds(imported) }) {
				t.Errorf("%s may not import %s: %s", p.ImportPath, imported, rules[i].reason)
			}
		}
	}
}

func TestEveryLibraryStaysAtHome(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			for _, k := range kept {
				if imported != k.library && !strings.HasPrefix(imported, k.library+"/") {
					continue
				}
				if !slices.ContainsFunc(k.home, func(r room) bool { return r.holds(p.ImportPath) }) {
					t.Errorf("%s imports %s, which lives in %v only", p.ImportPath, imported, k.home)
				}
			}
		}
	}
}

func TestPureCoresTouchNothing(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.ImportPath) {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(effects, imported) {
				t.Errorf("%s is pure and may not import %s: hand in what it needs", p.ImportPath, imported)
			}
		}
	}
}
