package runbooks_test

import (
	"strings"
	"testing"
	"time"

	"fairlead/runbooks"
)

const head = "runbook: test\nversion: 1\ntitle: Test\n"

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // how one of the problems begins
	}{
		{"nothing", "", "f.yaml:1:1: the text is empty"},
		{"what is no YAML", "runbook: [", "f.yaml:1:"},
		{"two documents", head + "steps: [{id: a, kind: look}]\n---\nrunbook: b\n", "f.yaml:6:1: a second document begins here"},
		{"a list", "- a\n", "f.yaml:1:1: a runbook must be a mapping"},
		{"a missing name", "version: 1\ntitle: T\nsteps: [{id: a, kind: look}]\n", "f.yaml:1:1: runbook is missing"},
		{"an unknown field", head + "stepz: []\nsteps: [{id: a, kind: look}]\n", "f.yaml:4:1: stepz is not known here"},
		{"a field given twice", head + "title: Again\nsteps: [{id: a, kind: look}]\n", "f.yaml:4:1: title is given twice"},
		{"an anchor", head + "about: &x text\nsteps: [{id: a, kind: look}]\n", "f.yaml:4:8: about must be a text, not an anchor"},
		{"an unknown reaction to failure", head + "on_failure: panic\nsteps: [{id: a, kind: look}]\n", `f.yaml:4:13: on_failure is "panic"`},
		{"a version that is no number", "runbook: test\nversion: one\ntitle: T\nsteps: [{id: a, kind: look}]\n", `f.yaml:2:10: version is "one"`},
		{"a name that cannot be a name", "runbook: Test It\nversion: 1\ntitle: T\nsteps: [{id: a, kind: look}]\n", "f.yaml:1:10: runbook"},
		{"no steps", head + "steps: []\n", "f.yaml:4:8: steps is empty"},
		{"a step without an id", head + "steps:\n  - kind: look\n", "f.yaml:5:5: a step has no id"},
		{"a step without a kind", head + "steps:\n  - id: a\n", "f.yaml:5:5: step a has no kind"},
		{"two steps of one id", head + "steps:\n  - {id: a, kind: look}\n  - {id: a, kind: look}\n", "f.yaml:6:5: the step a is there twice"},
		{"an unknown kind", head + "steps:\n  - {id: a, kind: lock}\n", `f.yaml:5:19: "lock" is no kind of step (use one of approve, change, fence, look,`},
		{"an unknown parameter of a kind", head + "steps:\n  - {id: a, kind: wait, with: {until: 3}}\n", `f.yaml:5:39: wait takes no "until" (it takes for, lsn)`},
		{"a bad duration", head + "steps:\n  - {id: a, kind: look, timeout: 5}\n", `f.yaml:5:34: timeout is "5", which is no duration`},
		{"a duration out of bounds", head + "steps:\n  - {id: a, kind: look, timeout: 48h}\n", "f.yaml:5:34: timeout is 48h0m0s (give from 1ms to 24h0m0s)"},
		{"too many retries", head + "steps:\n  - {id: a, kind: look, retries: 99}\n", `f.yaml:5:34: retries is "99"`},
		{"a list where a text belongs", head + "steps:\n  - {id: a, kind: wait, with: {for: [a, b]}}\n", "f.yaml:5:37: for of wait must be a text"},
		{"a reference to nothing", head + "steps:\n  - id: a\n    kind: wait\n    with:\n      for: ${time}\n", "f.yaml:8:12: ${time} refers to a parameter that is not declared"},
		{"a reference to a later step", head + "steps:\n  - id: a\n    kind: wait\n    with:\n      lsn: ${b.lsn}\n  - {id: b, kind: change}\n", "f.yaml:8:12: ${b.lsn} refers to a step that is not over by then"},
		{"a reference to a step beside", head + "steps:\n  - id: both\n    parallel:\n      - {id: b, kind: change}\n      - id: a\n        kind: wait\n        with:\n          lsn: ${b.lsn}\n", "f.yaml:11:16: ${b.lsn} refers to a step that is not over by then"},
		{"a reference to no step", head + "steps:\n  - id: a\n    kind: wait\n    with:\n      lsn: ${c.lsn}\n", "f.yaml:8:12: ${c.lsn} refers to a step that is not there"},
		{"a value that a step does not give", head + "steps:\n  - {id: b, kind: change}\n  - id: a\n    kind: wait\n    with:\n      lsn: ${b.size}\n", `f.yaml:9:12: ${b.size}: step b does not give "size" (it gives lsn)`},
		{"a reference that is none", head + "steps:\n  - id: a\n    kind: wait\n    with:\n      lsn: ${a b}\n", `f.yaml:8:12: lsn: "${a b}" is no reference`},
		{"a promotion without a fence", head + "steps:\n  - {id: a, kind: promote, no_return: true}\n", "f.yaml:5:6: step a promotes, and no fence of that database is proved before it"},
		{"a fence after the promotion", head + "steps:\n  - {id: a, kind: promote, no_return: true}\n  - {id: b, kind: fence}\n", "f.yaml:5:6: step a promotes, and no fence"},
		{"a fence beside the promotion", head + "steps:\n  - id: both\n    parallel:\n      - {id: b, kind: fence}\n      - {id: a, kind: promote, no_return: true}\n", "f.yaml:8:10: step a promotes, and no fence"},
		{"a fence that may be left out", head + "params: {really: {type: boolean}}\nsteps:\n  - id: b\n    kind: fence\n    when: ${really}\n  - {id: a, kind: promote, no_return: true}\n", "f.yaml:9:6: step a promotes, and no fence"},
		{"the fence of another database", head + "steps:\n  - {id: b, kind: fence, with: {database: carts}}\n  - {id: a, kind: promote, no_return: true, with: {database: orders}}\n", "f.yaml:6:6: step a promotes, and no fence"},
		{"a promotion that claims to be reversible", head + "steps:\n  - {id: b, kind: fence}\n  - {id: a, kind: promote}\n", "f.yaml:6:19: step a promotes, which cannot be taken back"},
		{"a compensation past the point of no return", head + "steps:\n  - {id: b, kind: fence}\n  - {id: a, kind: promote, no_return: true, compensate: {kind: unfence}}\n", "f.yaml:6:45: step a is a point of no return and has a compensation"},
		{"a compensation of nothing", head + "steps:\n  - {id: a, kind: look, compensate: {kind: unfence}}\n", "f.yaml:5:25: look changes nothing, so there is nothing to compensate"},
		{"an id on a compensation", head + "steps:\n  - {id: a, kind: change, compensate: {id: b, kind: unfence}}\n", "f.yaml:5:40: id is not known here"},
		{"a timeout on an approval", head + "steps:\n  - {id: a, kind: approve, timeout: 5s}\n", "f.yaml:5:28: approve takes no timeout"},
		{"approvals on another step", head + "steps:\n  - {id: a, kind: look, approvals: 2}\n", "f.yaml:5:25: only a step of kind approve takes approvals"},
		{"a kind on a group", head + "steps:\n  - {id: g, kind: look, parallel: [{id: a, kind: look}]}\n", "f.yaml:5:13: a group takes no kind"},
		{"a condition that is no parameter", head + "steps:\n  - {id: a, kind: look, when: 'yes'}\n", `f.yaml:5:31: when is "yes"`},
		{"a parameter of an unknown type", head + "params:\n  size: {type: number}\nsteps: [{id: a, kind: look}]\n", `f.yaml:5:16: "number" is no type`},
		{"a default of the wrong type", head + "params:\n  size: {type: bytes, default: much}\nsteps: [{id: a, kind: look}]\n", "f.yaml:5:32: the default of size"},
		{"a required parameter with a default", head + "params:\n  size: {type: bytes, default: 1MB, required: true}\nsteps: [{id: a, kind: look}]\n", "f.yaml:5:32: size is required and has a default"},
		{"a parameter called from", head + "params:\n  from: {type: region}\nsteps: [{id: a, kind: look}]\n", `f.yaml:5:3: "from" cannot be a parameter's name`},
		{"a text without end", head + "about: |\n  " + strings.Repeat("long ", 60000) + "\nsteps: [{id: a, kind: look}]\n", "f.yaml:1:1: the text has"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := runbooks.Parse("f.yaml", tt.text, kinds)
			for _, p := range problems {
				if strings.HasPrefix(p.String(), tt.want) {
					return
				}
			}
			t.Errorf("Parse(%q)\n got %v\nwant %s…", tt.text[:min(len(tt.text), 400)], problems, tt.want)
		})
	}
}

