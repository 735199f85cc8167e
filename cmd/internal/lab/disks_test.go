//go:build linux

package lab_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fairlead/cmd/internal/lab"
	"fairlead/cmd/internal/lab/slowdisk"
)

// TestBadDisksAreSurvived: a node whose disk stalls in fsync for five seconds,
// and one whose disk is full, go on answering, and so do the others; what was
// acknowledged meanwhile is in every trail.
func TestBadDisksAreSurvived(t *testing.T) {
	program := build(t)
	if why := slowdisk.Missing(); why != "" {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	l, err := lab.New(t.Context(), lab.Settings{Seed: 1, Dir: t.TempDir(), Program: program, Rate: rate, Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, l)
	slow, small := region(l, "us-east"), region(l, "ap-south")
	disk := onSlowDisk(t, slow.Node)
	onSmallDisk(t, small.Node)
	if err := l.Heal(t.Context(), healing); err != nil {
		t.Fatalf("after the disks were changed: %v", err)
	}
	l.History.Forget()
	clerk := lab.NewClerk(l)
	working, stop := context.WithCancel(t.Context())
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- clerk.Run(working) }()

	t.Run("fsync stalls for 5 s", func(t *testing.T) {
		before := disk.Waited()
		play(t, l, scenario{name: "fsync stalls for 5 s", hold: 5 * time.Second, meanwhile: answers("us-east"), begin: func(context.Context, *lab.Lab) (lab.End, error) {
			l.History.Note("the disk of %s stalls", slow.Node.Name)
			goOn := disk.Stall()
			return func() error {
				l.History.Note("the disk of %s goes on", slow.Node.Name)
				goOn()
				return nil
			}, nil
		}})
		if disk.Waited() == before {
			t.Error("nothing waited for the disk, so nothing was shown")
		}
	})
	t.Run("the disk is full", func(t *testing.T) {
		play(t, l, scenario{name: "the disk is full", hold: 5 * time.Second, meanwhile: answers("us-east"), begin: func(context.Context, *lab.Lab) (lab.End, error) {
			l.History.Note("the disk of %s is full", small.Node.Name)
			ballast := filepath.Join(small.Node.Dir, "data", "ballast")
			if err := fill(ballast); err != nil {
				return nil, err
			}
			// A store that died of it is started as people do it once there is room.
			return func() error {
				l.History.Note("the disk of %s has room again", small.Node.Name)
				if err := os.Remove(ballast); err != nil {
					return err
				}
				small.Node.Kill()
				return small.Node.Start()
			}, nil
		}})
	})
	stop()
	if err := <-worked; err != nil {
		t.Error(err)
	}
	for _, r := range l.Regions {
		if lost, acknowledged, err := clerk.Lost(t.Context(), r.Node); err != nil || len(lost) > 0 || acknowledged == 0 {
			t.Errorf("%s: of %d acknowledged decisions %d are not in the trail: %v %v", r.Node.Name, acknowledged, len(lost), lost, err)
		}
	}
}

// onSlowDisk puts a node's data on a disk that can stall.
func onSlowDisk(t *testing.T, n *lab.Node) *slowdisk.Disk {
	t.Helper()
	n.Kill()
	data, behind := filepath.Join(n.Dir, "data"), filepath.Join(n.Dir, "behind")
	if err := errors.Join(os.Rename(data, behind), os.Mkdir(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	disk, err := slowdisk.Mount(data, behind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// onSmallDisk puts a node's data on a disk of its own that can be filled.
func onSmallDisk(t *testing.T, n *lab.Node) {
	t.Helper()
	n.Kill()
	data, old := filepath.Join(n.Dir, "data"), filepath.Join(n.Dir, "old")
	if err := errors.Join(os.Rename(data, old), os.Mkdir(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=400m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Kill()
		if err := syscall.Unmount(data, 0); err != nil {
			t.Error(err)
		}
	})
	if out, err := exec.Command("cp", "-a", old+"/.", data).CombinedOutput(); err != nil {
		t.Fatalf("copy the data: %v: %s", err, out)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
}

// fill writes until there is no room.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
