package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions"
)

// stormTime is how long everything happens at once.
const stormTime = 8 * time.Second

// storm is a node in this process to which everything happens at once.
type storm struct {
	t    *testing.T
	dir  string
	node *Node
	api  *client.Client
	url  string
	over context.Context // ends with the storm
	fate *rand.Rand

	mu    sync.Mutex
	shops map[regions.ID]*http.Server
	where map[regions.ID]string

	asked, answered atomic.Int64
}

func (s *storm) config(ttl int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, `
node: {name: node-1, data_dir: data, api: {listen: "127.0.0.1:0"}, dns: {listen: ["127.0.0.1:0"]}}
regions: {a: {}, b: {}, c: {}}
zones: {example.com: example.zone}
runbooks: [ask.yaml]
services:
`)
	for _, svc := range []struct{ name, policy string }{{"www", "{kind: failover, order: [a, b, c]}"}, {"shop", "{kind: weighted, weights: {a: 5, b: 3, c: 2}}"}} {
		fmt.Fprintf(&b, "  %s:\n    name: %s.example.com\n    ttl: %ds\n    check: {kind: http, interval: 200ms, timeout: 150ms, rise: 1, fall: 2}\n    policy: %s\n    endpoints:\n", svc.name, svc.name, ttl, svc.policy)
		for i, r := range []regions.ID{"a", "b", "c"} {
			fmt.Fprintf(&b, "      %s: {addresses: [198.51.100.%d], check_address: %q}\n", r, i+1, s.where[r])
		}
	}
	return b.String()
}

func (s *storm) open(r regions.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := net.Listen("tcp", cmpOr(s.where[r], "127.0.0.1:0"))
	if err != nil {
		return // the kernel has not let go of it yet; the next one will
	}
	s.where[r] = l.Addr().String()
	s.shops[r] = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "open") })}
	go s.shops[r].Serve(l)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s *storm) die(r regions.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shops[r].Close()
}

