package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fairlead/dns/publish"
	"fairlead/regions/judge"
)

// believed is handed each view that says something new. Answers follow at
// once; what is written down is written by others, so that no disk is on the
// way from a failure to its answer.
func (n *Node) believed(v *judge.View) {
	n.publisher.Submit(publish.Update{Zones: v.Decided.Fleet.Zones, Plan: v.Plan})
	offer(n.unwritten, v)
}

// backlog bounds how many views may wait for a slow disk. Beyond that the
// oldest are passed over: the history then lacks what came and went between
// two views, but what it says next is true again, because it is written as the
// difference from what was written last.
const backlog = 4096

// offer sends v, and drops the oldest that waits if there is no room.
func offer[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// remember writes what is believed into the history, and into the memory that
// the next run begins with, until ctx ends.
func (n *Node) remember(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case v := <-n.unwritten:
			wrote := true
			for more := true; more; {
				if err := n.recorder.record(v); err != nil {
					wrote = false
					n.disk("history not written: the past cannot be explained from here on", err)
				}
				select {
				case v = <-n.unwritten:
				default:
					more = false
				}
			}
			if err := n.saveMemory(v.Memory()); err != nil {
				wrote = false
				n.disk("memory not written: a restart would forget what was taken out", err)
			}
			if wrote && len(n.unkept) == 0 {
				n.healed()
			}
		}
	}
}

// disk says that something could not be written, in the log and to people.
func (n *Node) disk(what string, err error) {
	n.log.Error("disk", "what", what, "problem", err.Error())
	since := time.Now()
	if before := n.trouble.Load(); before != nil {
		since = before.since
	}
	n.trouble.Store(&trouble{fmt.Sprintf("%s: %v", what, err), since})
}

// healed says that the disk takes what it is given again.
func (n *Node) healed() {
	if n.trouble.Swap(nil) != nil {
		n.log.Info("disk writes again")
	}
}

func (n *Node) memoryFile() string { return filepath.Join(n.settings.DataDir, "memory.json") }

// saveMemory replaces the memory whole, so that a crash leaves the one before.
func (n *Node) saveMemory(m judge.Memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	temporary := n.memoryFile() + ".new"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, n.memoryFile())
}

// loadMemory returns what the last run believed. A memory that cannot be read
// is said and begun anew: a node must not stay down for it.
func (n *Node) loadMemory() judge.Memory {
	var m judge.Memory
	text, err := os.ReadFile(n.memoryFile())
	if errors.Is(err, os.ErrNotExist) {
		return m
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		n.log.Error("memory of the last run cannot be read, so nothing is remembered of what it had taken out", "file", n.memoryFile(), "problem", err.Error())
		return judge.Memory{}
	}
	return m
}
