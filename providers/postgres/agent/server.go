package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fairlead/providers/command"
	"fairlead/regions/fault"
)

// poll is how often the critical path looks again.
const poll = 3 * time.Millisecond

// server is the PostgreSQL server on one data directory, as its owner sees it
// from outside: processes, files and programs. It remembers nothing.
type server struct {
	Config
	subject string
	cred    *syscall.Credential
	own     *owner
}

func newServer(c Config) (*server, error) {
	cred, err := c.credential()
	if err != nil {
		return nil, err
	}
	s := &server{Config: c, cred: cred, subject: fmt.Sprintf("%s in %s", c.Database, c.Region)}
	if cred != nil {
		s.own = &owner{int(cred.Uid), int(cred.Gid)}
	}
	return s, nil
}

func (s *server) file(name string) string { return filepath.Join(s.DataDir, name) }

// program runs one of PostgreSQL's programs to its end.
func (s *server) program(ctx context.Context, limit time.Duration, name string, args ...string) (command.Outcome, error) {
	return command.Run(ctx, command.Spec{
		Program:    append([]string{filepath.Join(s.BinDir, name)}, args...),
		Credential: s.cred, Limit: limit,
		Env: append(command.Environment(), "HOME=/", "PGCONNECT_TIMEOUT=10"),
	})
}

// control reads the control data.
func (s *server) control(ctx context.Context) (Control, error) {
	out, err := s.program(ctx, 10*time.Second, "pg_controldata", "-D", s.DataDir)
	if err != nil {
		return Control{}, err
	}
	if out.TimedOut || out.Exit != 0 {
		return Control{}, fault.New(fault.Internal, s.subject, "control data cannot be read: %s", out.Reason())
	}
	return ParseControl(out.Stdout)
}

// standby reports whether the server is, or would come up as, a standby.
func (s *server) standby() (bool, error) {
	_, err := os.Lstat(s.file("standby.signal"))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("look for standby.signal of %s: %w", s.subject, err)
}

// markStandby makes whoever starts the server get a standby, for good.
func (s *server) markStandby() error {
	if err := writeDurably(s.file("standby.signal"), nil, 0o600, s.own); err != nil {
		return fmt.Errorf("write standby.signal of %s: %w", s.subject, err)
	}
	return nil
}

func (s *server) unmarkStandby() error {
	if err := removeDurably(s.file("standby.signal")); err != nil {
		return fmt.Errorf("remove standby.signal of %s: %w", s.subject, err)
	}
	return nil
}

// look fills in what processes and files tell.
func (s *server) look() (Status, error) {
	st := Status{Database: s.Database, Region: s.Region}
	var err error
	if st.Standby, err = s.standby(); err != nil {
		return st, err
	}
	ps, err := holders(s.DataDir)
	if err != nil {
		return st, err
	}
	if pm, ok := postmaster(ps); ok {
		st.Running, st.PID, st.Frozen = true, pm.pid, pm.frozen
		st.Ready = s.ready(pm.pid) && !pm.frozen
	}
	return st, nil
}

// ready reports whether the server that is process pid says that it accepts
// connections.
func (s *server) ready(pid int) bool {
	f, err := readPidFile(s.DataDir)
	return err == nil && f.pid == pid && (f.state == "ready" || f.state == "standby")
}

// off confirms that nothing holds the data directory, and that nobody answers
// where this server last listened: a server in another process namespace would
// be invisible and must not be taken for a stopped one.
func (s *server) off() error {
	ps, err := holders(s.DataDir)
	if err != nil {
		return err
	}
	if len(ps) > 0 {
		return fault.Unavailablef(s.subject, "process %d still holds the data directory", ps[0].pid)
	}
	f, err := readPidFile(s.DataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the pid file of %s: %w", s.subject, err)
	}
	if f.socket != "" {
		if c, err := net.DialTimeout("unix", f.socket, time.Second); err == nil {
			c.Close()
			return fault.New(fault.Internal, s.subject, "no process of it is visible, yet %s accepts connections", f.socket).
				Do("run the agent in the server's process namespace")
		}
	}
	return nil
}

// awaitOff waits until the server is off, for at most limit.
func (s *server) awaitOff(ctx context.Context, pid int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		var err error
		if !exists(pid) { // cheap; only then look at every process
			if err = s.off(); err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fault.Unavailablef(s.subject, "process %d is not gone after %v", pid, limit).Because(err)
		}
		if err := sleep(ctx, poll); err != nil {
			return fmt.Errorf("wait for %s to stop: %w", s.subject, err)
		}
	}
}

// stopClean ends the server so that nothing is left to recover: it disconnects
// everybody, writes a checkpoint, and lets standbys receive all of it.
func (s *server) stopClean(ctx context.Context, limit time.Duration) error {
	st, err := s.look()
	if err != nil || !st.Running {
		return errors.Join(err, s.off())
	}
	if st.Frozen {
		return errFrozen(s.subject, st.PID)
	}
	if err := syscall.Kill(st.PID, syscall.SIGINT); err != nil {
		return fmt.Errorf("ask process %d of %s to stop: %w", st.PID, s.subject, err)
	}
	return s.awaitOff(ctx, st.PID, limit)
}

func errFrozen(subject string, pid int) error {
	return fault.Conflictf(subject, "is frozen (process %d is stopped), so it cannot stop cleanly", pid).
		Do("thaw it (kill -CONT %d), or fence it as not planned", pid)
}

