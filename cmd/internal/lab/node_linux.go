package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/lab/wire"
)

// Node is a process of the program.
type Node struct {
	Name    string
	Dir     string // its configuration and log; the data is in Dir/data
	Program string
	Env     []string // beside this process's own

	host  int // which of the place's hosts it is
	place *wire.Place

	mu      sync.Mutex // guards all below: the clerk looks while faults come and go
	command *exec.Cmd
	ended   chan struct{}
	log     *os.File
}

// DNS returns where it answers.
func (n *Node) DNS() netip.AddrPort { return netip.AddrPortFrom(n.place.Host(n.host), 53) }

// Start starts the process. It returns at once.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(n.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	c := n.place.Command(n.Program, "serve", "--config", filepath.Join(n.Dir, "fairlead.yaml"))
	c.Stdout, c.Stderr = log, log
	c.Env = append(c.Env, n.Env...)
	if err := c.Start(); err != nil {
		log.Close()
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.command, n.log, n.ended = c, log, make(chan struct{})
	go func(ended chan struct{}) {
		c.Wait()
		close(ended)
	}(n.ended)
	return nil
}

// Kill ends the process as a power cut does, and returns once it has ended.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.command == nil {
		return
	}
	n.command.Process.Kill()
	<-n.ended
	n.log.Close()
	n.command = nil
}

// Runs reports whether the process lives.
func (n *Node) Runs() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.command == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// Freeze stops the process in the middle of whatever it does, until Thaw.
func (n *Node) Freeze() error { return n.signal(syscall.SIGSTOP) }

// Thaw lets it go on. It does not know that time has passed.
func (n *Node) Thaw() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.command == nil {
		return fmt.Errorf("signal %s: it does not run", n.Name)
	}
	return n.command.Process.Signal(s)
}

// Call returns a client of its API, which it offers on its own loopback only.
func (n *Node) Call(limit time.Duration) (*client.Client, error) {
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return n.place.Dial(ctx, network, address)
	}}
	return client.New(client.Settings{Server: "http://127.0.0.1:8470", Timeout: limit, Transport: t})
}

// Status is what the node says that it knows.
func (n *Node) Status(ctx context.Context) (openapi.Status, error) {
	c, err := n.Call(2 * time.Second)
	if err != nil {
		return openapi.Status{}, err
	}
	return client.Get[openapi.Status](c.GetStatus(ctx))
}

// Log returns the end of what the node has said.
func (n *Node) Log() string {
	text, err := os.ReadFile(filepath.Join(n.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
