//go:build linux

package lab_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/rpc"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/lab/wire"
	"fairlead/cmd/internal/store/linear"
	"fairlead/regions"
)

// partitioned is how long the network between the members is broken and heals.
const partitioned = 12 * time.Second

// TestDecisionsAreLinearizableUnderPartition lets people decide on three
// members of the store, each a process in a place of its own, while the network
// between them is cut, one way and both, and heals.
func TestDecisionsAreLinearizableUnderPartition(t *testing.T) {
	build(t) // says what is missing
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	net, err := wire.New(seed, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	var deciders []linear.Decider
	for _, m := range startMembers(t, net) {
		deciders = append(deciders, m)
	}
	first := deciders[0].(remote)
	began := time.Now()
	for _, err = first.ask(t.Context(), "Begin", 0); err != nil; _, err = first.ask(t.Context(), "Begin", 0) {
		if time.Since(began) > time.Minute {
			t.Fatalf("begin: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	begin, err := first.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	over := time.Now().Add(partitioned)
	cuts := make(chan int, 1)
	go func() {
		n := 0
		time.Sleep(time.Second) // of calm
		for dice := rand.New(rand.NewPCG(seed, 1)); time.Now().Before(over); n++ {
			one, oneWay := net.Places[dice.IntN(3)], dice.IntN(2) == 0
			set := func(cut bool) {
				for _, other := range net.Places {
					if other != one {
						net.Change(one, other, func(p *wire.Path) { p.Cut = cut })
						net.Change(other, one, func(p *wire.Path) { p.Cut = cut && !oneWay })
					}
				}
			}
			set(true)
			time.Sleep(time.Duration(500+dice.IntN(2000)) * time.Millisecond)
			set(false)
			time.Sleep(time.Duration(300+dice.IntN(700)) * time.Millisecond)
		}
		cuts <- n
	}()
	both := []regions.ID{"us-east", "eu-central"}
	c := &linear.Crowd{Deciders: deciders, Each: 2, Regions: both, Writers: both, Patience: 1500 * time.Millisecond, Pause: 250 * time.Millisecond, Seed: seed}
	history, err := c.Run(t.Context(), 60)
	cut := <-cuts
	if err != nil {
		t.Fatal(err)
	}
	done, refused, unknown := linear.Count(history, linear.Done), linear.Count(history, linear.Refused), linear.Count(history, linear.Unknown)
	t.Logf("%d acts: %d done, %d refused, %d of unknown outcome, under %d cuts; packets %+v", len(history), done, refused, unknown, cut, net.Counts())
	if v := linear.Check(begin, history, 2*time.Minute); v != linear.Linearizable {
		t.Errorf("what was decided under partition is %s", v)
	}
	if done < 50 || cut < 3 || net.Counts().Cut == 0 {
		t.Error("too little happened to show anything")
	}
	// The check can fail: one read of what was so before is found.
	known := linear.Known(history)
	late := porcupine.Operation{Input: linear.Act{Verb: linear.Read}, Output: linear.Answer{Outcome: linear.Done, Seen: begin}, Call: int64(time.Hour), Return: int64(time.Hour) + 1}
	if v := linear.Check(begin, append(known, late), 2*time.Minute); v != linear.Broken {
		t.Errorf("the %d acts before anything was unknown, with a stale read after them, are %s", len(known), v)
	}
	for began = time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if _, err = first.ask(t.Context(), "Verify", 0); err == nil {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the trail after it: %v", err)
		}
	}
}

// startMembers starts one member in each place.
func startMembers(t *testing.T, net *wire.Network) (out []remote) {
	t.Helper()
	dir := t.TempDir()
	authority, err := identity.NewAuthority(filepath.Join(dir, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	var peers []etcd.Peer
	for _, p := range net.Places {
		peers = append(peers, etcd.Peer{Name: p.Name, Address: netip.AddrPortFrom(p.Host(1), 8473).String()})
	}
	for i, p := range net.Places {
		certs := filepath.Join(dir, p.Name, "certs")
		if err := authority.Issue(certs, identity.Request{Node: regions.NodeID(p.Name), Hosts: []string{p.Host(1).String()}, Roles: []identity.Role{identity.Control}}); err != nil {
			t.Fatal(err)
		}
		id, err := identity.Load(certs)
		if err != nil {
			t.Fatal(err)
		}
		s := memberSettings{Socket: filepath.Join(dir, fmt.Sprint(i)), Etcd: etcd.Settings{Dir: filepath.Join(dir, p.Name, "store"), Name: p.Name, Peers: peers,
			ListenPeer: peers[i].Address, Tick: 30 * time.Millisecond, Election: 300 * time.Millisecond}}
		s.Etcd.Certificates.CA, s.Etcd.Certificates.Cert, s.Etcd.Certificates.Key = id.Files()
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		c := p.Command(os.Args[0])
		c.Env = append(c.Env, memberVariable+"="+string(text))
		c.Stderr = t.Output()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill(); c.Wait() })
		out = append(out, remote{dial(t, s.Socket)})
	}
	return out
}

func dial(t *testing.T, socket string) *rpc.Client {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := rpc.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("a member does not listen: %v", err)
		}
	}
}
