package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"fairlead/cmd/internal/disk"
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
// the next run begins with, until ctx ends. Then it still writes what waits:
// who has taken a region out and is restarted at once must not forget it.
func (n *Node) remember(ctx context.Context) error {
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	closed := make(chan error, 1)
	go func() { closed <- n.history.Run(open) }()
	n.writeViews(ctx)
	shut()
	return <-closed
}

func (n *Node) writeViews(ctx context.Context) {
	var again <-chan time.Time
	var last *judge.View
	for {
		select {
		case <-ctx.Done():
			select {
			case v := <-n.unwritten:
				n.write(v)
			default:
			}
			return
		case last = <-n.unwritten:
		case <-again: // the disk may have room by now
		}
		again = nil
		if last = n.write(last); last != nil {
			again = time.After(keepPause)
		}
	}
}

// write writes a view and those that wait behind it. It returns the last of
// them if that could not be kept in the memory, else nil.
func (n *Node) write(v *judge.View) (failed *judge.View) {
	written := true
	for more := true; more; {
		if err := n.recorder.record(v); err != nil {
			written = false
			n.disk(historyPart, "history not written: the past cannot be explained from here on", err)
		}
		select {
		case v = <-n.unwritten:
		default:
			more = false
		}
	}
	if written {
		n.healed(historyPart)
	}
	if err := n.saveMemory(v.Memory()); err != nil {
		n.disk(memoryPart, "memory not written: a restart would forget what was taken out", err)
		return v
	}
	n.healed(memoryPart)
	return nil
}

func (n *Node) memoryFile() string { return filepath.Join(n.settings.DataDir, "memory.json") }

// saveMemory replaces the memory whole, if it is another one.
func (n *Node) saveMemory(m judge.Memory) error {
	text, err := json.Marshal(m)
	if err != nil || bytes.Equal(text, n.remembered) {
		return err
	}
	if err := disk.Replace(n.memoryFile(), seal(memoryMagic, memoryFormat, text), 0o600); err != nil {
		return err
	}
	n.remembered = text
	return nil
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
		m, err = parseMemory(text)
	}
	if err != nil {
		n.log.Error("memory of the last run cannot be read, so nothing is remembered of what it had taken out", "file", n.memoryFile(), "problem", err.Error())
		return judge.Memory{}
	}
	return m
}
