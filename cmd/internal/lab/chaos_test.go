//go:build linux

package lab_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/lab"
)

// seeds holds the seeds of runs that failed, each a file SEED with the number
// of rounds that it took. They are played again for ever.
const seeds = "testdata/seeds"

// duration reads how long a form of a test lasts that is chosen by make.
func duration(t *testing.T, variable string) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s is %q, want a duration such as 5m", variable, text)
	}
	return d
}

// TestKeptSeedsAreSurvived plays what failed once.
func TestKeptSeedsAreSurvived(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(seeds, "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := strconv.ParseUint(filepath.Base(file), 10, 64)
		if err != nil {
			t.Fatalf("%s is not named by a seed: %v", file, err)
		}
		rounds, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || rounds < 1 {
			t.Fatalf("%s holds %q, want a number of rounds", file, text)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { chaos(t, seed, lab.Schedule(seed, rounds), time.Time{}, rate) })
	}
}

// TestChaos plays faults in an order by chance for as long as FAIRLEAD_CHAOS
// says, which `make chaos` and `make soak` set. Without it, it plays the first
// round of a new seed.
func TestChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FAIRLEAD_LAB_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("FAIRLEAD_LAB_SEED is %q: %v", text, err)
		}
	}
	long := duration(t, "FAIRLEAD_CHAOS")
	if long == 0 {
		chaos(t, seed, lab.Schedule(seed, 1), time.Time{}, rate)
		return
	}
	// No round is shorter than three seconds.
	chaos(t, seed, lab.Schedule(seed, int(long/(3*time.Second))+1), time.Now().Add(long), fullRate)
}

// fullRate is for the long forms, which have the machine for themselves.
const fullRate = 2000

// chaos plays rounds until the time is over, if it ever is. The seed of a run
// that fails is kept.
func chaos(t *testing.T, seed uint64, rounds []lab.Round, until time.Time, rate int) {
	t.Helper()
	program := build(t)
	t.Logf("seed %d (FAIRLEAD_LAB_SEED=%d draws the same faults)", seed, seed)
	l, err := lab.New(t.Context(), lab.Settings{Seed: seed, Dir: t.TempDir(), Program: program, Rate: rate, Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, l)
	clerk := lab.NewClerk(l)
	working, stop := context.WithCancel(t.Context())
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- clerk.Run(working) }()
	played := 0
	for _, r := range rounds {
		if !until.IsZero() && time.Now().After(until) {
			break
		}
		from := l.History.Now()
		err := l.Play(t.Context(), r, healing)
		played++
		seen := l.History.Tally(from)
		t.Logf("round %d, %v: %d questions, %d unanswered, %d wrong, last late %.2f s", played, r, seen.Questions, seen.Unanswered, seen.Wrong, seen.LastLate.Seconds())
		if err != nil || seen.Unanswered > 0 || seen.Wrong > 0 || seen.Questions == 0 {
			t.Errorf("round %d, %v: %+v, %v; want every question answered, and right", played, r, seen, err)
			break
		}
		l.History.Forget()
	}
	stop()
	if err := <-worked; err != nil {
		t.Error(err)
	}
	if !t.Failed() {
		for _, r := range l.Regions {
			if lost, acknowledged, err := clerk.Lost(t.Context(), r.Node); err != nil || len(lost) > 0 || acknowledged == 0 {
				t.Errorf("%s: of %d acknowledged decisions %d are not in the trail: %v %v", r.Node.Name, acknowledged, len(lost), lost, err)
			}
		}
	}
	if t.Failed() {
		keep(t, seed, played)
	}
}

// keep writes a seed down; whoever mends what it found commits it.
func keep(t *testing.T, seed uint64, rounds int) {
	t.Helper()
	file := filepath.Join(seeds, strconv.FormatUint(seed, 10))
	if err := os.MkdirAll(seeds, 0o755); err != nil {
		t.Error(err)
		return
	}
	if err := os.WriteFile(file, fmt.Appendln(nil, rounds), 0o644); err != nil {
		t.Error(err)
		return
	}
	t.Logf("kept as cmd/internal/lab/%s: commit it with what mends it", file)
}

// TestAnswersOutliveTheQuorum: two of three nodes stay dead for a while, a shop
// dies in the midst of it, and the node that is left answers with the next. The
// while is 20 s, or FAIRLEAD_QUORUM_GONE; `make soak` takes an hour.
func TestAnswersOutliveTheQuorum(t *testing.T) {
	gone, rate := duration(t, "FAIRLEAD_QUORUM_GONE"), fullRate
	if gone == 0 {
		gone, rate = 20*time.Second, 300
	}
	program := build(t)
	l, err := lab.New(t.Context(), lab.Settings{Seed: 1, Dir: t.TempDir(), Program: program, Rate: rate, Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	defer finish(t, l)
	nodes := l.Kill(region(l, "eu-central"), region(l, "ap-south"))
	began, from := time.Now(), l.History.Now()
	var shop lab.End
	var total lab.Tally
	for time.Since(began) < gone {
		wait(t.Context(), min(10*time.Second, gone/2))
		want := "us-east"
		if shop != nil {
			want = "eu-central"
		}
		if err := answers(want)(t.Context(), l); err != nil {
			t.Fatalf("%v without a quorum: %v", time.Since(began).Round(time.Second), err)
		}
		seen := l.History.Tally(from)
		total.Questions += seen.Questions
		if seen.Unanswered > 0 || seen.Wrong > 0 || seen.Questions == 0 {
			t.Fatalf("%v without a quorum: %+v; want every question answered, and right", time.Since(began).Round(time.Second), seen)
		}
		if shop == nil && time.Since(began) >= gone/2 {
			shop = l.Shut(region(l, "us-east"))
		}
		l.History.Forget()
		from = l.History.Now()
	}
	if shop == nil {
		t.Fatal("the shop never died")
	}
	if err := all(nodes, shop)(); err != nil {
		t.Fatal(err)
	}
	if err := l.Heal(t.Context(), healing); err != nil {
		t.Errorf("after it: %v", err)
	}
	t.Logf("%v without a quorum: %d questions, 0 unanswered, 0 wrong", gone, total.Questions)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
