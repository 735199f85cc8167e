package demo

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTellReachesTheDemoThatRuns(t *testing.T) {
	dir, err := os.MkdirTemp("", "fl-tell-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	home := filepath.Join(dir, "fairlead-demo-7")
	stale := filepath.Join(dir, "fairlead-demo-1")
	for _, d := range []string{home, stale} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// One that was killed has left its socket.
	if err := os.WriteFile(filepath.Join(stale, socketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(home, socketName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- control{l}.run(ctx, func(_ context.Context, order string) (string, error) {
			if order != "start us-east" {
				return "", errors.New("unknown order")
			}
			return "started", nil
		})
	}()
	if reply, err := Tell(t.Context(), "start us-east"); err != nil || reply != "started\n" {
		t.Errorf("Tell = %q, %v, want the demo's reply", reply, err)
	}
	if _, err := Tell(t.Context(), "sing"); err == nil || !strings.Contains(err.Error(), "unknown order") {
		t.Errorf("Tell of nonsense = %v, want the demo's refusal", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run = %v", err)
	}
}
