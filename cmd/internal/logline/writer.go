// Package logline writes log lines without ever holding up whoever logs.
//
// A log goes to a pipe, a terminal or a disk, and each of them can stop taking
// what it is given: nobody reads, somebody pressed Ctrl-S, the disk stalls. A
// node that waited for that would stop judging and answering because of its
// log. So lines wait in memory, up to a bound, and what comes beyond it is
// dropped and counted; the count is written as soon as something can be.
package logline

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// waiting is how many lines may wait.
	waiting = 8192
	// patience is how long [Writer.Close] waits for them to be taken.
	patience = 2 * time.Second
)

// Writer writes lines to another writer, in order, by a goroutine of its own.
type Writer struct {
	to    io.Writer
	lost  func(lines int) string
	ended chan struct{}

	mu      sync.Mutex
	lines   chan []byte
	dropped int
	closed  bool
}

// New returns a writer to w, which must not be used by anybody else. Lost makes
// the line that tells how many were dropped.
func New(w io.Writer, lost func(lines int) string) *Writer {
	out := &Writer{to: w, lost: lost, ended: make(chan struct{}), lines: make(chan []byte, waiting)}
	go out.run()
	return out
}

// Write takes a line. It never blocks and never fails.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(line), nil
	}
	if w.dropped > 0 {
		select {
		case w.lines <- []byte(w.lost(w.dropped)):
			w.dropped = 0
		default:
		}
	}
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.dropped++
	}
	return len(line), nil
}

func (w *Writer) run() {
	defer close(w.ended)
	for line := range w.lines {
		_, _ = w.to.Write(line) // there is nowhere else to say that a log fails
	}
}

// Close writes what waits, as far as it is taken in a short time, and ends the
// writer.
func (w *Writer) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.lines)
	}
	w.mu.Unlock()
	select {
	case <-w.ended:
	case <-time.After(patience):
	}
}