func TestParseReportsEveryProblemInTheOrderOfTheText(t *testing.T) {
	_, problems := runbooks.Parse("f.yaml", "runbook: Test\nversion: 0\nsteps:\n  - {id: a, kind: nothing}\n  - {id: a, kind: look, retries: many}\n", kinds)
	if len(problems) != 6 {
		t.Errorf("%d problems are reported, want 6: %v", len(problems), problems)
	}
	for i := 1; i < len(problems); i++ {
		if problems[i].Line < problems[i-1].Line {
			t.Errorf("%v comes after %v", problems[i], problems[i-1])
		}
	}
}

func TestParseReadsWhatIsWritten(t *testing.T) {
	rb, problems := runbooks.Parse("f.yaml", head+`
params:
  size: {type: bytes, default: 2KiB}
steps:
  - id: act
    kind: change
    title: Act
    timeout: 90s
    retries: 2
    backoff: 3s
    with:
      run: [program, "--size=${size}"]
    compensate: {kind: unfence}
`, kinds)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := rb.Steps[0]
	if s.Timeout != 90*time.Second || s.Retries != 2 || s.Backoff != 3*time.Second || s.Compensate == nil || s.Compensate.Timeout == 0 {
		t.Errorf("step = %+v, want what was written, and a default timeout for its compensation", s)
	}
	m := &machine{t, runbooks.New("run-1"), t0}
	m.must(written(t, head+`
params:
  size: {type: bytes, default: 2KiB}
steps:
  - id: act
    kind: change
    with:
      run: [program, "--size=${size}", "plain $${text}"]
`, nil))
	got := runbooks.List(m.next().Spec.With["run"])
	if want := []string{"program", "--size=2048", "plain ${text}"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("run = %q, want %q", got, want)
	}
}

