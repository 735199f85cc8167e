package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Document is one page: what of it can be run or checked, in order.
type Document struct {
	Path   string // as a person knows it: "docs/operating.md"
	Blocks []Block
}

// Block is one fence.
type Block struct {
	Line     int    // of its opening fence
	Language string // "sh", "text", "yaml", …
	File     string // the name that file= gives it
	Setting  string // of an example, one of settings
	MayExit  int    // an exit code besides 0 that is right
	Output   bool   // text that the example before it must have printed
	Text     string
}

// Files returns the document's files by name.
func (d Document) Files() map[string]string {
	files := map[string]string{}
	for _, b := range d.Blocks {
		if b.File != "" {
			files[b.File] = b.Text
		}
	}
	return files
}

// Has reports whether the document has an example of that setting.
func (d Document) Has(setting string) bool {
	for _, b := range d.Blocks {
		if b.Setting == setting {
			return true
		}
	}
	return false
}

// settings are the kinds of examples that can be run.
var settings = []string{"demo", "files", "background", "usage", "make"}

// Read reads README.md and every page of docs below root. The error names the
// first thing in each document that nobody could check.
func Read(root string) ([]Document, error) {
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	var documents []Document
	for _, path := range append([]string{filepath.Join(root, "README.md")}, paths...) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the manual: %w", err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		d, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

var (
	comment = regexp.MustCompile(`^<!--\s*(.*?)\s*-->$`)
	fence   = regexp.MustCompile("^```+\\s*(\\S*)\\s*(.*)$")
	named   = regexp.MustCompile(`\bfile=(\S+)`)
	exits   = regexp.MustCompile(`^may exit (\d+)$`)
)

// Parse finds the fences of a page and refuses what it could not check.
func Parse(path, text string) (Document, error) {
	d := Document{Path: path}
	note := "" // the comment on the line before
	var open *Block
	var body []string
	for i, line := range strings.Split(text, "\n") {
		here := fmt.Sprintf("%s:%d", path, i+1)
		switch m := fence.FindStringSubmatch(line); {
		case open != nil && strings.TrimSpace(line) == "```":
			open.Text = strings.Join(body, "\n") + "\n"
			d.Blocks = append(d.Blocks, *open)
			open, body = nil, nil
		case open != nil:
			body = append(body, line)
		case m != nil:
			b, err := begin(i+1, m[1], m[2], note)
			if err == nil {
				err = d.fits(b)
			}
			if err != nil {
				return d, fmt.Errorf("%s: %w", here, err)
			}
			open, note = &b, ""
		case note != "":
			return d, fmt.Errorf("%s: no fence follows the comment %q", here, note)
		default:
			if m := comment.FindStringSubmatch(line); m != nil && (strings.HasPrefix(m[1], "example") || strings.HasPrefix(m[1], "output")) {
				note = m[1]
			}
		}
	}
	if open != nil {
		return d, fmt.Errorf("%s:%d: the fence is never closed", path, open.Line)
	}
	return d, nil
}

func begin(line int, language, info, note string) (Block, error) {
	b := Block{Line: line, Language: language}
	if m := named.FindStringSubmatch(info); m != nil {
		b.File = m[1]
		if !filepath.IsLocal(b.File) {
			return b, fmt.Errorf("the file %q is not below the document's directory", b.File)
		}
	}
	if note == "output" {
		b.Output = true
		return b, nil
	}
	list, isExample := strings.CutPrefix(note, "example:")
	if note != "" && !isExample {
		return b, fmt.Errorf("the comment %q is not known; write <!-- example: %s --> or <!-- output -->", note, strings.Join(settings, "|"))
	}
	for _, word := range strings.Split(list, ",") {
		word = strings.TrimSpace(word)
		if m := exits.FindStringSubmatch(word); m != nil {
			b.MayExit, _ = strconv.Atoi(m[1])
			continue
		}
		b.Setting = word
	}
	return b, nil
}

// fits refuses a fence that says too little to be checked, or the wrong thing.
func (d Document) fits(b Block) error {
	known := false
	for _, s := range settings {
		known = known || s == b.Setting
	}
	switch {
	case b.Language == "":
		return fmt.Errorf("the fence has no language; write text for what is only to be read")
	case b.Setting != "" && !known:
		return fmt.Errorf("there is no setting %q; use one of %s", b.Setting, strings.Join(settings, ", "))
	case b.Language == "sh" && b.Setting == "":
		return fmt.Errorf("a shell example does not say where it runs; write <!-- example: %s --> before it", strings.Join(settings, "|"))
	case b.Language != "sh" && b.Setting != "":
		return fmt.Errorf("an example is a fence of sh, not of %s", b.Language)
	case b.Language == "yaml" && b.File == "":
		return fmt.Errorf("YAML without a name is checked by nobody; give it file=NAME, or make it text")
	case b.Output && (b.Language != "text" || len(d.Blocks) == 0 || d.Blocks[len(d.Blocks)-1].Setting == ""):
		return fmt.Errorf("output is a fence of text right after an example")
	}
	return nil
}

// Missing returns the first line of want that got does not have in that order;
// … stands for any text, and white space is not counted.
func Missing(want, got string) (line string, missing bool) {
	lines := strings.Split(got, "\n")
	for _, w := range strings.Split(strings.TrimRight(want, "\n"), "\n") {
		var parts []string
		for _, p := range strings.Split(strings.Join(strings.Fields(w), " "), "…") {
			parts = append(parts, regexp.QuoteMeta(p))
		}
		pattern := regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
		for len(lines) > 0 && !pattern.MatchString(strings.Join(strings.Fields(lines[0]), " ")) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return w, true
		}
		lines = lines[1:]
	}
	return "", false
}
