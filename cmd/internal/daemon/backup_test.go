package daemon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

// TestYesterdaysBackupBringsBackNothingOld: the store is lost after more was
// decided than is in the backup. What was decided since stands, the
// incarnation rises, and the trail goes on and verifies.
func TestYesterdaysBackupBringsBackNothingOld(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const www = "www.shop.example"
	p.run(t)
	file := filepath.Join(p.dir, "yesterday.backup")
	if o := fairlead(t, "backup", file, "--server", "http://"+p.api); o.code != 0 {
		t.Fatalf("backup: %+v", o)
	}
	restore := func(args ...string) outcome {
		return fairlead(t, append([]string{"restore-backup", file, "--data-dir", filepath.Join(p.dir, "data")}, args...)...)
	}
	restore().sentence(t, 1, "it holds a store", "move")
	drain(t, p.node, "us-east")
	p.answers(t, www, 0, "127.22.0.1")
	p.end(t)
	if err := os.Rename(filepath.Join(p.dir, "data/store"), filepath.Join(p.dir, "lost")); err != nil {
		t.Fatal(err)
	}
	if o := restore(); o.code != 0 || !strings.Contains(o.stdout, "own copy") {
		t.Fatalf("restore-backup: %+v", o)
	}
	p.run(t)
	p.answers(t, www, 0, "127.22.0.1")
	if got := p.overrides(t); len(got) != 1 {
		t.Errorf("overrides %+v, want the drain that is newer than the backup", got)
	}
	v, err := client.Get[openapi.AuditVerification](p.call(t).VerifyAudit(t.Context()))
	if err != nil || !v.Ok {
		t.Errorf("the trail = %+v, %v", v, err)
	}
	page, err := client.Get[openapi.AuditPage](p.call(t).ListAudit(t.Context(), &openapi.ListAuditParams{From: 1, Limit: 1000}))
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, e := range page.Entries {
		told = told || e.Kind == "restore-backup" && lacks(e.Sentence, "the store begins anew, incarnation 2, from the backup of", "this node's copy", "revoked") == ""
	}
	if !told {
		t.Errorf("the trail does not say how the store began: %+v", page.Entries)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "data/restore")); err == nil {
		t.Error("the backup that was restored still waits")
	}
}

// TestBackupsAreTakenByThemselves, verified, and an alarm says when not.
func TestBackupsAreTakenByThemselves(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "data_dir: data", "data_dir: data\n  backup: {dir: backups, every: 1m, keep: 2}")
	p.run(t)
	var files []string
	p.eventually(t, "a backup", func() (bool, string) {
		files, _ = filepath.Glob(filepath.Join(p.dir, "backups", "fairlead-node-1-*.backup"))
		return len(files) > 0, "there is none"
	})
	if o := fairlead(t, "backup", "verify", files[0], "-o", "json"); o.code != 0 {
		t.Errorf("verify: %+v", o)
	}
	p.end(t)
	blocked := newPlace(t, "data_dir: data", "data_dir: data\n  backup: {dir: blocked, every: 1m, keep: 2}")
	blocked.write(t, "blocked", "a file where the directory belongs")
	blocked.run(t)
	blocked.alarm(t, "node-1", "no backup could be taken")
}

// TestEachDamagedFileIsNamed: a real data directory, one file of it damaged in
// each way there is. Fairlead doctor names that file.
func TestEachDamagedFileIsNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.run(t)
	drain(t, p.node, "ap-south")
	p.eventually(t, "the memory is on the disk", func() (bool, string) {
		_, err := os.Stat(filepath.Join(p.dir, "data/memory.json"))
		return err == nil, fmt.Sprint(err)
	})
	p.end(t)
	dir := filepath.Join(p.dir, "data")
	whole := fairlead(t, "doctor", "--data-dir", dir, "-o", "json")
	if whole.code != 0 {
		t.Fatalf("an undamaged directory: %+v", whole)
	}
	var files []struct{ Check string }
	if err := json.Unmarshal([]byte(whole.stdout), &files); err != nil {
		t.Fatal(err)
	}
	if len(files) < 6 {
		t.Errorf("only %+v were looked at", files)
	}
	damage := map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b },
		"halved":  func(b []byte) []byte { return b[:len(b)/2] },
		"emptied": func([]byte) []byte { return nil },
	}
	for _, f := range files {
		if info, err := os.Stat(f.Check); err != nil || info.IsDir() {
			continue // the identity: several files, judged together
		}
		text, err := os.ReadFile(f.Check)
		if err != nil {
			t.Fatal(err)
		}
		used := bytes.TrimRight(text, "\x00") // a log is set aside in advance
		for name, spoil := range damage {
			if strings.HasSuffix(f.Check, "/db") && name == "flipped" {
				continue // see package inspect: it depends on what the byte was of
			}
			if strings.HasSuffix(f.Check, "ca.key") && name == "flipped" {
				continue
			}
			if err := os.WriteFile(f.Check, spoil(bytes.Clone(used)), 0o600); err != nil {
				t.Fatal(err)
			}
			o := fairlead(t, "doctor", "--data-dir", dir)
			if o.code != 1 || !strings.Contains(o.stdout, "✖ "+f.Check) || traces.MatchString(o.stdout+o.stderr) {
				t.Errorf("%s %s: exit code %d, want it named\n%s%s", f.Check, name, o.code, o.stdout, o.stderr)
			}
		}
		if err := os.WriteFile(f.Check, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// The node itself starts with all of its own files damaged but one good
	// copy, answers, and says so.
	for _, pattern := range []string{"data/memory.json", "data/history/*.history"} {
		found, _ := filepath.Glob(filepath.Join(p.dir, pattern))
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, damage["flipped"](text), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	copies, _ := filepath.Glob(filepath.Join(p.dir, "data/decided/*.decided"))
	newest := copies[len(copies)-1]
	if err := os.WriteFile(newest, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t)
	p.answers(t, "www.shop.example", 0, "127.12.0.1")
	if missing := lacks(p.said(), newest, "data/memory.json", ".history"); missing != "" {
		t.Errorf("the log does not name %s", missing)
	}
	if traces.MatchString(p.said()) {
		t.Error("the log holds Go's own words")
	}
}
