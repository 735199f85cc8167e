package logline_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"fairlead/cmd/internal/logline"
)

// stuck is a pipe that nobody reads until it is opened.
type stuck struct {
	bytes.Buffer
	open chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.open
	return s.Buffer.Write(b)
}

func lost(lines int) string { return fmt.Sprintf("%d lines were dropped\n", lines) }

func TestALogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stuck{open: make(chan struct{})}
		w := logline.New(pipe, lost)
		log := slog.New(slog.NewTextHandler(w, nil))
		const lines = 20_000
		for i := range lines {
			log.Info("verdict changed", "n", i)
		}
		close(pipe.open)
		synctest.Wait()
		log.Info("the last one")
		w.Close()
		log.Info("after the end")
		w.Close()
		text := pipe.String()
		kept := strings.Count(text, "verdict changed")
		if want := lost(lines - kept); kept < 5000 || !strings.Contains(text, want) {
			t.Errorf("%d lines of %d were kept, and the log does not say %q", kept, lines, want)
		}
		if !strings.Contains(text, "n=0\n") || !strings.Contains(text, "n=1\n") || !strings.HasSuffix(text, "msg=\"the last one\"\n") {
			t.Errorf("the first or the last line is missing, or something came after the end: …%s", text[max(0, len(text)-200):])
		}
	})
}

func TestAStuckLogDoesNotKeepAProcessFromEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stuck{open: make(chan struct{})}
		w := logline.New(pipe, lost)
		fmt.Fprintln(w, "a line")
		w.Close() // returns though nobody reads
		close(pipe.open)
	})
}
