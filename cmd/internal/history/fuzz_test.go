package history_test

import (
	"os"
	"path/filepath"
	"testing"

	"fairlead/cmd/internal/history"
	"fairlead/regions"
)

// Whatever lies in the directory, opening it either works and goes on, or
// says why it does not.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	h, err := history.Open(dir, history.Settings{})
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []history.Record{processStarted("v1"), decidedSeen(decided(10)), verdict("www@us-east", regions.Up)} {
		if _, err := h.Append(r); err != nil {
			f.Fatal(err)
		}
	}
	h.Close()
	const name = "00000000000000000001.history"
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-3])
	f.Add(text[:16])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := history.Open(dir, history.Settings{})
		if err != nil {
			return
		}
		defer h.Close()
		p, err := h.Append(verdict("www@us-east", regions.Down))
		if err != nil {
			t.Fatalf("append: %v", err)
		}
		found := false
		if err := h.Scan(p, p, func(r history.Record) bool { found = r.Position == p; return true }); err != nil || !found {
			t.Errorf("the record at %d is not found again: %v", p, err)
		}
	})
}
