package pair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"fairlead/providers/postgres/agent"
	"fairlead/regions"
)

// Server is one PostgreSQL server of a pair.
type Server struct {
	Installation
	Region  regions.ID
	Host    string
	Port    int
	DataDir string

	dir      string // data directory, socket, log
	template *Template
	peer     *Server
}

// Start starts the server as a person at the keyboard would.
func (s *Server) Start(ctx context.Context) error {
	// Where nobody reaps orphans, a killed server stays a zombie, and
	// PostgreSQL takes a zombie's pid file for a running server.
	if err := agent.ClearStale(s.DataDir); err != nil {
		return fmt.Errorf("start %s: %w", s.Region, err)
	}
	if err := s.run(ctx, "pg_ctl", "-D", s.DataDir, "-w", "-t", "50", "-l", s.LogFile(), "start"); err != nil {
		return fmt.Errorf("start %s: %w (its log is %s)", s.Region, err, s.LogFile())
	}
	return nil
}

// Stop stops the server cleanly.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.run(ctx, "pg_ctl", "-D", s.DataDir, "-w", "-m", "fast", "stop"); err != nil {
		return fmt.Errorf("stop %s: %w", s.Region, err)
	}
	return nil
}

// PID is the postmaster's process, or 0.
func (s *Server) PID() int {
	pids, err := agent.Processes(s.DataDir)
	if err != nil || len(pids) == 0 {
		return 0
	}
	return pids[0]
}

// Kill ends every process of the server with SIGKILL, as a power cut would,
// and returns once none is left.
func (s *Server) Kill() error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids, err := agent.Processes(s.DataDir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(pids) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("kill %s: %w", s.Region, err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill %s: processes %v are still there", s.Region, pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Freeze stops every process of the server where it stands, as a hanging
// machine would; Thaw lets them go on.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	pids, err := agent.Processes(s.DataDir)
	if err != nil {
		return fmt.Errorf("signal %s: %w", s.Region, err)
	}
	for _, pid := range pids { // the postmaster first, so that it starts no more
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("signal process %d of %s: %w", pid, s.Region, err)
		}
	}
	return nil
}
