package feed

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

// world is a table of that many targets, calm or with every one of them down.
func world(rows int, failing bool) Table {
	t := Table{Node: "n1", Region: "us-east", Boot: 1, Sequence: 1, Interval: time.Second, Reports: make(map[uint64]health.Report, rows), Hears: map[uint64]bool{}}
	for i := range rows {
		r := health.Report{State: regions.Up, Latency: 12 * time.Millisecond, Since: noon.Add(-time.Hour), Last: noon.Add(-300 * time.Millisecond)}
		if failing {
			r = health.Report{State: regions.Down, Reason: "dial tcp 10.1.2.3:443: connect: connection refused", Since: noon.Add(-time.Second), Last: noon}
		}
		t.Reports[regions.TargetID(fmt.Sprintf("s%d@us", i)).Hash()] = r
	}
	for i := range 8 {
		t.Hears[NodeHash(regions.NodeID(fmt.Sprintf("n%d", i+2)))] = !failing
	}
	return t
}

func TestATableIsAsLongWhenEverythingFailsAsWhenAllIsCalm(t *testing.T) {
	for _, rows := range []int{0, 1, 300, 30_000} {
		calm, failing := world(rows, false), world(rows, true)
		if a, b := len(encode(t, calm)), len(encode(t, failing)); a != b {
			t.Errorf("%d targets: %d bytes when calm, %d when all of them fail", rows, a, b)
		}
	}
	long := world(1, true)
	for hash, r := range long.Reports {
		r.Reason = strings.Repeat("x", 10_000)
		long.Reports[hash] = r
	}
	if a, b := len(encode(t, world(1, false))), len(encode(t, long)); a != b {
		t.Errorf("%d bytes, and %d with a long reason", a, b)
	}
}

// cpu is what this process has used of the processor so far.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTickCalmAgainstFailing sends and reads a table of 3,000 targets,
// calm and failing in turn, so that a noisy machine treats both alike. The
// ratio is of processor time, failing to calm; 1.05 is what may be.
func BenchmarkTickCalmAgainstFailing(b *testing.B) {
	tables := [2]Table{world(3000, false), world(3000, true)}
	var used [2]time.Duration
	var bytes [2]int
	var buf []byte
	for b.Loop() {
		for range 4 { // longer stretches than the processor's clock has ticks
			for mode := range tables {
				began := cpu()
				for range 8 {
					buf, _ = tables[mode].Append(buf[:0], noon)
					if _, _, err := Decode(buf, noon); err != nil {
						b.Fatal(err)
					}
				}
				used[mode] += cpu() - began
				bytes[mode] = len(buf)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(bytes[0]), "calm-B/tick")
	b.ReportMetric(float64(bytes[1]), "failing-B/tick")
	b.ReportMetric(float64(used[0].Microseconds())/float64(b.N*32), "calm-cpu-µs/tick")
	b.ReportMetric(float64(used[1].Microseconds())/float64(b.N*32), "failing-cpu-µs/tick")
	b.ReportMetric(float64(used[1])/float64(used[0]), "cpu-failing/calm")
}
