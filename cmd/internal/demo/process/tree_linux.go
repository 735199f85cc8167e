package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func becomeSubreaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: user}
}

// process is what /proc says of one.
type entry struct {
	pid, parent int
	zombie      bool
	started     uint64 // clock ticks since boot: with pid it names one process for ever
}

// table reads every process of the machine.
func table() []entry {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []entry
	for _, d := range names {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if e, ok := read(pid); ok {
			all = append(all, e)
		}
	}
	return all
}

func read(pid int) (entry, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return entry{}, false // it has ended since
	}
	// The command stands in parentheses and may hold anything, even ") ".
	i := bytes.LastIndexByte(b, ')')
	fields := bytes.Fields(b[i+1:])
	if len(fields) < 20 {
		return entry{}, false
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	started, _ := strconv.ParseUint(string(fields[19]), 10, 64)
	return entry{pid: pid, parent: parent, zombie: fields[0][0] == 'Z', started: started}, true
}

// descendants lists everything below this process, children first.
func descendants() []entry {
	children := map[int][]entry{}
	for _, e := range table() {
		children[e.parent] = append(children[e.parent], e)
	}
	var found []entry
	for queue := []int{os.Getpid()}; len(queue) > 0; queue = queue[1:] {
		for _, e := range children[queue[0]] {
			found = append(found, e)
			queue = append(queue, e.pid)
		}
	}
	return found
}

// endAll ends the processes that were our descendants and still live, and
// those that they started since. SIGQUIT is what PostgreSQL calls an
// immediate shutdown: it ends its children and gives its shared memory back.
// What does not heed it by then is killed.
//
// Only processes that belong to this nursery are touched: two demos in one
// process, as in tests, share a parent.
func endAll(ours []entry, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	sig := syscall.SIGQUIT
	for {
		left := alive(ours)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			sig = syscall.SIGKILL
		}
		if time.Now().After(deadline.Add(5 * time.Second)) {
			return fmt.Errorf("%d processes could not be ended, the first is %d", len(left), left[0].pid)
		}
		for _, e := range left {
			syscall.Kill(e.pid, sig)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// alive returns those of ours that still run, with what they have started;
// on the way it buries orphans that nobody else waits for.
func alive(ours []entry) []entry {
	born := map[int]uint64{}
	for _, e := range ours {
		born[e.pid] = e.started
	}
	var left []entry
	for _, e := range table() {
		started, known := born[e.pid]
		_, childOfOurs := born[e.parent]
		if (!known || started != e.started) && !childOfOurs {
			continue
		}
		if e.zombie {
			if e.parent == os.Getpid() {
				var status syscall.WaitStatus
				syscall.Wait4(e.pid, &status, syscall.WNOHANG, nil)
			}
			continue
		}
		left = append(left, e)
	}
	return left
}

// Orphans buries what has died after it came to us from a child. Exec'd
// children are waited for by their own goroutine and are none of its business.
func (n *Nursery) Orphans() {
	n.mu.Lock()
	known := map[int]bool{}
	for _, c := range n.children {
		known[c.PID()] = true
	}
	n.mu.Unlock()
	for _, e := range table() {
		if e.zombie && e.parent == os.Getpid() && !known[e.pid] {
			var status syscall.WaitStatus
			syscall.Wait4(e.pid, &status, syscall.WNOHANG, nil)
		}
	}
}
