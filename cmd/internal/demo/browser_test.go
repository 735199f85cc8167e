package demo

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"fairlead/api/console"
	"fairlead/cmd/internal/demo/world"
)

// TestTwoPeopleLiveThroughABadNightInTheConsole walks the real console of a
// real node with a real browser: see the red region, read why, start the
// switchover, approve it as a second person, watch it finish.
func TestTwoPeopleLiveThroughABadNightInTheConsole(t *testing.T) {
	program := needs(t)
	lacks := func(sentence string) {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal(sentence)
		}
		t.Skip(sentence)
	}
	dir, err := filepath.Abs("../../../api/console")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "playwright-core")); err != nil || !console.Built() {
		lacks("needs the console, built, with its test tools: make build")
	}
	if _, err := exec.LookPath("chromium"); err != nil && os.Getenv("CHROMIUM") == "" {
		lacks("needs Chromium: apt-get install chromium, or its path in CHROMIUM")
	}

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	w, err := world.Build(ctx, world.Options{Program: program, Nodes: 1, Progress: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("the world was not left clean: %v", err)
		}
	}()
	if _, err := w.KillShop(world.USEast); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(os.TempDir(), "fairlead-walk-failed.png")
	walk := exec.CommandContext(ctx, "node", "test/walk.mjs")
	walk.Dir = dir
	walk.Env = append(os.Environ(), "BASE_URL="+w.Nodes[0].API, "TOKEN_ONE="+w.Ada.Token, "TOKEN_TWO="+w.Grace.Token, "SCREENSHOT="+picture)
	out, err := walk.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	walk.Stderr = walk.Stdout
	if err := walk.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		t.Log(lines.Text())
	}
	if err := walk.Wait(); err != nil {
		t.Errorf("the walk broke off: %v (a picture of it: %s)", err, picture)
	}
}
