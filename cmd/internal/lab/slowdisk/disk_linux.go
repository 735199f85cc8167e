package slowdisk

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Disk is a mounted file system.
type Disk struct {
	server *fuse.Server

	mu      sync.Mutex
	stalled chan struct{} // closed when it goes on; nil while it does not stall
	waited  int
}

// Mount passes what happens in the directory at on to the one behind it. Both
// must exist. It needs root and /dev/fuse.
func Mount(at, behind string) (*Disk, error) {
	root, err := fs.NewLoopbackRoot(behind)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", at, err)
	}
	d := &Disk{}
	options := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "fairlead-lab", Name: "slowdisk"}}
	if d.server, err = fs.Mount(at, &node{root.(*fs.LoopbackNode), d}, options); err != nil {
		return nil, fmt.Errorf("mount %s: %w", at, err)
	}
	return d, nil
}

// Missing says in a sentence what this machine lacks; empty if nothing.
func Missing() string {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return "the kernel has no /dev/fuse: load the module fuse"
	}
	return ""
}

// Stall lets every fsync wait until the returned function is called.
func (d *Disk) Stall() (goOn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stalled := make(chan struct{})
	d.stalled = stalled
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stalled = nil
		close(stalled)
	}
}

// Waited returns how many calls have had to wait so far.
func (d *Disk) Waited() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waited
}

// wait returns when the disk goes on, or its caller has been ended.
func (d *Disk) wait(ctx context.Context) {
	d.mu.Lock()
	stalled := d.stalled
	if stalled != nil {
		d.waited++
	}
	d.mu.Unlock()
	if stalled == nil {
		return
	}
	select {
	case <-stalled:
	case <-ctx.Done():
	}
}

// Close unmounts.
func (d *Disk) Close() error { return d.server.Unmount() }

// node is a file or directory.
type node struct {
	*fs.LoopbackNode
	disk *Disk
}

// WrapChild implements [fs.NodeWrapChilder].
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{child.(*fs.LoopbackNode), n.disk}
}

// Fsync implements [fs.NodeFsyncer].
func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	n.disk.wait(ctx)
	if s, ok := f.(fs.FileFsyncer); ok {
		return s.Fsync(ctx, flags)
	}
	return fs.OK
}
