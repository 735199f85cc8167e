package replica_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/replica"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func state(incarnation, generation uint64) *regions.Decided {
	o, err := regions.NewDrain("o-1", regions.Scope{Region: "us-east"}, "alice", "a test", time.Unix(1000, 0), time.Unix(2000, 0))
	if err != nil {
		panic(err)
	}
	epoch := regions.Epoch{Incarnation: incarnation, Number: generation, Writer: "us-east"}
	return &regions.Decided{
		Incarnation: incarnation, Generation: generation,
		Fleet:     &regions.Fleet{Regions: []regions.Region{{ID: "us-east", Title: fmt.Sprint("generation ", generation)}}},
		FleetHash: "content",
		Overrides: []regions.Override{o},
		Writers:   map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders", Epoch: epoch, Signature: []byte{1, 2}}},
		Restored:  map[regions.ID]uint64{"us-east": 7},
	}
}

func open(t *testing.T) (*replica.Replica, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "decided")
	r, err := replica.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r, dir
}

func save(t *testing.T, r *replica.Replica, d *regions.Decided, want bool) {
	t.Helper()
	if saved, err := r.Save(d); err != nil || saved != want {
		t.Errorf("Save(%d/%d) = %v, %v; want %v", d.Incarnation, d.Generation, saved, err, want)
	}
}

func load(t *testing.T, r *replica.Replica) (*regions.Decided, []replica.Corrupt) {
	t.Helper()
	d, corrupt, err := r.Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return d, corrupt
}

func generations(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.decided"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWhatWasSavedIsLoaded(t *testing.T) {
	r, _ := open(t)
	if d, corrupt := load(t, r); d != nil || corrupt != nil {
		t.Errorf("an empty directory holds %+v, %v", d, corrupt)
	}
	want := state(1, 42)
	save(t, r, want, true)
	if got, _ := load(t, r); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOlderNeverReplacesNewer(t *testing.T) {
	r, dir := open(t)
	for _, step := range []struct {
		incarnation, generation uint64
		saved                   bool
	}{
		{1, 10, true}, {1, 9, false}, {1, 10, false}, {1, 11, true},
		{2, 3, true}, // a recovered cluster begins anew, and counts as newer
		{1, 99, false}, {2, 2, false}, {2, 4, true}, {2, 5, true},
	} {
		save(t, r, state(step.incarnation, step.generation), step.saved)
	}
	if d, _ := load(t, r); d.Incarnation != 2 || d.Generation != 5 {
		t.Errorf("loaded %d/%d, want 2/5", d.Incarnation, d.Generation)
	}
	if files := generations(t, dir); len(files) != 3 {
		t.Errorf("%d generations on the disk, want 3: %v", len(files), files)
	}
}

func TestOfRacingWritersTheNewestStays(t *testing.T) {
	_, dir := open(t)
	var wg sync.WaitGroup
	order := rand.Perm(40)
	for w := range 4 {
		r, err := replica.Open(dir) // as from another process: they share no memory
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for _, g := range order[w*10 : w*10+10] {
				if _, err := r.Save(state(1, uint64(g+1))); err != nil {
					t.Error(err)
				}
				if _, _, err := r.Load(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, _ := replica.Open(dir)
	if d, corrupt := load(t, r); d == nil || d.Generation != 40 || corrupt != nil {
		t.Errorf("after the race: %+v, %v; want generation 40", d, corrupt)
	}
}

func TestDamagedFilesAreNamedAndPassedOver(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(text []byte) []byte
	}{
		{"torn in the middle", func(b []byte) []byte { return b[:len(b)/2] }},
		{"torn in the first line", func(b []byte) []byte { return b[:10] }},
		{"empty", func([]byte) []byte { return nil }},
		{"one bit in the content", func(b []byte) []byte { b[len(b)-5] ^= 1; return b }},
		{"one digit of the generation", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), "generation 3 ", "generation 4 ", 1))
		}},
		{"something else", func([]byte) []byte { return []byte("hello\n") }},
		{"zeros, as some file systems leave after a crash", func(b []byte) []byte { return make([]byte, len(b)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, dir := open(t)
			for g := range uint64(3) {
				save(t, r, state(1, g+1), true)
			}
			path := generations(t, dir)[2]
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tt.spoil(text), 0o600); err != nil {
				t.Fatal(err)
			}
			d, corrupt := load(t, r)
			if d == nil || d.Generation != 2 {
				t.Errorf("loaded %+v, want generation 2", d)
			}
			if len(corrupt) != 1 || corrupt[0].Path != path || corrupt[0].Problem == "" {
				t.Errorf("corrupt = %v, want %s", corrupt, path)
			}
			save(t, r, state(1, 3), true) // the damaged one does not keep its own version out
			if d, corrupt := load(t, r); d.Generation != 3 || corrupt != nil {
				t.Errorf("after saving it again: %d, %v", d.Generation, corrupt)
			}
		})
	}
}

func TestWhatACrashLeftIsNotLoaded(t *testing.T) {
	r, dir := open(t)
	save(t, r, state(1, 1), true)
	torn := filepath.Join(dir, ".writing-123")
	if err := os.WriteFile(torn, []byte("fairlead-decided 1 incarn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, corrupt := load(t, r); d.Generation != 1 || corrupt != nil {
		t.Errorf("loaded %d, %v", d.Generation, corrupt)
	}
	save(t, r, state(1, 2), true)
	if _, err := os.Stat(torn); err == nil {
		t.Error("what the crash left is still there")
	}
}

func TestANewerFormatIsRefusedInASentence(t *testing.T) {
	r, dir := open(t)
	save(t, r, state(1, 1), true)
	save(t, r, state(1, 2), true)
	path := generations(t, dir)[1]
	if err := os.WriteFile(path, []byte("fairlead-decided 2 something new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, act := range map[string]func() error{
		"Load": func() error { _, _, err := r.Load(); return err },
		"Save": func() error { _, err := r.Save(state(1, 9)); return err },
	} {
		if err := act(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s = %v, want a sentence that names %s", what, err, path)
		}
	}
}

func TestAFullDiskIsSaidAndTheOldGenerationStays(t *testing.T) {
	dir := storetest.SmallDisk(t, "256k")
	r, err := replica.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	save(t, r, state(1, 1), true)
	free := storetest.FillDisk(t, dir)
	if _, err := r.Save(state(1, 2)); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the disk of "+dir+" is full") {
		t.Errorf("Save on a full disk = %v", err)
	}
	if d, corrupt := load(t, r); d == nil || d.Generation != 1 || corrupt != nil {
		t.Errorf("after that: %+v, %v; want generation 1 untouched", d, corrupt)
	}
	free()
	save(t, r, state(1, 2), true)
}
