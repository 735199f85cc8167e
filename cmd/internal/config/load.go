package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Config is a configuration that has been read, completed and checked.
type Config struct {
	Path  string
	Files []string // all that were read, for noticing changes: YAML, zones, runbooks
	Node  Node
	Fleet *regions.Fleet
	Hash  string // SHA-256 of the fleet's content: the same content, the same hash
	// Warnings is what is in force though hardly as meant.
	Warnings Problems
}

type loader struct {
	config   *Config
	fleet    *regions.Fleet
	problems Problems
	warnings Problems
	places   map[string]place
	files    map[string]string // what the configuration names, and where that was read
	// broken says that a file could not be parsed: what seems to be missing may
	// stand in it.
	broken bool
	// textOnly checks a text that came from somewhere else: no file of this
	// machine is read on its behalf.
	textOnly bool
}

// Load reads a file, or all *.yaml and *.yml files of a directory. The error is
// either one fault about the path or [Problems]. Further zones, which were read
// from elsewhere, become part of the fleet and are checked with it.
func Load(path string, further ...regions.Zone) (*Config, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	l := newLoader(path)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Invalidf("configuration "+file, "cannot be read: %v", plain(err)).Do("check that it exists and that this user may read it")
		}
		l.read(file, text)
	}
	for _, z := range further {
		l.files[z.File] = z.File
		l.fleet.Zones = append(l.fleet.Zones, z)
	}
	l.verify(files[0])
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	content, err := json.Marshal(l.fleet)
	if err != nil {
		return nil, fmt.Errorf("hash configuration %s: %w", path, err)
	}
	sum := sha256.Sum256(content)
	l.warn(files[0])
	l.config.Warnings = l.warnings.sorted()
	l.config.Fleet, l.config.Hash = l.fleet, hex.EncodeToString(sum[:])
	l.config.Files = files
	l.config.Files = append(l.config.Files, slices.Sorted(maps.Values(l.files))...)
	return l.config, nil
}

func newLoader(path string) *loader {
	return &loader{
		config: &Config{Path: path, Node: defaultNode()},
		fleet:  &regions.Fleet{},
		places: map[string]place{},
		files:  map[string]string{},
	}
}

// Bounds of a text that somebody sends to be checked. The time that the YAML
// parser takes grows with the square of lines and of brackets; a file on this
// machine has an owner who may wait.
const (
	maxText     = 128 << 10
	maxLines    = 5000
	maxBrackets = 5000
)

// Check returns what is wrong with a text that somebody sent. Files that it
// names are not read.
func Check(name, text string) Problems {
	lines, brackets := strings.Count(text, "\n"), strings.Count(text, "[")+strings.Count(text, "{")
	if len(text) > maxText || lines > maxLines || brackets > maxBrackets {
		return Problems{{File: name, What: fmt.Sprintf("the text has %d bytes, %d lines and %d brackets, too many to be checked for somebody else", len(text), lines, brackets),
			Remedy: "check it with fairlead check on the machine that it is for"}}
	}
	l := newLoader(name)
	l.textOnly = true
	l.read(name, []byte(text))
	l.verify(name)
	return l.problems.sorted()
}

// Resolve returns the path of a file that the fleet names, such as a password
// file: relative to the configuration's directory.
func (c *Config) Resolve(name string) string {
	dir := c.Path
	if len(c.Files) > 0 {
		dir = c.Files[0]
	}
	return relative(dir, name)
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Invalidf("configuration "+path, "cannot be read: %v", plain(err)).Do("give the path of a YAML file or of a directory of them")
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", path, err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fault.Invalidf("configuration "+path, "the directory holds no *.yaml file").Do("write one; fairlead check explains what is missing")
	}
	slices.Sort(files)
	return files, nil
}

func (l *loader) read(file string, text []byte) {
	t := &tree{file: file, problems: &l.problems, places: l.places}
	root, parsed := t.root(text)
	l.broken = l.broken || !parsed
	if root == nil {
		return
	}
	t.fields(root, "", map[string]func(ast.Node, string){
		"node":      func(n ast.Node, p string) { l.node(t, n, p) },
		"regions":   func(n ast.Node, p string) { l.regions(t, n, p) },
		"services":  func(n ast.Node, p string) { l.services(t, n, p) },
		"databases": func(n ast.Node, p string) { l.databases(t, n, p) },
		"zones":     func(n ast.Node, p string) { l.zones(t, n, p) },
		"runbooks":  func(n ast.Node, p string) { l.runbooks(t, n, p) },
		"recovery":  func(n ast.Node, p string) { l.recovery(t, n, p) },
	})
}

// at turns a path of the model into a place in a file: the nearest one that
// is known.
func (l *loader) at(path, otherwise string) place {
	for p := path; p != ""; p = parent(p) {
		if found, ok := l.places[p]; ok {
			return found
		}
	}
	return place{file: otherwise}
}

var yamlPosition = regexp.MustCompile(`^\[(\d+):(\d+)\] (.*)`)

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, What: "not YAML: " + yaml.FormatError(err, false, false)}
	if m := yamlPosition.FindStringSubmatch(p.What[len("not YAML: "):]); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column, _ = strconv.Atoi(m[2])
		p.What = "not YAML: " + m[3]
	}
	return p
}