func TestNoParameterCanAddAnElementToAList(t *testing.T) {
	m := &machine{t, runbooks.New("run-1"), t0}
	m.must(written(t, head+"params: {name: {}}\nsteps:\n  - id: act\n    kind: change\n    with:\n      run: [program, \"${name}\"]\n", map[string]string{"name": `x","--force`}))
	if got := runbooks.List(m.next().Spec.With["run"]); len(got) != 2 || got[1] != `x","--force` {
		t.Errorf("run = %q, want the parameter as one element", got)
	}
}

func TestBind(t *testing.T) {
	rb, problems := runbooks.Parse("f.yaml", head+`
params:
  database: {type: database, required: true}
  size: {type: bytes, default: 16MiB}
  wait: {type: duration}
  sure: {type: boolean, default: true}
  many: {type: integer}
steps: [{id: a, kind: look}]
`, kinds)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	tests := []struct {
		name  string
		given map[string]string
		want  string // name=value, or the error's text
	}{
		{"defaults are filled in, in canonical form", map[string]string{"database": "orders"}, "size=16777216"},
		{"what is not given is absent", map[string]string{"database": "orders"}, "wait="},
		{"durations are canonical", map[string]string{"database": "orders", "wait": "90s"}, "wait=1m30s"},
		{"booleans are canonical", map[string]string{"database": "orders", "sure": "0"}, "sure=false"},
		{"what is required must be there", nil, "database is missing"},
		{"types are checked", map[string]string{"database": "orders", "many": "a few"}, `many: "a few" is no whole number`},
		{"names are checked", map[string]string{"database": "Orders!"}, "the name does not begin with a letter"},
		{"unknown ones are refused", map[string]string{"database": "orders", "sizes": "1"}, "sizes is not a parameter of it"},
		{"all mistakes are told at once", map[string]string{"size": "x", "sizes": "1"}, "database is missing; size:"},
		{"control characters are refused", map[string]string{"database": "orders", "wait": "1s\n"}, "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bound, err := rb.Bind(tt.given)
			if name, value, ok := strings.Cut(tt.want, "="); ok && err == nil {
				if bound[name] != value {
					t.Errorf("Bind(%v)[%s] = %q, want %q", tt.given, name, bound[name], value)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Bind(%v) = %v, %v, want %q", tt.given, bound, err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + "steps: [{id: a, kind: look}]\n")
	f.Add(move)
	f.Add("runbook: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		rb, problems := runbooks.Parse("f.yaml", text, kinds)
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.What == "" {
				t.Errorf("Parse(%q) reports %+v, want a place and a sentence", text, p)
			}
		}
		if len(problems) == 0 && (rb.Name == "" || len(rb.Steps) == 0) {
			t.Errorf("Parse(%q) = %+v without a problem", text, rb)
		}
	})
}
