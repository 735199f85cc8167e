package manual

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	exampleLimit = 2 * time.Minute
	api          = "http://127.0.0.1:8470" // where a node's API is unless told otherwise
)

// environment is what examples see: the program on the path, nothing of ours.
func environment(dir string) []string {
	return []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LANG=C.UTF-8", "TERM=dumb"}
}

// terminal runs the examples of one document one after the other, and
// remembers assignments between them.
type terminal struct {
	work, state string
	env         []string
	beside      *service // something whose output helps to understand a failure
}

func newTerminal(t *testing.T, dir, work string, beside *service) *terminal {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return &terminal{work, state, environment(dir), beside}
}

// all runs every example of the settings, and stops at the first that fails:
// those after it count on it.
func (m *terminal) all(t *testing.T, d Document, settings ...string) {
	var running []*service
	printed, ran := "", false // of the example before, if it was one of ours
	for _, b := range d.Blocks {
		here := fmt.Sprintf("%s:%d", d.Path, b.Line)
		wanted := false
		for _, s := range settings {
			wanted = wanted || b.Setting == s
		}
		switch {
		case b.Output && ran:
			if line, missing := Missing(b.Text, printed); missing {
				t.Fatalf("%s: the example before it did not print %q; it printed:\n%s", here, line, printed)
			}
		case b.Setting == "background" && wanted:
			s := startService(t, m.work, m.env, "bash", "-euo", "pipefail", "-c", "exec "+strings.TrimSpace(b.Text))
			s.await(t, time.Minute, ready)
			running = append(running, s)
			m.beside = s
		case wanted:
			var err error
			ran = true
			if printed, err = m.run(t, b); err != nil {
				t.Fatalf("%s: %v; it printed:\n%s%s", here, err, printed, m.more())
			}
			t.Logf("%s:\n%s", here, printed)
		case b.Setting != "":
			ran = false
		}
	}
	for _, s := range running {
		s.end(t)
	}
}

func (m *terminal) more() string {
	if m.beside == nil {
		return ""
	}
	return "\nwhat runs beside it printed:\n" + m.beside.output()
}

// run runs one example and returns what it printed.
func (m *terminal) run(t *testing.T, b Block) (string, error) {
	t.Helper()
	script := fmt.Sprintf("source %[1]q\nset -a\n%[2]s\nset +a\nexport -p | grep -v ' \\(PWD\\|OLDPWD\\|SHLVL\\|_\\)=' > %[1]q\n", m.state, b.Text)
	ctx, cancel := context.WithTimeout(t.Context(), exampleLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = m.work, m.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return string(out), fmt.Errorf("the example did not end within %v", exampleLimit)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && b.MayExit != 0 && exit.ExitCode() == b.MayExit {
		err = nil
	}
	return string(out), err
}

// ready returns nil once a node's API says that the node can do its work.
func ready() error {
	c := http.Client{Timeout: 2 * time.Second}
	resp, err := c.Get(api + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz says %s", resp.Status)
	}
	return nil
}

// service is a program that keeps running, as in a terminal of its own.
type service struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done closes

	mu   sync.Mutex
	text bytes.Buffer
}

func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *service) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func startService(t *testing.T, dir string, env []string, program string, args ...string) *service {
	t.Helper()
	s := &service{name: strings.Join(append([]string{filepath.Base(program)}, args...), " "), cmd: exec.Command(program, args...), done: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env = dir, env
	s.cmd.Stdout, s.cmd.Stderr = s, s
	s.cmd.WaitDelay = 5 * time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.interrupt(t) })
	return s
}

// await returns once works returns nil, and fails the test if that takes
// longer than limit or the program ends.
func (s *service) await(t *testing.T, limit time.Duration, works func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := works()
		if err == nil {
			return
		}
		select {
		case <-s.done:
			t.Fatalf("%s ended (%v); it printed:\n%s", s.name, s.err, s.output())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not work after %v: %v; it printed:\n%s", s.name, limit, err, s.output())
		}
	}
}

// end interrupts the program, as Ctrl-C does, and wants it to end well.
func (s *service) end(t *testing.T) {
	t.Helper()
	s.interrupt(t)
	if s.err != nil {
		t.Errorf("%s ended with %v after Ctrl-C; it printed:\n%s", s.name, s.err, s.output())
	}
}

// interrupt ends the program and waits for it; by force if it does not.
func (s *service) interrupt(t *testing.T) {
	select {
	case <-s.done:
		return
	default:
	}
	_ = syscall.Kill(s.cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-s.done:
	case <-time.After(45 * time.Second):
		t.Errorf("%s does not end after Ctrl-C", s.name)
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
	}
}
