package clock_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/lab/clock"
)

func TestAProgramMayBeTenMinutesAhead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tell")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	main := filepath.Join(dir, "main.go")
	text := "package main\n\nimport (\n\t\"fmt\"\n\t\"time\"\n)\n\nfunc main() {\n\tbegan := time.Now()\n\ttime.Sleep(10 * time.Millisecond)\n\tfmt.Print(began.Format(time.RFC3339Nano), \" \", time.Since(began))\n}\n"
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "tell")
	if err := clock.Build(main, program); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		seconds string
		want    time.Duration
	}{{"600", 10 * time.Minute}, {"-3600", -time.Hour}, {"", 0}} {
		c := exec.Command(program)
		c.Env = append(os.Environ(), clock.Variable+"="+tt.seconds)
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		told, slept, _ := strings.Cut(string(out), " ")
		at, err := time.Parse(time.RFC3339Nano, told)
		off := time.Until(at)
		if err != nil || off < tt.want-time.Minute || off > tt.want+time.Minute {
			t.Errorf("with %q its clock is off by %v (%v), want %v", tt.seconds, off, err, tt.want)
		}
		if d, err := time.ParseDuration(slept); err != nil || d < 10*time.Millisecond || d > time.Minute {
			t.Errorf("with %q a sleep of 10 ms takes it %s", tt.seconds, slept)
		}
	}
}
