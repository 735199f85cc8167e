package history_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/history"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/steer"
)

// zero is when the tests' histories begin.
var zero = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, s history.Settings) *history.History {
	t.Helper()
	h, err := history.Open(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// add appends a record at so many seconds after zero.
func add(t *testing.T, h *history.History, seconds int, r history.Record) history.Position {
	t.Helper()
	r.At = zero.Add(time.Duration(seconds) * time.Second)
	p, err := h.Append(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func verdict(target string, s regions.State) history.Record {
	return verdictChanged(regions.Unknown, regions.Verdict{Target: regions.TargetID(target), Region: "us-east", Measured: s, Effective: s, Because: "a test"})
}

func decided(generation uint64) *regions.Decided {
	return &regions.Decided{Incarnation: 1, Generation: generation,
		Fleet:   &regions.Fleet{Regions: []regions.Region{{ID: "us-east", Title: fmt.Sprint("generation ", generation)}}},
		Writers: map[regions.DatabaseID]regions.SignedEpoch{"orders": {Database: "orders", Epoch: regions.Epoch{Incarnation: 1, Number: generation, Writer: "us-east"}}}}
}

func at(t *testing.T, h *history.History, seconds int) *history.Moment {
	t.Helper()
	m, err := h.At(zero.Add(time.Duration(seconds) * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func all(t *testing.T, h *history.History) []string {
	t.Helper()
	var lines []string
	last := history.Position(0)
	if err := h.Scan(0, 0, func(r history.Record) bool {
		if r.Position <= last {
			t.Errorf("position %d follows %d", r.Position, last)
		}
		last = r.Position
		lines = append(lines, r.Kind.String()+" "+r.Subject+" "+r.To)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.history"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAnInstantIsRebuiltFromWhatWasKnownThen(t *testing.T) {
	h := open(t, t.TempDir(), history.Settings{})
	add(t, h, 0, processStarted("v1"))
	add(t, h, 1, decidedSeen(decided(10)))
	add(t, h, 2, verdict("www@us-east", regions.Up))
	add(t, h, 3, verdict("www@eu-central", regions.Up))
	add(t, h, 10, verdict("www@us-east", regions.Down))
	add(t, h, 11, regionChanged(regions.Up, "us-east", steer.RegionVerdict{State: regions.Down, Because: "all down"}))
	add(t, h, 12, latchesChanged(map[regions.ID]steer.Latch{"us-east": {Incarnation: 1, Generation: 10}}))
	add(t, h, 13, feedChanged("probe-2", true, zero))
	add(t, h, 20, decidedSeen(decided(11)))
	add(t, h, 21, feedChanged("probe-2", false, time.Time{}))
	add(t, h, 30, processStarted("v2"))

	m := at(t, h, 5)
	if m.Verdicts["www@us-east"].Measured != regions.Up || len(m.Verdicts) != 2 || m.Decided.Generation != 10 || len(m.Latched) != 0 || !m.Since.Equal(zero) {
		t.Errorf("at 5 s: %+v", m)
	}
	m = at(t, h, 15)
	if m.Verdicts["www@us-east"].Measured != regions.Down || m.Regions["us-east"].State != regions.Down || m.Latched["us-east"].Generation != 10 || !m.Silent["probe-2"].Equal(zero) {
		t.Errorf("at 15 s: %+v", m)
	}
	w := at(t, h, 20).World()
	if w.Generation != 11 || w.Writers["orders"].Number != 11 || w.Fleet.Regions[0].Title != "generation 11" || w.Verdicts["www@us-east"].Because != "a test" {
		t.Errorf("the world at 20 s: %+v", w)
	}
	m = at(t, h, 31)
	if len(m.Verdicts)+len(m.Latched)+len(m.Silent)+len(m.Regions) != 0 || m.Decided.Generation != 11 {
		t.Errorf("after a restart the node claims to know %+v", m)
	}
	if _, err := h.At(zero.Add(-time.Second)); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "remembers back to 2026-03-01 12:00:00Z") {
		t.Errorf("beyond the horizon: %v", err)
	}
}

func TestEverySegmentCanBeUnderstoodAlone(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, history.Settings{SegmentBytes: 4000, MaxBytes: 20000})
	add(t, h, 0, processStarted("v1"))
	add(t, h, 0, decidedSeen(decided(10)))
	add(t, h, 0, verdict("never@changes", regions.Degraded))
	add(t, h, 0, latchesChanged(map[regions.ID]steer.Latch{"us-east": {Incarnation: 1, Generation: 10}}))
	states := []regions.State{regions.Up, regions.Down}
	const n = 400
	for i := 1; i <= n; i++ {
		add(t, h, i, verdict("www@us-east", states[i%2]))
		if i%50 == 0 {
			add(t, h, i, decidedSeen(decided(uint64(10+i%100))))
		}
	}
	files := segments(t, dir)
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(files) < 3 || size > 26000 {
		t.Errorf("%d segments of %d bytes, want several within the bound", len(files), size)
	}
	if strings.Contains(files[0], "00000000000000000001.") {
		t.Error("the oldest segment is still there")
	}
	oldest := int(h.Horizon().Sub(zero)/time.Second) + 1
	for i := oldest; i <= n; i++ {
		m := at(t, h, i)
		want := uint64(10)
		if i/50*50%100 != 0 {
			want += 50
		}
		if m.Verdicts["www@us-east"].Measured != states[i%2] || m.Verdicts["never@changes"].Measured != regions.Degraded || m.Decided.Generation != want ||
			m.Latched["us-east"].Generation != 10 || !m.Since.Equal(zero) {
			t.Fatalf("at %d s: %+v, want %v and generation %d", i, m, states[i%2], want)
		}
	}
	for _, line := range all(t, h) {
		if strings.Contains(line, "never@changes") {
			t.Errorf("a restated record shows up as an event: %s", line)
		}
	}
	page, head, err := h.Page(-1, 7)
	if err != nil || len(page) != 7 || page[6].Position != head || page[6].To != "1.10" {
		t.Errorf("the newest page = %+v up to %d, %v", page, head, err)
	}
	next, _, err := h.Page(int64(page[2].Position), 2)
	if err != nil || len(next) != 2 || !reflect.DeepEqual(next, page[2:4]) {
		t.Errorf("page from %d = %+v, %v; want %+v", page[2].Position, next, err, page[2:4])
	}
}

func TestReopeningGoesOnWhereItEnded(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, history.Settings{})
	add(t, h, 0, processStarted("v1"))
	add(t, h, 1, decidedSeen(decided(10)))
	last := add(t, h, 2, verdict("www@us-east", regions.Up))
	if _, err := history.Open(dir, history.Settings{}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), dir) {
		t.Errorf("opening it twice = %v", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Append(verdict("x", regions.Up)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("append after close = %v", err)
	}
	h = open(t, dir, history.Settings{})
	if len(h.Damage()) != 0 || h.Head() != last {
		t.Errorf("reopened: head %d, damage %v", h.Head(), h.Damage())
	}
	if p := add(t, h, 3, verdict("www@eu-central", regions.Up)); p != last+1 {
		t.Errorf("position %d follows %d", p, last)
	}
	if m := at(t, h, 3); len(m.Verdicts) != 2 || m.Decided.Generation != 10 {
		t.Errorf("moment = %+v", m)
	}
}

func TestWhatACrashToreIsCutOffAndSaid(t *testing.T) {
	for _, cut := range []int64{1, 5, 8, 9, 30} {
		t.Run(fmt.Sprint(cut, " bytes"), func(t *testing.T) {
			dir := t.TempDir()
			h := open(t, dir, history.Settings{})
			add(t, h, 0, processStarted("v1"))
			good := add(t, h, 1, verdict("www@us-east", regions.Up))
			path := segments(t, dir)[0]
			before, _ := os.Stat(path)
			add(t, h, 2, verdict("www@us-east", regions.Down))
			h.Close()
			if err := os.Truncate(path, before.Size()+cut); err != nil {
				t.Fatal(err)
			}
			h = open(t, dir, history.Settings{})
			if d := h.Damage(); len(d) != 1 || !strings.Contains(d[0], path) {
				t.Errorf("damage = %v, want it to name %s", d, path)
			}
			if p := add(t, h, 3, verdict("www@us-east", regions.Degraded)); p != good+1 {
				t.Errorf("position %d, want %d", p, good+1)
			}
			want := []string{"started process v1", "verdict www@us-east up", "verdict www@us-east degraded"}
			if got := all(t, h); !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestDamageInTheMiddleCostsOneSegment(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, history.Settings{SegmentBytes: 2000})
	add(t, h, 0, processStarted("v1"))
	for i := range 60 {
		add(t, h, i, verdict("www@us-east", regions.State(1+i%3)))
	}
	h.Close()
	files := segments(t, dir)
	if len(files) < 4 {
		t.Fatalf("%d segments, want several", len(files))
	}
	text, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(files[1], text, 0o600); err != nil {
		t.Fatal(err)
	}
	h = open(t, dir, history.Settings{SegmentBytes: 2000})
	if d := h.Damage(); len(d) != 1 || !strings.Contains(d[0], files[1]) {
		t.Errorf("damage = %v, want it to name %s", d, files[1])
	}
	if n := len(all(t, h)); n < 40 || n >= 61 {
		t.Errorf("%d of 61 records are left", n)
	}
	if m := at(t, h, 59); m.Verdicts["www@us-east"].Measured != regions.State(1+59%3) {
		t.Errorf("at the end: %+v", m)
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, history.Settings{})
	add(t, h, 0, processStarted("v1"))
	h.Close()
	path := segments(t, dir)[0]
	text, _ := os.ReadFile(path)
	text[7] = 9
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := history.Open(dir, history.Settings{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("Open = %v", err)
	}
	if h, err := history.Open(t.TempDir(), history.Settings{}); err != nil {
		t.Error(err)
	} else {
		h.Close()
	}
}

func TestAFullDiskLosesRecordsAndRestatesLater(t *testing.T) {
	dir := storetest.SmallDisk(t, "256k")
	h := open(t, dir, history.Settings{})
	add(t, h, 0, processStarted("v1"))
	add(t, h, 1, decidedSeen(decided(10)))
	free := storetest.FillDisk(t, dir)
	missed := 0
	for i := range 200 { // a page may have room for some more
		r := verdict("www@us-east", regions.State(1+i%3))
		r.At = zero.Add(time.Minute)
		if _, err := h.Append(r); err != nil {
			missed++
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the disk of "+dir+" is full") {
				t.Fatalf("append = %v", err)
			}
		}
	}
	r := verdict("www@us-east", regions.Down)
	r.At = zero.Add(time.Minute)
	if _, err := h.Append(r); err == nil || missed == 0 {
		t.Fatalf("the disk was not full: %d records missed, %v", missed, err)
	}
	if _, err := h.Append(decidedSeen(decided(11))); err == nil {
		t.Fatal("the disk was not full")
	}
	free()
	add(t, h, 120, verdict("www@eu-central", regions.Up))
	m := at(t, h, 120)
	if m.Verdicts["www@us-east"].Measured != regions.Down || m.Decided.Generation != 11 || len(m.Verdicts) != 2 {
		t.Errorf("after the disk has room again: %+v", m)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if h = open(t, dir, history.Settings{}); len(h.Damage()) != 0 {
		t.Errorf("damage: %v", h.Damage())
	}
}

func TestFollowersMissNothingAndHoldNobodyUp(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir, history.Settings{SegmentBytes: 3000})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	const n = 300
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			seen := 0
			if err := h.Follow(t.Context(), 1, func(r history.Record) bool {
				if want := fmt.Sprint("t-", seen); r.Subject != want {
					t.Errorf("saw %s where %s is due", r.Subject, want)
				}
				seen++
				return seen < n && !t.Failed()
			}); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range n {
		if _, err := h.Append(verdict(fmt.Sprint("t-", i), regions.Up)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	ended := make(chan error, 1)
	go func() { ended <- h.Follow(t.Context(), h.Head()+1, func(history.Record) bool { return true }) }()
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run = %v", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Follow = %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Follow goes on after the history was closed")
	}
}
