package wire

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// relay carries every packet between two places.
type relay struct {
	tun   *os.File
	ended sync.WaitGroup

	mu     sync.Mutex
	paths  [][]Path
	losses [][]lossy
	late   queue // waits for its time
	number uint64
	wake   chan struct{}
	over   chan struct{} // closed with the device
	counts Counts
}

// Counts are packets since the network was made.
type Counts struct{ Carried, Lost, Cut uint64 }

const largest = 65535 // of an IPv4 packet

// newRelay opens a TUN device in the router's namespace, to which everything
// is routed that comes from a place, and which routes it on.
func newRelay(router string, places int, seed uint64) (*relay, error) {
	r := &relay{wake: make(chan struct{}, 1), over: make(chan struct{})}
	for from := range places + 1 {
		r.paths = append(r.paths, make([]Path, places+1))
		r.losses = append(r.losses, make([]lossy, places+1))
		for to := range r.losses[from] {
			r.losses[from][to].dice = rand.New(rand.NewPCG(seed, uint64(from)<<8|uint64(to)))
		}
	}
	err := inside(router, func() error {
		for path, value := range map[string]string{
			"/proc/sys/net/ipv4/ip_forward": "1",
			// Answers leave by another device than questions come by.
			"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
			"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
		} {
			if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
				return fmt.Errorf("prepare the router: %w", err)
			}
		}
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq("relay")
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			unix.Close(fd)
			return fmt.Errorf("make the relay's device: %w", err)
		}
		r.tun = os.NewFile(uintptr(fd), "relay")
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"-n", router, "link", "set", "relay", "up", "txqueuelen", "10000"},
		{"-n", router, "route", "add", "default", "dev", "relay", "table", "100"},
	} {
		if err := ip(args...); err != nil {
			r.tun.Close()
			return nil, err
		}
	}
	r.ended.Go(r.carry)
	r.ended.Go(r.deliver)
	return r, nil
}

func (r *relay) close() error {
	err := r.tun.Close()
	close(r.over)
	r.ended.Wait()
	return err
}

// carry takes packets one by one until the device is closed.
func (r *relay) carry() {
	buf := make([]byte, largest)
	for {
		n, err := r.tun.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				panic(fmt.Sprintf("the laboratory's relay cannot read: %v", err))
			}
			return
		}
		if due, ok := r.judge(buf[:n]); ok && due.IsZero() {
			r.write(buf[:n])
		}
	}
}

// judge decides what becomes of a packet: carried now, later, or not at all.
func (r *relay) judge(packet []byte) (due time.Time, carried bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return due, false
	}
	from, to := int(packet[14]), int(packet[18])
	r.mu.Lock()
	defer r.mu.Unlock()
	if from >= len(r.paths) || to >= len(r.paths) {
		return due, false
	}
	switch p := r.paths[from][to]; {
	case p.Cut:
		r.counts.Cut++
		return due, false
	case r.losses[from][to].lose(p):
		r.counts.Lost++
		return due, false
	case p.Delay > 0:
		due = time.Now().Add(p.Delay)
		r.number++
		heap.Push(&r.late, waiting{due, r.number, append([]byte(nil), packet...)})
		if r.late[0].number == r.number {
			r.poke()
		}
	}
	r.counts.Carried++
	return due, true
}

func (r *relay) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// write hands a packet back to the kernel. One that does not fit a full queue
// is lost, as on any wire.
func (r *relay) write(packet []byte) {
	_, _ = r.tun.Write(packet)
}

// deliver writes the packets that were delayed, each in its time, until the
// device is closed.
func (r *relay) deliver() {
	for {
		next, pause := r.next()
		if next != nil {
			if _, err := r.tun.Write(next); errors.Is(err, os.ErrClosed) {
				return
			}
			continue
		}
		select {
		case <-r.over:
			return
		case <-r.wake:
		case <-time.After(pause):
		}
	}
}

// next returns the packet whose time has come, or how long until one's has.
func (r *relay) next() (packet []byte, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.late) == 0 {
		return nil, time.Hour
	}
	if pause = time.Until(r.late[0].due); pause > 0 {
		return nil, pause
	}
	return heap.Pop(&r.late).(waiting).packet, 0
}

// waiting is a packet on its way.
type waiting struct {
	due    time.Time
	number uint64
	packet []byte
}

// queue orders packets by their time, and those of one time as they came.
type queue []waiting

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].due.Before(q[j].due) || q[i].due.Equal(q[j].due) && q[i].number < q[j].number
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(waiting)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
