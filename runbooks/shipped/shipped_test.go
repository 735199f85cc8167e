package shipped_test

import (
	"os"
	"strings"
	"testing"

	"fairlead/runbooks"
	"fairlead/runbooks/shipped"
	"fairlead/runbooks/steps"
)

func TestEveryShippedRunbookIsSound(t *testing.T) {
	docs := shipped.Documents()
	if len(docs) < 3 {
		t.Fatalf("%d runbooks are shipped, want at least switchover, failover and reprotect", len(docs))
	}
	for _, d := range docs {
		rb, problems := runbooks.Parse(d.File, d.Text, steps.Kinds())
		for _, p := range problems {
			t.Errorf("%s", p)
		}
		if rb.Name != d.Name {
			t.Errorf("%s: runbook is called %q, want the name of its file", d.File, rb.Name)
		}
		for _, p := range rb.Params {
			if p.About == "" {
				t.Errorf("%s: parameter %s says nothing about itself", d.File, p.Name)
			}
		}
		if rb.About == "" {
			t.Errorf("%s: says nothing about when to use it", d.File)
		}
	}
}

func TestTheRunbookInTheReadmeIsSound(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README shows no runbook")
	}
	_, problems := runbooks.Parse("README.md", example, steps.Kinds())
	for _, p := range problems {
		t.Errorf("%s", p)
	}
}
