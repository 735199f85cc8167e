package manual

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/providers/postgres/pair"
)

const root = "../../.."

// The addresses of the examples: a name server, and a web server in each of
// two regions.
var (
	nameServer = netip.MustParseAddr("192.0.2.53")
	webServers = []netip.Addr{netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("203.0.113.10")}
)

func TestMain(m *testing.M) {
	if code, done := isolated(); done {
		os.Exit(code)
	}
	if os.Getenv(inside) != "" {
		if err := furnish(append(webServers, nameServer)...); err != nil {
			fmt.Fprintln(os.Stderr, "manual:", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// home is where the examples live; empty until one needs it.
var home string

// program puts the program into a directory bin of home. What the examples
// start runs without the race detector, as people run it: FAIRLEAD_PROGRAM
// names it if it is built already.
var program = sync.OnceValues(func() (dir string, err error) {
	if home, err = os.MkdirTemp("", "flman"); err != nil {
		return "", err
	}
	if err := os.Chmod(home, 0o755); err != nil { // databases run as another user
		return "", err
	}
	path := filepath.Join(home, "bin", "fairlead")
	if built := os.Getenv("FAIRLEAD_PROGRAM"); built != "" {
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		return home, os.Symlink(built, path)
	}
	if out, err := exec.Command("go", "build", "-o", path, "fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return home, nil
})

// missing ends a test that cannot run here: as a failure where everything
// must.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
		t.Fatalf("needs "+format, args...)
	}
	t.Skipf("needs "+format, args...)
}

func needs(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs every example; run without -short")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, "%s (on Debian: apt-get install bind9-dnsutils has dig)", p)
		}
	}
	touchSources(t)
}

// touchSources looks at every source file, so that the go command knows on
// what the result of this test depends and does not take an old one.
func touchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.Type().IsRegular():
			_, err = os.Stat(path)
		}
		if os.IsNotExist(err) { // somebody else's temporary file
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func manual(t *testing.T) []Document {
	t.Helper()
	documents, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

func TestEveryExampleSaysWhereItRuns(t *testing.T) {
	examples := 0
	for _, d := range manual(t) {
		for _, b := range d.Blocks {
			if b.Setting != "" {
				examples++
			}
		}
	}
	if examples < 10 {
		t.Errorf("found %d examples in the manual; either they were lost, or the reader of the manual is broken", examples)
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for _, d := range manual(t) {
		for _, problem := range links(t, d.Path) {
			t.Error(problem)
		}
	}
}

func TestMakeExamplesNameTargetsThatExist(t *testing.T) {
	for _, d := range manual(t) {
		for _, b := range d.Blocks {
			if b.Setting != "make" {
				continue
			}
			for line := range strings.Lines(b.Text) {
				words := strings.Fields(line)
				if len(words) != 2 || words[0] != "make" {
					t.Errorf("%s:%d: %q is not `make TARGET`, and nothing else is planned", d.Path, b.Line, line)
					continue
				}
				cmd := exec.Command("make", "-n", words[1])
				cmd.Dir = root
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s:%d: make -n %s: %v\n%s", d.Path, b.Line, words[1], err, out)
				}
			}
		}
	}
}

func TestUsageExamplesAreUnderstood(t *testing.T) {
	needs(t)
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range manual(t) {
		for _, b := range d.Blocks {
			if b.Setting != "usage" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
				if problem := understood(dir, strings.TrimSpace(line)); problem != "" {
					t.Errorf("%s:%d: %s", d.Path, b.Line, problem)
				}
			}
		}
	}
}

// understood says what is wrong with a line that calls the program: a command
// or a flag that there is not. Nothing is carried out.
func understood(dir, line string) string {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "fairlead" {
		return fmt.Sprintf("%q is no line of fairlead", line)
	}
	cmd := exec.Command("bash", "-c", line+" --help")
	cmd.Env = environment(dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s: %v\n%s", line, err, out)
	}
	// Of a command that it does not know the program shows the help above it.
	if _, usage, _ := strings.Cut(string(out), "Usage:\n"); !strings.HasPrefix(strings.TrimSpace(usage), "fairlead "+words[1]) {
		return fmt.Sprintf("%s: there is no command %q", line, words[1])
	}
	return ""
}

func TestDemoExamples(t *testing.T) {
	needs(t, "bash", "dig")
	if _, err := pair.Find(); err != nil {
		missing(t, "PostgreSQL's server programs: %v", err)
	}
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	demo := startService(t, dir, environment(dir), filepath.Join(dir, "bin", "fairlead"), "demo")
	demo.await(t, 2*time.Minute, func() error {
		if !strings.Contains(demo.output(), "Ctrl-C ends it all") {
			return fmt.Errorf("the demo has not said yet what there is to try")
		}
		return nil
	})
	for _, d := range manual(t) {
		if d.Has("demo") {
			t.Run(d.Path, func(t *testing.T) { newTerminal(t, dir, dir, demo).all(t, d, "demo") })
		}
	}
	demo.end(t)
	if left, _ := filepath.Glob(filepath.Join(dir, "fairlead-demo-*")); len(left) > 0 {
		t.Errorf("the demo left %v", left)
	}
}

func TestFileExamples(t *testing.T) {
	needs(t, "bash", "dig")
	dir, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(inside) != "" {
		serveWeb(t)
	}
	for _, d := range manual(t) {
		if !d.Has("files") && !d.Has("background") && len(d.Files()) == 0 {
			continue
		}
		t.Run(d.Path, func(t *testing.T) {
			if d.Has("background") && os.Getenv(inside) == "" {
				missing(t, "a network of its own, to have the documentation's addresses: run it as root on Linux")
			}
			work := t.TempDir()
			for name, text := range d.Files() {
				path := filepath.Join(work, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			newTerminal(t, dir, work, nil).all(t, d, "files", "background")
		})
	}
}

// serveWeb runs what the examples' endpoints are: a web server in each region.
func serveWeb(t *testing.T) {
	for _, a := range webServers {
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, 80).String())
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
	}
}
