package process_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/process"
)

func shell(name, script string) process.Spec {
	return process.Spec{Name: name, Path: "/bin/sh", Args: []string{"-c", script}}
}

func nursery(t *testing.T) *process.Nursery {
	t.Helper()
	n, err := process.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(3 * time.Second); err != nil {
			t.Error(err)
		}
	})
	return n
}

// number waits until the file holds a process id.
func number(t *testing.T, path string) int {
	t.Helper()
	for range 500 {
		b, err := os.ReadFile(path)
		if pid, errNumber := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && errNumber == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s never held a process id", path)
	return 0
}

// gone reports whether the process runs no more; a zombie does not run.
func gone(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		if gone(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still lives", pid)
}

func TestCloseEndsWhatChildrenLeftBehind(t *testing.T) {
	dir := t.TempDir()
	n := nursery(t)
	// As a database server: started by a child, in a session of its own,
	// deaf to a polite end, and its starter is long gone.
	orphan := filepath.Join(dir, "orphan")
	if _, err := n.Start(shell("starter", `setsid sh -c 'trap "" TERM QUIT; echo $$ >`+orphan+`; while :; do sleep 1; done' & exit 0`)); err != nil {
		t.Fatal(err)
	}
	stubborn, err := n.Start(shell("stubborn", `trap "" TERM; while :; do sleep 0.05; done`))
	if err != nil {
		t.Fatal(err)
	}
	pid := number(t, orphan)
	if err := n.Close(300 * time.Millisecond); err != nil {
		t.Errorf("Close = %v", err)
	}
	waitGone(t, pid)
	waitGone(t, stubborn.PID())
	if _, err := n.Start(shell("late", "exit 0")); err == nil {
		t.Error("a closed nursery started a child")
	}
}

func TestPIDFileComesAndGoesWithTheChild(t *testing.T) {
	n := nursery(t)
	path := filepath.Join(t.TempDir(), "shop.pid")
	s := shell("shop", "echo hello; echo you; sleep 60")
	s.PIDFile = path
	c, err := n.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := number(t, path); got != c.PID() {
		t.Errorf("pid file says %d, the child is %d", got, c.PID())
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("pid file of a dead child: %v, want none", err)
	}
	if c.Alive() || c.Err() == nil {
		t.Errorf("a killed child is alive=%v with error %v", c.Alive(), c.Err())
	}
}

func TestTailShowsTheLastLines(t *testing.T) {
	n := nursery(t)
	c, err := n.Start(shell("talker", "for i in 1 2 3 4 5; do echo line $i; done"))
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if got, want := c.Tail(2), "line 4\nline 5"; got != want {
		t.Errorf("Tail(2) = %q, want %q", got, want)
	}
}

func TestGuard(t *testing.T) {
	t.Run("a dismissed guard touches nothing", func(t *testing.T) {
		dir := t.TempDir()
		g, err := process.NewGuard(dir, false)
		if err != nil {
			t.Fatal(err)
		}
		g.Dismiss()
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("the directory is gone: %v", err)
		}
	})
	t.Run("when the demo is killed outright the guard ends its servers and removes its directory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "world")
		if err := os.MkdirAll(filepath.Join(dir, "db"), 0o755); err != nil {
			t.Fatal(err)
		}
		// This test's binary plays the demo; see TestMain.
		pidFile := filepath.Join(dir, "db", "postmaster.pid")
		attr := &os.ProcAttr{Env: append(os.Environ(), "DEMO_TEST_GUARDED="+dir), Files: []*os.File{nil, os.Stdout, os.Stderr}}
		p, err := os.StartProcess(os.Args[0], os.Args[:1], attr)
		if err != nil {
			t.Fatal(err)
		}
		server := number(t, pidFile)
		p.Kill()
		p.Wait()
		waitGone(t, server)
		for range 500 {
			if _, err := os.Stat(dir); os.IsNotExist(err) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("the directory is still there")
	})
}

func TestMain(m *testing.M) {
	dir := os.Getenv("DEMO_TEST_GUARDED")
	if dir == "" {
		os.Exit(m.Run())
	}
	// A demo with a server of its own session, about to be killed.
	if _, err := process.NewGuard(dir, false); err != nil {
		panic(err)
	}
	attr := &os.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}}
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, attr)
	if err != nil {
		panic(err)
	}
	os.WriteFile(filepath.Join(dir, "db", "postmaster.pid"), []byte(strconv.Itoa(p.Pid)+"\n"), 0o644)
	time.Sleep(time.Minute)
}
