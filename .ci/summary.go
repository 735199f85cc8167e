// Command summary reads `go test -json` and prints what a person wants of it:
// failures with their output as they come, each skipped test with its reason,
// and one closing line. It exits 1 where anything failed, and, under
// FAIRLEAD_REQUIRE_ALL, where anything was skipped: a test that could not run
// has shown nothing.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

type result struct{ passed, failed, skipped int }

func main() {
	var total result
	output := map[string]*strings.Builder{}
	began := time.Now()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Println(lines.Text()) // not of the test runner: a build error, say
			continue
		}
		key := e.Package + "\x00" + e.Test
		switch e.Action {
		case "output", "build-output":
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
			if e.Action == "build-output" {
				fmt.Print(e.Output)
			}
		case "pass", "fail", "skip":
			total.count(e, output[key])
			delete(output, key)
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "summary: reading the test results:", err)
		os.Exit(1)
	}
	fmt.Printf("\nran for %s\n%d passed, %d failed, %d skipped\n", time.Since(began).Round(time.Second), total.passed, total.failed, total.skipped)
	if total.failed > 0 || total.passed == 0 || total.skipped > 0 && os.Getenv("FAIRLEAD_REQUIRE_ALL") != "" {
		os.Exit(1)
	}
}

func (r *result) count(e event, output *strings.Builder) {
	said := ""
	if output != nil {
		said = output.String()
	}
	if e.Test == "" { // the package as a whole
		switch e.Action {
		case "fail":
			r.failed++
			fmt.Print(said)
			fmt.Printf("FAIL  %s (%.1f s)\n", e.Package, e.Elapsed)
		case "pass":
			fmt.Printf("ok    %s (%.1f s)\n", e.Package, e.Elapsed)
		}
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Print(said)
	case "skip":
		r.skipped++
		fmt.Printf("SKIP  %s %s\n%s", e.Package, e.Test, said)
	}
}
