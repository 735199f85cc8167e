// Package command runs other people's programs without being hurt by them.
//
// [Run] bounds a program in time and in what it may print, and ends its whole
// process group at the limit, so that no grandchild goes on working after the
// caller was told that it failed. [Control] is the protocol by which a program
// controls a database server where no agent does. [Provider] is a runbook's
// step that runs a program, with another program that proves it.
//
// The surprising choice: a program's word is never upgraded. What comes back
// says "exited 0", and whoever writes evidence from it must say that Fairlead
// was told, not that it saw.
package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"fairlead/regions/fault"
)

// Spec is one run of a program.
type Spec struct {
	Program    []string            // path and arguments; never a shell
	Dir        string              // working directory; empty: the root directory
	Env        []string            // whole environment, KEY=value; nil: a minimal one
	Input      string              // standard input
	Credential *syscall.Credential // run as somebody else; nil: as ourselves
	Limit      time.Duration       // at most this long; 0: DefaultLimit
	MaxOutput  int                 // bytes kept of each stream, the last ones; 0: DefaultOutput
}

const (
	// DefaultLimit bounds a program for which nobody chose a limit.
	DefaultLimit = time.Minute
	// DefaultOutput is how many bytes are kept of each output stream.
	DefaultOutput = 64 << 10
	// grace is how long a process group has between SIGTERM and SIGKILL.
	grace = 500 * time.Millisecond
)

// Outcome is how a run ended.
type Outcome struct {
	Exit     int           // exit code; -1 if a signal ended it
	Stdout   string        // the last MaxOutput bytes
	Stderr   string        // the last MaxOutput bytes
	TimedOut bool          // the limit, or the caller's context, ended it
	Took     time.Duration // wall time
}

// Reason is what the program gives as its reason: the last line that is not
// empty of standard error, else of standard output.
func (o Outcome) Reason() string {
	for _, text := range []string{o.Stderr, o.Stdout} {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
			return last
		}
	}
	return "it gave no reason"
}

// Run runs a program to its end, or to its limit. It returns an error only if
// the program could not be started; how it ended is in the Outcome. When Run
// returns, no process of the program's group is left.
func Run(ctx context.Context, s Spec) (Outcome, error) {
	if len(s.Program) == 0 || s.Program[0] == "" {
		return Outcome{}, fault.Invalidf("command", "names no program")
	}
	if s.Limit <= 0 {
		s.Limit = DefaultLimit
	}
	if s.MaxOutput <= 0 {
		s.MaxOutput = DefaultOutput
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()

	stdout, stderr := &tail{max: s.MaxOutput}, &tail{max: s.MaxOutput}
	cmd := exec.CommandContext(ctx, s.Program[0], s.Program[1:]...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	if cmd.Env == nil {
		cmd.Env = Environment()
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.Input), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.Credential}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace

	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Outcome{}, fault.New(fault.Invalid, "command "+s.Program[0], "could not be started").Because(err).
			Do("check the path and that it is executable for the user that Fairlead runs as")
	}
	err := cmd.Wait()
	// Whatever the group left behind ends with it: a grandchild that holds
	// our pipes, or one that ignored SIGTERM.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	out := Outcome{Exit: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(began)}
	out.TimedOut = ctx.Err() != nil && err != nil
	if errors.Is(err, exec.ErrWaitDelay) && out.Exit == 0 {
		out.TimedOut = false // it ended well; only a grandchild kept the pipes open
	}
	return out, nil
}

// Environment is what programs get unless told otherwise: enough to find
// other programs, nothing of our own secrets.
func Environment() []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{"PATH=" + path, "LC_ALL=C", "TZ=UTC"}
}

// tail keeps the last max bytes written to it.
type tail struct {
	max int
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n >= t.max {
		t.buf = append(t.buf[:0], p[n-t.max:]...)
		return n, nil
	}
	if over := len(t.buf) + n - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

func (t *tail) String() string { return string(t.buf) }
