//go:build linux

package wire_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/lab/wire"
)

func network(t *testing.T, names ...string) *wire.Network {
	t.Helper()
	if why := wire.Missing(); why != "" {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	n, err := wire.New(1, names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// echo answers every line that it hears.
func echo(t *testing.T, p *wire.Place) string {
	t.Helper()
	address := net.JoinHostPort(p.Host(1).String(), "7")
	l, err := p.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return address
}

// trip is how long a word takes there and back.
func trip(c net.Conn, patience time.Duration) (time.Duration, error) {
	c.SetDeadline(time.Now().Add(patience))
	began := time.Now()
	if _, err := io.WriteString(c, "word"); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return time.Since(began), err
}

func TestPlacesReachEachOtherAsTheRelayIsTold(t *testing.T) {
	n := network(t, "a", "b")
	a, b := n.Places[0], n.Places[1]
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := a.Dial(ctx, "tcp", echo(t, b))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if took, err := trip(c, 5*time.Second); err != nil || took > time.Second {
		t.Errorf("without delay a word takes %v there and back, %v", took, err)
	}

	n.Both(a, b, func(p *wire.Path) { p.Delay = 125 * time.Millisecond })
	took, err := trip(c, 5*time.Second)
	if err != nil || took < 250*time.Millisecond || took > 2*time.Second {
		t.Errorf("with 125 ms each way a word takes %v, %v; want about 250 ms", took, err)
	}
	n.Both(a, b, func(p *wire.Path) { p.Delay = 0 })

	// One direction is enough to stop a conversation, and both ends live on.
	n.Change(b, a, func(p *wire.Path) { p.Cut = true })
	if took, err := trip(c, 500*time.Millisecond); err == nil {
		t.Errorf("a word came back through a cut after %v", took)
	}
	n.Change(b, a, func(p *wire.Path) { p.Cut = false })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Errorf("what was sent during the cut does not arrive after it: %v", err)
	}
	if _, err := trip(c, 10*time.Second); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestLossComesInBurstsAndAsOftenAsTold(t *testing.T) {
	n := network(t, "a", "b")
	a, b := n.Places[0], n.Places[1]
	n.Change(a, b, func(p *wire.Path) { p.Loss, p.Burst = 0.2, 5 })
	c, err := a.Dial(t.Context(), "udp", net.JoinHostPort(b.Host(1).String(), "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const packets = 5000
	for range packets {
		c.Write([]byte("x")) // that nobody listens is told by now and then an error
	}
	var counts wire.Counts
	for range 100 {
		if counts = n.Counts(); counts.Carried+counts.Lost >= packets {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	part := float64(counts.Lost) / float64(packets)
	if part < 0.1 || part > 0.3 {
		t.Errorf("%d of %d packets were lost, want about a fifth: %+v", counts.Lost, packets, counts)
	}
}

func TestAProcessInAPlaceSeesThatPlaceAlone(t *testing.T) {
	n := network(t, "a")
	out, err := n.Places[0].Command("ip", "-4", "-o", "address").CombinedOutput()
	if err != nil || !strings.Contains(string(out), n.Places[0].Host(1).String()) {
		t.Errorf("its addresses: %s, %v", out, err)
	}
}

// TestNothingStays: not after Close, and of a run that was killed not after the
// next one began.
func TestNothingStays(t *testing.T) {
	network(t, "a")
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("fairlead-lab-%d-1-left", dead.Process.Pid)
	if out, err := exec.Command("ip", "netns", "add", left).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := wire.Sweep(); err != nil {
		t.Error(err)
	}
	list, _ := exec.Command("ip", "netns", "list").CombinedOutput()
	if strings.Contains(string(list), left) {
		t.Errorf("what a dead run left is still there:\n%s", list)
	}
	if !strings.Contains(string(list), fmt.Sprint("fairlead-lab-", os.Getpid())) {
		t.Errorf("the namespaces of this run are gone:\n%s", list)
	}
}
