package dnstest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"fairlead/dns"
	"fairlead/dns/dig"
	"fairlead/dns/zone"
	"fairlead/regions/steer"
)

// Golden runs every golden file that the pattern matches. With update it
// writes what was answered into the file, for a person to read before it is
// kept.
func Golden(t *testing.T, pattern string, update bool) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files match %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g := &golden{t: t, update: update}
			for i := range archive.Files {
				g.part(&archive.Files[i])
			}
			if update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// golden is a file being played.
type golden struct {
	t        *testing.T
	update   bool
	zones    []*zone.Zone
	snapshot *dns.Snapshot
}

func (g *golden) part(f *txtar.File) {
	kind, rest, _ := strings.Cut(f.Name, " ")
	switch kind {
	case "zone":
		z, err := zone.Parse(rest, rest+".zone", f.Data)
		if err != nil {
			g.t.Fatalf("%s: %v", f.Name, err)
		}
		g.zones = append(g.zones, z)
		g.snapshot = nil
	case "plan":
		plan, err := ParsePlan(string(f.Data))
		if err != nil {
			g.t.Fatalf("%s: %v", f.Name, err)
		}
		g.compile(plan)
	case "quarantined":
		var got strings.Builder
		for _, q := range g.current().Quarantined() {
			got.WriteString(q.Reason + "\n")
		}
		g.compare(f, got.String())
	case "dig":
		g.t.Run(strings.ReplaceAll(rest, "/", "|"), func(t *testing.T) { g.ask(t, f, rest) })
	default:
		g.t.Fatalf("%s: a part is a zone, a plan, quarantined or dig", f.Name)
	}
}

func (g *golden) compile(plan steer.Plan) {
	var err error
	if g.snapshot == nil {
		g.snapshot, err = dns.Compile(g.zones, plan, dns.NSID("golden"))
	} else {
		g.snapshot, err = g.snapshot.With(plan)
	}
	if err != nil {
		g.t.Fatalf("compile: %v", err)
	}
}

func (g *golden) current() *dns.Snapshot {
	if g.snapshot == nil {
		g.compile(steer.Plan{})
	}
	return g.snapshot
}

func (g *golden) ask(t *testing.T, f *txtar.File, text string) {
	q, err := ParseQuestion(text)
	if err != nil {
		t.Fatal(err)
	}
	query, err := q.Msg.Pack()
	if err != nil {
		t.Fatalf("pack: %v", err)
	}
	var answer []byte
	if q.Stream {
		answer = g.current().AnswerStream(nil, query, q.Client)
	} else {
		answer = g.current().Answer(nil, query, q.Client)
	}
	if err := Sound(query, answer, q.Stream); err != nil {
		t.Errorf("dig %s: the answer is unsound: %v\n%x", text, err, answer)
	}
	var m mdns.Msg
	if err := m.Unpack(answer); err != nil {
		t.Fatalf("dig %s: unpack %x: %v", text, answer, err)
	}
	(&golden{t: t, update: g.update}).compare(f, dig.Format(&m))
}

func (g *golden) compare(f *txtar.File, got string) {
	g.t.Helper()
	if g.update {
		f.Data = []byte(got)
		return
	}
	if want := string(f.Data); got != want {
		g.t.Errorf("%s\ngot:\n%s\nwant:\n%s", f.Name, got, want)
	}
}
