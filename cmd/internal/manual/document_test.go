package manual

import (
	"strings"
	"testing"
)

func TestParseFindsWhatCanBeRun(t *testing.T) {
	d, err := Parse("page.md", strings.Join([]string{
		"# Page", "<!-- example: demo, may exit 4 -->", "```sh", "one", "two", "```", "<!-- output -->", "```text", "seen …", "```",
		"```yaml file=a/b.yaml", "x: 1", "```", "<!-- a remark -->", "```go", "```"}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Blocks) != 4 {
		t.Fatalf("found %d blocks, want 4: %+v", len(d.Blocks), d.Blocks)
	}
	if b := d.Blocks[0]; b.Setting != "demo" || b.MayExit != 4 || b.Text != "one\ntwo\n" || b.Line != 3 {
		t.Errorf("the example is %+v", b)
	}
	if b := d.Blocks[1]; !b.Output || b.Text != "seen …\n" {
		t.Errorf("its output is %+v", b)
	}
	if got := d.Files(); got["a/b.yaml"] != "x: 1\n" {
		t.Errorf("the files are %q", got)
	}
}

func TestParseRefusesWhatNobodyCouldCheck(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a shell example without a setting", "```sh\nls\n```", "page.md:1: a shell example does not say where it runs"},
		{"a setting that is not known", "<!-- example: moon -->\n```sh\nls\n```", `there is no setting "moon"`},
		{"a comment that is misspelt", "<!-- examples: demo -->\n```sh\nls\n```", "is not known"},
		{"a comment without a fence", "<!-- example: demo -->\nwords", "page.md:2: no fence follows"},
		{"a fence without a language", "```\nls\n```", "has no language"},
		{"YAML without a name", "```yaml\na: 1\n```", "checked by nobody"},
		{"output without an example", "<!-- output -->\n```text\na\n```", "right after an example"},
		{"a file outside", "```yaml file=../a\n```", "not below"},
		{"a fence that is never closed", "```text\na", "never closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse("page.md", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse(%q) = %v, want %q", tt.text, err, tt.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	tests := []struct{ name, want, got, missing string }{
		{"white space does not count", "a  b", " a b \n", ""},
		{"a dot is a dot", "127.0.0.1", "127a0b0c1", "127.0.0.1"},
		{"an ellipsis is any text", "run … done", "first\nrun x-17 done", ""},
		{"the order counts", "two\none", "one\ntwo", "one"},
		{"a line is a whole line", "one", "one two", "one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if line, missing := Missing(tt.want, tt.got); missing != (tt.missing != "") || line != tt.missing {
				t.Errorf("Missing(%q, %q) = %q, %v; want %q", tt.want, tt.got, line, missing, tt.missing)
			}
		})
	}
}
