package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#+ (.*)$`)
	odd     = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// links returns the links of a page that lead nowhere: to a file that is not
// there, or to a heading that a page has not.
func links(t *testing.T, page string) (problems []string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(prose(t, page), -1) {
		target := m[1]
		if strings.Contains(target, "://") {
			problems = append(problems, fmt.Sprintf("%s: the link %s leaves the project, and nobody checks it", page, target))
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		path := page
		if file != "" {
			path = filepath.Join(filepath.Dir(page), file)
		}
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			problems = append(problems, fmt.Sprintf("%s: there is no %s", page, target))
			continue
		}
		if anchor != "" && !anchors(t, path)[anchor] {
			problems = append(problems, fmt.Sprintf("%s: %s has no heading #%s", page, path, anchor))
		}
	}
	return problems
}

// anchors are the headings of a page, as links name them.
func anchors(t *testing.T, page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(prose(t, page)) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			all[strings.ReplaceAll(odd.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
		}
	}
	return all
}

// prose is a page without its fences.
func prose(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}
