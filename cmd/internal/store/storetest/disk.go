package storetest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// SmallDisk returns a directory on a disk of its own that holds so many
// bytes, so that a test can fill it.
func SmallDisk(t *testing.T, bytes string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "mode=0700,size="+bytes); err != nil {
		const missing = "needs a disk that can be full: the right to mount a tmpfs (run as root)"
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatalf("%s: %v", missing, err)
		}
		t.Skipf("%s: %v", missing, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// FillDisk leaves no byte free on dir's disk, and returns what frees it again.
func FillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; { // halving, so that the last byte goes too
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
