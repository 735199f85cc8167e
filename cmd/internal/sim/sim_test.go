package sim_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/sim"
)

var (
	oneSeed   = flag.Int64("seed", -1, "TestSeed plays this seed and tells its history, instead of the seeds that are kept")
	histories = flag.Int("histories", budget, "how many histories are played")
	playFor   = flag.Duration("for", 0, "play as many histories as there is time for, from a seed that is drawn and printed")
)

// TestMain has the collector run seldom: a history leaves megabytes behind and
// keeps nothing.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// first is where the fixed budget begins: the same histories on each machine.
const first = 1

func TestHistoriesKeepEveryPromise(t *testing.T) {
	var sum sim.Figures
	began, seed, played := time.Now(), uint64(first), 0
	more := func() bool { return played < *histories }
	if *playFor > 0 {
		seed = rand.Uint64() >> 24
		more = func() bool { return time.Since(began) < *playFor }
		fmt.Printf("histories from seed %d on\n", seed)
	}
	for ; more(); seed, played = seed+1, played+1 {
		r := sim.Play(seed, sim.Shipped(), false, "")
		if r.Broken != nil {
			t.Fatalf("a promise was broken; play it again with: go test ./cmd/internal/sim -run TestSeed -seed %d\n%s", seed, sim.Play(seed, sim.Shipped(), true, ""))
		}
		add(&sum, r.Figures)
	}
	t.Logf("%d histories, %.0f a second: %+v", played, float64(played)/time.Since(began).Seconds(), sum)
	if played >= budget {
		eventful(t, sum)
	}
}

func add(sum *sim.Figures, f sim.Figures) {
	a, b := reflect.ValueOf(sum).Elem(), reflect.ValueOf(f)
	for i := range a.NumField() {
		a.Field(i).SetInt(a.Field(i).Int() + b.Field(i).Int())
	}
}

// eventful demands that what could go wrong did: a calm simulation keeps every
// promise.
func eventful(t *testing.T, f sim.Figures) {
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if n := v.Field(i).Int(); n < 5 {
			t.Errorf("%s = %d in all histories together, want a good many: %+v", v.Type().Field(i).Name, n, f)
		}
	}
}

// TestSeed plays the seeds in testdata/seeds, each of which has once shown
// something that was wrong; or the one that is asked for.
func TestSeed(t *testing.T) {
	seeds := kept(t)
	if *oneSeed >= 0 {
		seeds = []uint64{uint64(*oneSeed)}
	}
	for _, seed := range seeds {
		r := sim.Play(seed, sim.Shipped(), true, "")
		if *oneSeed >= 0 {
			t.Logf("\n%s", r)
		}
		if r.Broken != nil {
			t.Errorf("seed %d: %s: %s\n%s", seed, r.Broken.Promise, r.Broken.How, r)
		}
	}
}

// kept reads the seeds that are kept: a file begins with the number, and the
// rest says what it showed.
func kept(t *testing.T) (seeds []uint64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "seeds", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds in testdata/seeds: %v", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Scan()
		seed, err := strconv.ParseUint(strings.TrimPrefix(lines.Text(), "seed "), 10, 64)
		if err != nil {
			t.Fatalf("%s does not begin like %q: %v", name, "seed 7", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

func TestASeedIsAHistory(t *testing.T) {
	for seed := range uint64(25) {
		a, b := sim.Play(seed, sim.Shipped(), true, ""), sim.Play(seed, sim.Shipped(), true, "")
		if !slices.Equal(a.Lines, b.Lines) || a.Figures != b.Figures {
			t.Fatalf("seed %d played twice:\n%s\nand\n%s", seed, a, b)
		}
		if silent := sim.Play(seed, sim.Shipped(), false, ""); silent.Figures != a.Figures {
			t.Fatalf("seed %d goes otherwise when nobody listens: %+v, want %+v", seed, silent.Figures, a.Figures)
		}
	}
}

// enough is how many histories each mutant has for being found, beside the
// seeds that are kept.
const enough = 300

func TestEachMutantOfACoreIsFound(t *testing.T) {
	seeds := kept(t)
	for n := range uint64(enough) {
		seeds = append(seeds, first+n)
	}
	for _, m := range mutants {
		t.Run(m.core+" "+m.mistake, func(t *testing.T) {
			cores := sim.Shipped()
			m.make(&cores)
			for _, seed := range seeds {
				if r := sim.Play(seed, cores, false, m.breaks); r.Broken != nil {
					t.Logf("found by seed %d, %v into its history: %s: %s", seed, r.Broken.At.Round(time.Millisecond), r.Broken.Promise, r.Broken.How)
					return
				}
			}
			t.Errorf("%s that %s: %d histories do not break the promise %q", m.core, m.mistake, len(seeds), m.breaks)
		})
	}
}

func TestABrokenPromiseIsToldAsAHistory(t *testing.T) {
	cores := sim.Shipped()
	cores.Decide = ignoresHealth
	for seed := range uint64(enough) {
		r := sim.Play(seed, cores, true, "")
		if r.Broken == nil {
			continue
		}
		text := r.String()
		lines := strings.Split(strings.TrimSpace(text), "\n")
		last := lines[len(lines)-1]
		if lines[0] != fmt.Sprintf("seed %d", seed) || !strings.Contains(text, "  fault  ") || !strings.Contains(last, "BROKEN") || !strings.Contains(last, r.Broken.Promise) {
			t.Errorf("the history is told as\n%s\nwant its seed first, its faults, and the promise last", text)
		}
		return
	}
	t.Fatal("no history broke a promise, although health is ignored")
}

func BenchmarkHistory(b *testing.B) {
	b.ReportAllocs()
	seed := uint64(first)
	for b.Loop() {
		sim.Play(seed, sim.Shipped(), false, "")
		seed++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "histories/s")
}
