//go:build linux

package slowdisk_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/cmd/internal/lab/slowdisk"
)

func TestFsyncWaitsAndWritesDoNot(t *testing.T) {
	why := slowdisk.Missing()
	if os.Geteuid() != 0 {
		why = "mounting needs root"
	}
	if why != "" {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	at, behind := t.TempDir(), t.TempDir()
	d, err := slowdisk.Mount(at, behind)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := os.Create(filepath.Join(at, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	goOn := d.Stall()
	if _, err := f.WriteString("written"); err != nil {
		t.Errorf("a write while it stalls: %v", err)
	}
	synced := make(chan error, 1)
	go func() { synced <- f.Sync() }()
	for began := time.Now(); d.Waited() == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("no fsync waits")
		}
	}
	select {
	case err := <-synced:
		t.Errorf("an fsync returned %v while the disk stalled", err)
	default:
	}
	goOn()
	if err := <-synced; err != nil {
		t.Errorf("the fsync after it: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(behind, "file")); err != nil || string(text) != "written" {
		t.Errorf("behind it is %q, %v", text, err)
	}
}