// begin starts the node and waits until it answers.
func (s *storm) begin() (end func()) {
	s.t.Helper()
	n, err := New(s.t.Context(), Options{Config: filepath.Join(s.dir, "fairlead.yaml"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	s.node, s.url = n, "http://"+n.apiListener.Addr().String()
	if s.api, err = client.New(client.Settings{Server: s.url, Timeout: 10 * time.Second}); err != nil {
		s.t.Fatal(err)
	}
	for began := time.Now(); s.node.publisher.Current() == nil || !s.node.store.Status().Reachable; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			s.t.Fatalf("the node does not answer: store %+v", s.node.store.Status())
		}
	}
	return func() {
		s.t.Helper()
		cancel()
		select {
		case err := <-ran:
			if err != nil {
				s.t.Errorf("Run = %v", err)
			}
		case <-time.After(30 * time.Second):
			stacks := make([]byte, 1<<20)
			s.t.Fatalf("Run did not end:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// worker does one thing again and again.
func (s *storm) worker(all *sync.WaitGroup, pause time.Duration, f func(*rand.Rand)) {
	dice := rand.New(rand.NewPCG(s.fate.Uint64(), s.fate.Uint64()))
	all.Go(func() {
		for s.over.Err() == nil {
			f(dice)
			time.Sleep(span(dice, pause) + time.Millisecond)
		}
	})
}

func span(d *rand.Rand, longest time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(longest)))
}

func region(d *rand.Rand) string { return []string{"a", "b", "c"}[d.IntN(3)] }

// ask puts a question as a resolver would: once more after a second.
func (s *storm) ask(d *rand.Rand) {
	m := new(mdns.Msg).SetQuestion([]string{"www.example.com.", "shop.example.com.", "fixed.example.com."}[d.IntN(3)], mdns.TypeA)
	c := mdns.Client{Net: []string{"udp", "udp", "tcp"}[d.IntN(3)], Timeout: time.Second}
	s.asked.Add(1)
	for range 3 {
		answer, _, err := c.Exchange(m, s.node.dns.Addrs()[0].String())
		if err != nil {
			continue
		}
		if answer.Rcode != mdns.RcodeSuccess || len(answer.Answer) == 0 {
			s.t.Errorf("%s is answered with %s and %d records", m.Question[0].Name, mdns.RcodeToString[answer.Rcode], len(answer.Answer))
		}
		s.answered.Add(1)
		return
	}
}

// TestNothingGivesInAStorm does to one node everything that can be done to it,
// all at once: endpoints die and rise, people drain, force, freeze, restore
// and run, the configuration is changed under it, and everybody looks. It must
// answer every question, lose no decision, never go back, and end when told.
func TestNothingGivesInAStorm(t *testing.T) {
	before := runtime.NumGoroutine()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	over, calm := context.WithTimeout(t.Context(), stormTime)
	defer calm()
	s := &storm{t: t, dir: t.TempDir(), over: over, fate: rand.New(rand.NewPCG(seed, 3)), shops: map[regions.ID]*http.Server{}, where: map[regions.ID]string{}}
	for _, r := range []regions.ID{"a", "b", "c"} {
		s.open(r)
		defer s.die(r)
	}
	put(t, filepath.Join(s.dir, "example.zone"), exampleZone)
	put(t, filepath.Join(s.dir, "ask.yaml"), fmt.Sprintf(chores, "ask"))
	put(t, filepath.Join(s.dir, "fairlead.yaml"), s.config(1))
	end := s.begin()

	var all sync.WaitGroup
	s.act(&all)
	s.look(&all)
	all.Wait()
	if s.asked.Load() == 0 || s.answered.Load() < s.asked.Load() {
		t.Errorf("%d of %d questions were answered", s.answered.Load(), s.asked.Load())
	}
	last := s.node.decided()
	v, err := client.Get[openapi.AuditVerification](s.api.VerifyAudit(t.Context()))
	if err != nil || !v.Ok {
		t.Errorf("the trail after the storm: %+v, %v", v, err)
	}
	latched := s.node.judge.View().Plan.Latched
	t.Logf("%d questions, generation %d, %d entries, latched %v", s.asked.Load(), last.Generation, v.Checked, latched)
	end()
	for began := time.Now(); runtime.NumGoroutine() > before+12; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 10*time.Second { // idle connections of this test's own clients end by then
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before the node, %d after it:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	}

	// And what was decided is known to the next run before it asks anybody: also
	// what still was between the storm and the end, such as a configuration.
	known := s.node.decided()
	kept, corrupt, err := s.node.replica.Load()
	if err != nil || len(corrupt) > 0 || kept.Generation != known.Generation || last.Newer(known) {
		t.Errorf("on the disk: %+v, damaged %v, %v; want generation %d, which follows %d", kept, corrupt, err, known.Generation, last.Generation)
	}
	latched = s.node.judge.View().Plan.Latched
	memory := s.node.loadMemory()
	if fmt.Sprint(memory.Latched) != fmt.Sprint(latched) {
		t.Errorf("the memory holds the latches %v, the node had %v", memory.Latched, latched)
	}
	put(t, filepath.Join(s.dir, "fairlead.yaml"), s.config(1))
	s.begin()()
}

// done reads an answer that nobody looks at.
func done(r *http.Response, err error) {
	if err == nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

// act begins everybody who changes something. That an act is refused is
// ordinary: two regions must not be out at once.
func (s *storm) act(all *sync.WaitGroup) {
	ctx := s.t.Context()
	s.worker(all, 300*time.Millisecond, func(d *rand.Rand) {
		r := regions.ID(region(d))
		s.die(r)
		time.Sleep(span(d, time.Second))
		s.open(r)
	})
	for range 2 {
		s.worker(all, 50*time.Millisecond, func(d *rand.Rand) {
			switch d.IntN(5) {
			case 0:
				done(s.api.DrainRegion(ctx, region(d), openapi.DrainRequest{Reason: "storm", For: []string{"1s", "1h"}[d.IntN(2)], Force: d.IntN(2) == 0, DryRun: d.IntN(3) == 0}))
			case 1, 2:
				done(s.api.RestoreRegion(ctx, region(d), openapi.RestoreRequest{Reason: "storm", DryRun: d.IntN(3) == 0}))
			case 3:
				done(s.api.CreateOverride(ctx, openapi.OverrideRequest{Region: region(d), State: openapi.OverrideRequestState([]string{"up", "down"}[d.IntN(2)]), For: "1s", Reason: "storm", Force: true}))
			case 4:
				if d.IntN(2) == 0 {
					done(s.api.SetFreeze(ctx, openapi.FreezeRequest{For: "1s", Reason: "storm"}))
				} else {
					done(s.api.EndFreeze(ctx, &openapi.EndFreezeParams{Reason: "storm"}))
				}
			}
		})
	}
	s.worker(all, 700*time.Millisecond, func(d *rand.Rand) {
		text := s.config(1 + d.IntN(30))
		if d.IntN(3) == 0 {
			text += "  nonsense: ["
		}
		put(s.t, filepath.Join(s.dir, "fairlead.yaml"), text)
		s.node.hup <- syscall.SIGHUP
	})
	s.worker(all, 200*time.Millisecond, func(d *rand.Rand) {
		x, err := client.Get[openapi.Execution](s.api.StartExecution(ctx, &openapi.StartExecutionParams{IdempotencyKey: fmt.Sprintf("storm-%06d", d.IntN(40))},
			openapi.ExecutionRequest{Runbook: "ask", Params: map[string]string{"what": "whether"}, Reason: "storm"}))
		if err != nil {
			return
		}
		done(s.api.OperateExecution(ctx, x.Id, []openapi.Operation{"pause", "resume", "abort", "decline"}[d.IntN(4)], openapi.OperationRequest{Reason: "storm"}))
	})
}

// look begins everybody who asks, and holds what they see to what never goes
// back.
func (s *storm) look(all *sync.WaitGroup) {
	ctx := s.t.Context()
	for range 3 {
		s.worker(all, 5*time.Millisecond, s.ask)
	}
	var newest int64
	s.worker(all, 20*time.Millisecond, func(*rand.Rand) {
		st, err := client.Get[openapi.Status](s.api.GetStatus(ctx))
		if err != nil {
			s.t.Errorf("status: %v", err)
			return
		}
		if st.Generation < newest {
			s.t.Errorf("the generation went from %d back to %d", newest, st.Generation)
		}
		newest = st.Generation
	})
	s.worker(all, 50*time.Millisecond, func(d *rand.Rand) {
		name := []string{"www.example.com", "shop.example.com"}[d.IntN(2)]
		x, err := client.Get[openapi.Explanation](s.api.Explain(ctx, &openapi.ExplainParams{Type: "A", Name: name, Client: fmt.Sprintf("192.0.%d.0/24", d.IntN(200))}))
		if err != nil {
			s.t.Errorf("explain: %v", err)
			return
		}
		var want []string
		for _, r := range x.Regions {
			want = append(want, r.Addresses...)
		}
		if got := answered(x.Wire); fmt.Sprint(got) != fmt.Sprint(want) {
			s.t.Errorf("%s is explained as %v and answered with %v", name, want, got)
		}
	})
	s.worker(all, 300*time.Millisecond, func(d *rand.Rand) {
		done(s.api.Explain(ctx, &openapi.ExplainParams{Type: "A", Name: "www.example.com", At: time.Now().Add(-span(d, 5*time.Second))}))
		done(s.api.ListAudit(ctx, &openapi.ListAuditParams{Limit: 20}))
		done(s.api.ListHistory(ctx, &openapi.ListHistoryParams{Limit: 20}))
		done(s.api.ListExecutions(ctx, &openapi.ListExecutionsParams{Limit: 5}))
		done(s.api.VerifyAudit(ctx))
		done(http.Get(s.url + "/metrics"))
	})
	for range 2 {
		s.worker(all, time.Second, func(d *rand.Rand) {
			watching, stop := context.WithTimeout(s.over, span(d, 2*time.Second))
			defer stop()
			_ = s.api.Watch(watching, nil, func(client.Event) error { return nil })
		})
	}
}
