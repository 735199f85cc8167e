package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/cmd/internal/lab/slowdisk"
)

// Which region's node has which disk. The other has the machine's.
const (
	smallDisk = 2 // ap-south's is a small one, which can be full
	slowDisk  = 1 // eu-central's can stall in fsync
)

// small is the size of the disk that can be full, in bytes: etcd sets 64 MB
// aside for its log at once, and as much again when that is used up.
const small = 320 << 20

// insertDisks gives nodes disks that can be broken.
func (l *Lab) insertDisks() error {
	data := func(region int) string { return filepath.Join(l.Regions[region].Node.Dir, "data") }
	for _, region := range []int{smallDisk, slowDisk} {
		if err := os.MkdirAll(data(region), 0o700); err != nil {
			return err
		}
	}
	if err := unix.Mount("fairlead-lab", data(smallDisk), "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", small)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	l.disks = append(l.disks, mounted(data(smallDisk)))
	behind := filepath.Join(l.Regions[slowDisk].Node.Dir, "behind")
	if err := os.MkdirAll(behind, 0o700); err != nil {
		return err
	}
	d, err := slowdisk.Mount(data(slowDisk), behind)
	if err != nil {
		return err
	}
	l.slow = d
	l.disks = append(l.disks, d)
	return nil
}

// mounted is a place where something is.
type mounted string

func (m mounted) Close() error { return unix.Unmount(string(m), unix.MNT_DETACH) }

// Fill fills the disk of ap-south's node to the last byte. A store that died of
// it is started again with its node, as the supervisor of a service does, once
// there is room.
func (l *Lab) Fill() (End, error) {
	r := l.Regions[smallDisk]
	path := filepath.Join(r.Node.Dir, "data", "somebody-elses-file")
	l.History.Note("the disk of %s is full", r.Node.Name)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	for block = block[:1<<10]; len(block) > 0; block = block[:len(block)/2] {
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("fill a disk: %w", err)
	}
	return func() error {
		l.History.Note("there is room again on the disk of %s, and it is started anew", r.Node.Name)
		r.Node.Kill()
		return errors.Join(os.Remove(path), r.Node.Start())
	}, nil
}

// Stall lets every fsync of eu-central's node wait.
func (l *Lab) Stall() End {
	r := l.Regions[slowDisk]
	l.History.Note("the disk of %s stalls", r.Node.Name)
	goOn := l.slow.Stall()
	return func() error {
		goOn()
		l.History.Note("the disk of %s goes on; %d calls have waited", r.Node.Name, l.slow.Waited())
		if l.slow.Waited() == 0 {
			return errors.New("nothing waited for the disk that stalled")
		}
		return nil
	}
}

var _ io.Closer = mounted("")

// Skew starts a node again by another program, whose clock is off.
func (l *Lab) Skew(r *Region, program string, ahead time.Duration, variable string) (End, error) {
	l.History.Note("the clock of %s is %v ahead", r.Node.Name, ahead)
	right := r.Node.Program
	begin := func(program string, env ...string) error {
		r.Node.Kill()
		r.Node.Program, r.Node.Env = program, env
		return r.Node.Start()
	}
	return func() error {
		l.History.Note("the clock of %s is right again", r.Node.Name)
		return begin(right)
	}, begin(program, fmt.Sprintf("%s=%d", variable, int(ahead.Seconds())))
}

// Impostor starts a second process in a region that says that it is another
// node, with that one's certificate, at an address of its own.
func (l *Lab) Impostor(in, of *Region) (End, error) {
	l.History.Note("a second %s runs in %s", of.Node.Name, in.Name)
	n := &Node{Name: of.Node.Name, Dir: filepath.Join(l.Dir, "impostor"), Program: l.Program, place: in.Place, host: 3}
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return nil, err
	}
	certificates := os.DirFS(filepath.Join(of.Node.Dir, "certs"))
	if err := os.CopyFS(filepath.Join(n.Dir, "certs"), certificates); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Join(n.Dir, "certs", "node.key"), 0o600); err != nil {
		return nil, err
	}
	text := l.configuration(in, of.Node.Name, in.Place.Host(3))
	if err := errors.Join(l.Write(n, "fairlead.yaml", text), l.Write(n, "shop.zone", zone), n.Start()); err != nil {
		return nil, err
	}
	return func() error {
		l.History.Note("the second %s is gone", of.Node.Name)
		n.Kill()
		return os.RemoveAll(n.Dir)
	}, nil
}

// Names gives all nodes a zone with so many further names, at once.
func (l *Lab) Names(ctx context.Context, count int) (End, error) {
	l.History.Note("%d names arrive at once", count)
	text := []byte(zone)
	for i := range count {
		text = fmt.Appendf(text, "host-%d A 192.0.2.%d\n", i, i%250+1)
	}
	write := func(text string) (err error) {
		for _, r := range l.Regions {
			err = errors.Join(err, l.Write(r.Node, "shop.zone", text))
		}
		return err
	}
	if err := write(string(text)); err != nil {
		return nil, err
	}
	began := time.Now()
	last := fmt.Sprintf("host-%d.shop.example.", count-1)
	for _, r := range l.Regions {
		for !l.Knows(ctx, r.Node, last) {
			if time.Since(began) > 2*time.Minute || ctx.Err() != nil {
				return nil, fmt.Errorf("%s does not answer %s after %v", r.Node.Name, last, time.Since(began))
			}
			pause(ctx, 200*time.Millisecond)
		}
	}
	l.History.Note("every node answers the last of them after %v", time.Since(began).Round(100*time.Millisecond))
	return func() error {
		l.History.Note("they go again")
		return write(zone)
	}, nil
}
