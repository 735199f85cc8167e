package command_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/command"
	"fairlead/providers/providertest"
	"fairlead/regions/fault"
)

func sh(script string) []string { return []string{"/bin/sh", "-c", script, "sh"} }

func TestRunKeepsOnlyTheEndOfWhatIsPrinted(t *testing.T) {
	out, err := command.Run(t.Context(), command.Spec{Program: sh(`i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; echo why >&2; exit 3`), MaxOutput: 100})
	if err != nil {
		t.Fatal(err)
	}
	if out.Exit != 3 || len(out.Stdout) > 100 || !strings.HasSuffix(out.Stdout, "line 1999\n") || out.Reason() != "why" {
		t.Errorf("Run = exit %d, %d bytes ending %q, reason %q; want exit 3, at most 100 bytes ending in line 1999, reason why",
			out.Exit, len(out.Stdout), out.Stdout[max(0, len(out.Stdout)-20):], out.Reason())
	}
}

func TestRunEndsTheWholeGroupAtTheLimit(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	out, err := command.Run(t.Context(), command.Spec{
		Program: sh(`trap "" TERM; sh -c 'trap "" TERM; echo $$ > ` + pidFile + `; while :; do sleep 1; done' & wait; while :; do sleep 1; done`),
		Limit:   300 * time.Millisecond,
	})
	if err != nil || !out.TimedOut {
		t.Fatalf("Run = %+v, %v; want it timed out", out, err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatalf("the grandchild never began: %v", err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	deadline := time.Now().Add(5 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %d still runs although Run returned", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive ignores zombies: they do nothing any more.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestRunHidesOurEnvironment(t *testing.T) {
	t.Setenv("FAIRLEAD_SECRET", "s3cret")
	out, err := command.Run(t.Context(), command.Spec{Program: []string{"/usr/bin/env"}})
	if err != nil || strings.Contains(out.Stdout, "s3cret") {
		t.Errorf("a program saw %q (%v), want none of our environment", out.Stdout, err)
	}
}

func TestRunRefusesWhatCannotBeStarted(t *testing.T) {
	for _, program := range [][]string{nil, {""}, {"/nonexistent/program"}} {
		if _, err := command.Run(t.Context(), command.Spec{Program: program}); !fault.Is(err, fault.Invalid) {
			t.Errorf("Run(%q) = %v, want invalid", program, err)
		}
	}
}

func TestControlProtocol(t *testing.T) {
	tests := []struct {
		name, script, want string
		kind               fault.Kind
		ok                 bool
	}{
		{"exit 0 is done, and its output is the answer", `echo "$1"`, "status", 0, true},
		{"exit 75 is out of reach", `echo "no route to host" >&2; exit 75`, "no route to host", fault.Unavailable, false},
		{"anything else failed, and the last line of standard error is the reason", `echo noise >&2; echo "disk full" >&2; exit 1`, "disk full", fault.Conflict, false},
		{"the time limit is out of reach too: nothing is known", `sleep 60`, "nothing is known", fault.Unavailable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := command.Control{Subject: "orders in us-east", Program: sh(tt.script), Limit: 400 * time.Millisecond}
			out, err := c.Do(t.Context(), "status")
			if tt.ok {
				if err != nil || out != tt.want {
					t.Fatalf("Do = %q, %v; want %q", out, err, tt.want)
				}
				return
			}
			if !fault.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Do = %v (%v), want %v containing %q", err, fault.Of(err), tt.kind, tt.want)
			}
		})
	}
}

func TestControlPassesWhatTheVerbIsAbout(t *testing.T) {
	c := command.Control{Program: sh(`echo "$FAIRLEAD_EPOCH $FAIRLEAD_UPSTREAM"`)}
	out, err := c.Do(t.Context(), "standby", "FAIRLEAD_EPOCH=7", "FAIRLEAD_UPSTREAM=eu-central")
	if err != nil || out != "7 eu-central" {
		t.Errorf("Do = %q, %v; want the environment to reach the program", out, err)
	}
}

func TestProviderContract(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Subject {
		file := filepath.Join(t.TempDir(), "done")
		p, err := command.New(sh("echo once >> "+file), sh("test -e "+file), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return providertest.Subject{
			Provider: p,
			Request:  providers.Request{Action: "run"},
			Effects: func() int {
				text, _ := os.ReadFile(file)
				return strings.Count(string(text), "once")
			},
		}
	})
}

func TestProviderDoesNotBelieveAnExitCodeAlone(t *testing.T) {
	p, err := command.New(sh("exit 0"), sh("echo 'still on fire' >&2; exit 1"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Act(context.Background(), providers.Request{Key: "k", Action: "run"})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "still on fire") {
		t.Errorf("Act whose verify fails = %v, want a conflict with the verify command's reason", err)
	}
}

func TestProviderWithoutVerifyCannotTell(t *testing.T) {
	p, err := command.New(sh("exit 0"), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := p.Observe(t.Context(), providers.Request{}); err != nil || res.State != providers.Unknown {
		t.Errorf("Observe without a verify command = %v, %v; want unknown", res, err)
	}
}
