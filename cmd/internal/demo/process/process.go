// Package process runs the demo's children, and makes sure that none of them
// outlives it.
//
// Three nets lie under one another. Every child is started in a process group
// of its own and is killed by the kernel when the demo dies. What the children
// start in turn, such as a database server that an agent brings up, becomes
// the demo's child when its parent goes, because the demo is a subreaper; so
// walking the tree of processes finds everything. And a guard, a shell that
// waits for the demo's end of a pipe to close, cleans up when even the demo
// itself is killed outright.
//
// Linux only: elsewhere the first and the last net hold, not the one between.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"fairlead/regions/fault"
)

// Spec is what to run.
type Spec struct {
	Name string // of the log file and in messages
	Path string
	Args []string
	Env  []string // added to ours
	Dir  string
	// PIDFile gets the process id, for people who want to kill it; it goes
	// when the process goes.
	PIDFile string
	// User runs the child as somebody else; nil means as we are.
	User *syscall.Credential
}

// Child is one running process.
type Child struct {
	Name string
	Log  string // the file that its output goes to

	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done closes
}

// PID is the child's process id, which is also its group's.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended and was reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// Alive reports whether the child has not ended yet.
func (c *Child) Alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Err says how a child that is done ended.
func (c *Child) Err() error { <-c.done; return c.err }

// Signal sends sig to the child alone. A child that has ended is not an
// error: it is what most signals are for.
func (c *Child) Signal(sig syscall.Signal) error {
	err := c.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Kill ends the child at once, as a power failure would, and waits until it
// is gone.
func (c *Child) Kill() error {
	if err := c.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s (process %d): %w", c.Name, c.PID(), err)
	}
	<-c.done
	return nil
}

// Stop asks the child to end and kills it if it has not after patience.
func (c *Child) Stop(patience time.Duration) error {
	if err := c.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s (process %d): %w", c.Name, c.PID(), err)
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(patience):
		return c.Kill()
	}
}

// Tail returns the last lines of the child's output, for messages.
func (c *Child) Tail(lines int) string { return tail(c.Log, lines) }

// Nursery holds the children of one demo.
type Nursery struct {
	logs  string
	spawn chan func()

	mu       sync.Mutex
	children []*Child
	closed   bool
}

// New makes a nursery whose children write to files in the directory logs.
func New(logs string) (*Nursery, error) {
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of logs: %w", err)
	}
	if err := becomeSubreaper(); err != nil {
		return nil, fmt.Errorf("become the parent of orphans: %w", err)
	}
	n := &Nursery{logs: logs, spawn: make(chan func())}
	go n.spawnFromOneThread()
	return n, nil
}

// spawnFromOneThread starts every child from one thread that lives as long as
// the nursery: the kernel's "kill when the parent dies" means the thread that
// forked, not the process.
func (n *Nursery) spawnFromOneThread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range n.spawn {
		f()
	}
}

// Start starts a child. Its output goes to LOGS/NAME.log.
func (n *Nursery) Start(s Spec) (*Child, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fault.Unavailablef("process "+s.Name, "is not started: the demo is ending")
	}
	log, err := os.OpenFile(filepath.Join(n.logs, s.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", s.Name, err)
	}
	defer log.Close()
	c := &Child{Name: s.Name, Log: log.Name(), cmd: exec.Command(s.Path, s.Args...), done: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = attributes(s.User)

	started := make(chan error, 1)
	n.spawn <- func() { started <- c.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fault.Unavailablef("process "+s.Name, "cannot be started").Because(err)
	}
	if s.PIDFile != "" {
		if err := os.WriteFile(s.PIDFile, []byte(strconv.Itoa(c.PID())+"\n"), 0o644); err != nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
			return nil, fmt.Errorf("write down the process of %s: %w", s.Name, err)
		}
	}
	n.children = append(n.children, c)
	go func() {
		c.err = c.cmd.Wait()
		if s.PIDFile != "" {
			os.Remove(s.PIDFile)
		}
		n.mu.Lock()
		n.forget(c)
		n.mu.Unlock()
		close(c.done)
	}()
	return c, nil
}

// forget needs mu.
func (n *Nursery) forget(c *Child) {
	for i, other := range n.children {
		if other == c {
			n.children = append(n.children[:i], n.children[i+1:]...)
			return
		}
	}
}

// Close ends every child and everything that children left behind, first
// politely and after patience by force. It returns when nothing is left.
func (n *Nursery) Close(patience time.Duration) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	children := append([]*Child(nil), n.children...)
	n.mu.Unlock()
	defer close(n.spawn)

	before := descendants() // while the tree still says who belongs to whom
	for _, c := range children {
		c.Signal(syscall.SIGTERM)
	}
	deadline := time.Now().Add(patience)
	for _, c := range children {
		select {
		case <-c.done:
		case <-time.After(time.Until(deadline)):
			c.Signal(syscall.SIGKILL)
			<-c.done
		}
	}
	return endAll(before, patience)
}

func tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 8 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		f.Seek(-most, io.SeekEnd)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	end := len(b)
	for end > 0 && b[end-1] == '\n' {
		end--
	}
	start := end
	for start > 0 {
		if b[start-1] == '\n' {
			if lines--; lines == 0 {
				break
			}
		}
		start--
	}
	return string(b[start:end])
}