// stopHard ends the server whatever it takes: first politely, so that standbys
// receive the most, then at once, then by force. A frozen server is not asked.
func (s *server) stopHard(ctx context.Context, limit time.Duration) error {
	polite := min(3*time.Second, limit/3)
	for {
		ps, err := holders(s.DataDir)
		if err != nil {
			return err
		}
		pm, running := postmaster(ps)
		switch {
		case !running:
			return s.off()
		case !pm.frozen && polite > 0:
			_ = syscall.Kill(pm.pid, syscall.SIGINT)
			if s.awaitOff(ctx, pm.pid, polite) == nil {
				return nil
			}
			_ = syscall.Kill(pm.pid, syscall.SIGQUIT)
			if s.awaitOff(ctx, pm.pid, polite/3) == nil {
				return nil
			}
			polite = 0
		}
		signalAll(ps, syscall.SIGKILL) // all of them: orphans finish their writes otherwise
		if err := s.awaitOff(ctx, pm.pid, min(limit, 5*time.Second)); err == nil || ctx.Err() != nil {
			return err
		}
		if limit -= 5 * time.Second; limit <= 0 {
			return fault.Unavailablef(s.subject, "process %d cannot be killed", pm.pid).
				Do("it waits for its disk: fence the machine itself (power, hypervisor, provider)")
		}
	}
}

// launch starts the server's process and does not wait until it is ready, only
// until it can be seen to hold the data directory: before that, a fence would
// find nobody and confirm what is not so. The process lives in a session of its
// own and does not notice the end of the agent.
func (s *server) launch(ctx context.Context, limit time.Duration) (*launched, error) {
	if err := s.clearStale(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", s.subject, err)
	}
	defer log.Close()
	if s.own != nil {
		if err := log.Chown(s.own.uid, s.own.gid); err != nil {
			return nil, fmt.Errorf("give the log of %s to its user: %w", s.subject, err)
		}
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("find the end of the log of %s: %w", s.subject, err)
	}
	cmd := exec.Command(filepath.Join(s.BinDir, "postgres"), s.arguments()...)
	cmd.Dir, cmd.Env = "/", append(command.Environment(), "HOME=/")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.cred}
	if err := cmd.Start(); err != nil {
		return nil, fault.New(fault.Invalid, s.subject, "postgres could not be started").Because(err)
	}
	l := &launched{pid: cmd.Process.Pid, logFrom: from, ended: make(chan error, 1)}
	go func() { l.ended <- cmd.Wait() }() // for as long as we live: it leaves no zombie behind
	if err := s.awaitSeen(ctx, l, limit); err != nil {
		_ = cmd.Process.Kill() // it has done nothing yet, and may have ended
		return nil, err
	}
	return l, nil
}

// awaitSeen returns once a server that was launched is among the holders of the
// data directory, or has ended, which is awaitReady's to explain.
func (s *server) awaitSeen(ctx context.Context, l *launched, limit time.Duration) error {
	for deadline := time.Now().Add(limit); exists(l.pid); {
		ps, err := holders(s.DataDir)
		if err != nil || slices.ContainsFunc(ps, func(p process) bool { return p.pid == l.pid }) {
			return err
		}
		if time.Now().After(deadline) {
			return fault.Unavailablef(s.subject, "postgres runs as process %d and has not come to its data directory after %v", l.pid, limit).
				Do("read %s", s.LogFile)
		}
		if err := sleep(ctx, poll); err != nil {
			return fmt.Errorf("wait for %s to start: %w", s.subject, err)
		}
	}
	return nil
}

// launched is a server's process that this agent started.
type launched struct {
	pid     int
	logFrom int64 // where its part of the log begins
	ended   chan error
}

// awaitReady returns once a server that was launched accepts connections.
func (s *server) awaitReady(ctx context.Context, l *launched, limit time.Duration) error {
	for deadline := time.Now().Add(limit); !s.ready(l.pid); {
		select {
		case err := <-l.ended:
			return fault.Conflictf(s.subject, "postgres ended while it started (%v): %s", err, s.lastWords(l.logFrom)).Do("read %s", s.LogFile)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to start: %w", s.subject, ctx.Err())
		case <-time.After(poll):
		}
		if time.Now().After(deadline) {
			return fault.Unavailablef(s.subject, "postgres runs as process %d but does not accept connections after %v: %s", l.pid, limit, s.lastWords(l.logFrom)).
				Do("it may still be recovering: read %s", s.LogFile)
		}
	}
	return nil
}

// arguments are postgres' own, without its name.
func (s *server) arguments() []string {
	args := []string{"-D", s.DataDir}
	if s.ConfigFile != "" {
		args = append(args, "-c", "config_file="+s.ConfigFile)
	}
	if s.Host != "" {
		args = append(args, "-c", "listen_addresses="+s.Host)
	}
	if s.Port != 0 {
		args = append(args, "-p", strconv.Itoa(s.Port))
	}
	if s.SocketDir != "" {
		args = append(args, "-k", s.SocketDir)
	}
	return args
}

// clearStale removes what a server left behind that is off.
func (s *server) clearStale() error {
	if err := s.off(); err != nil {
		return err
	}
	return ClearStale(s.DataDir)
}

// lastWords returns the last reason that the server logged after a position.
func (s *server) lastWords(from int64) string {
	f, err := os.Open(s.LogFile)
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	defer f.Close()
	buf := make([]byte, 16<<10)
	n, _ := f.ReadAt(buf, from)
	reason := "it logged nothing"
	for line := range strings.SplitSeq(strings.TrimSpace(string(buf[:n])), "\n") {
		for _, level := range []string{"FATAL:", "PANIC:", "ERROR:"} {
			if _, words, ok := strings.Cut(line, level); ok {
				reason = strings.TrimSpace(words)
			}
		}
	}
	return reason
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
