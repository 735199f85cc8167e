package manual

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/cmd/internal/config"
	"fairlead/providers/postgres"
	"fairlead/runbooks"
	"fairlead/runbooks/steps"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var statements = regexp.MustCompile("(?s)<!-- sql: (setup|rewind) of (\\w+) -->\n```sql\n(.*?)```")

func TestStatementsForPeopleAreTheProgramsOwn(t *testing.T) {
	found := statements.FindAllStringSubmatch(page(t, "operating.md"), -1)
	if len(found) != 2 {
		t.Fatalf("docs/operating.md has %d marked fences of SQL, want 2", len(found))
	}
	for _, m := range found {
		want := postgres.SetupSQL(m[2])
		if m[1] == "rewind" {
			want = postgres.RewindSQL(m[2])
		}
		if strings.TrimSpace(m[3]) != strings.TrimSpace(want) {
			t.Errorf("docs/operating.md, %s: it says\n%s\nbut the program's statements are\n%s", m[1], m[3], want)
		}
	}
}

func TestAgentFilesAreUnderstood(t *testing.T) {
	found := 0
	for _, d := range manual(t) {
		for name, text := range d.Files() {
			if !strings.HasPrefix(filepath.Base(name), "agent") {
				continue
			}
			found++
			path := filepath.Join(t.TempDir(), "agent.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.LoadAgent(path); err != nil {
				t.Errorf("%s, %s: %v", d.Path, name, err)
			}
		}
	}
	if found == 0 {
		t.Error("no page shows an agent's file")
	}
}

func TestRunbookReferenceIsComplete(t *testing.T) {
	text := page(t, "runbooks.md")
	has := func(what string) {
		t.Helper()
		if !strings.Contains(text, "`"+what+"`") {
			t.Errorf("docs/runbooks.md does not mention `%s`", what)
		}
	}
	for _, kind := range steps.Kinds() {
		has(kind.Name)
		for _, f := range kind.With {
			has(f.Name)
		}
		for _, value := range kind.Values {
			has(value)
		}
	}
	for _, typ := range runbooks.ParamTypes {
		has(typ)
	}
}

func TestTableOfOperationsIsTheProgramsOwn(t *testing.T) {
	cells := map[string][]string{} // by state: what is allowed before and after
	for line := range strings.Lines(page(t, "runbooks.md")) {
		if parts := strings.Split(line, "|"); len(parts) == 6 {
			cells[strings.Trim(parts[1], " `")] = []string{strings.TrimSpace(parts[3]), strings.TrimSpace(parts[4])}
		}
	}
	for _, row := range runbooks.Table() {
		var words []string
		for _, op := range row.Allowed {
			words = append(words, string(op))
		}
		want, at := strings.Join(words, ", "), 0
		if row.Committed {
			at = 1
		}
		if got := cells[string(row.State)]; len(got) != 2 || got[at] != want {
			t.Errorf("docs/runbooks.md says of state %s (past the point of no return: %v) %q, the program says %q", row.State, row.Committed, got, want)
		}
	}
}
