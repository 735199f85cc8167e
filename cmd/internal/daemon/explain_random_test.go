package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/api/openapi"
	"fairlead/dns"
	"fairlead/dns/dig"
	"fairlead/dns/publish"
	"fairlead/dns/zone"
	"fairlead/regions"
	"fairlead/regions/judge"
	"fairlead/regions/steer"
)

// still returns a node that is wired and does not run.
func still(t *testing.T) *Node {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fairlead.yaml": `
node: {name: node-1, data_dir: data, api: {listen: "127.0.0.1:0"}, dns: {listen: ["127.0.0.1:0"]}}
regions: {a: {}, b: {}, c: {}}
zones: {example.com: example.zone}
`,
		"example.zone": exampleZone,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := New(t.Context(), Options{Config: filepath.Join(dir, "fairlead.yaml"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

const exampleZone = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\nfixed A 192.0.2.1\n"

// dice draws worlds and clients.
type dice struct{ *rand.Rand }

func (d dice) one(n int) bool { return d.IntN(n) == 0 }

func (d dice) fleet() *regions.Fleet {
	f := &regions.Fleet{Regions: []regions.Region{{ID: "a"}, {ID: "b"}, {ID: "c"}}, Databases: []regions.Database{{ID: "db", Writer: "a"}},
		Zones: []regions.Zone{{Origin: "example.com.", File: "example.zone", Text: exampleZone}}}
	for i, kind := range []regions.PolicyKind{regions.Failover, regions.Weighted, regions.All, regions.Failover} {
		s := regions.Service{ID: regions.ServiceID(fmt.Sprintf("s%d", i)), Name: regions.Name(fmt.Sprintf("s%d.example.com.", i)), Mode: regions.Steer, TTL: 5 * time.Second}
		s.Policy = regions.Policy{Kind: kind, Panic: regions.AnswerAll, Weights: map[regions.ID]int{}}
		if d.one(4) {
			s.Policy.Panic = regions.FailClosed
		}
		if d.one(8) {
			s.Mode = regions.Observe
		}
		if i == 3 {
			s.Writes = &regions.Writes{Database: "db"}
		}
		for k, r := range f.Regions {
			s.Policy.Weights[r.ID] = d.IntN(10)
			for n := range 1 + d.IntN(2) {
				addresses := []netip.Addr{netip.AddrFrom4([4]byte{198, 51, byte(10*i + k), byte(n + 1)})}
				if d.one(2) {
					addresses = append(addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d:%d:%d", i, k, n)))
				}
				s.Endpoints = append(s.Endpoints, regions.Endpoint{ID: regions.EndpointID(s.ID, r.ID, n+1), Region: r.ID, Addresses: addresses})
			}
		}
		for g, prefixes := range [][]string{{"192.0.2.0/24", "2001:db8:1::/48"}, {"192.0.0.0/16", "0.0.0.0/8"}} {
			if !d.one(2) {
				continue
			}
			group := regions.ClientGroup{Name: fmt.Sprintf("g%d", g), Order: []regions.ID{f.Regions[d.IntN(3)].ID}, Weights: map[regions.ID]int{"a": d.IntN(5), "b": d.IntN(5), "c": 1}}
			for _, p := range prefixes {
				group.Prefixes = append(group.Prefixes, netip.MustParsePrefix(p))
			}
			s.Policy.Groups = append(s.Policy.Groups, group)
		}
		f.Services = append(f.Services, s)
	}
	return f
}

// world changes everything that a decision may depend on, but for the fleet.
func (d dice) world(w steer.World, now time.Time) steer.World {
	states := []regions.State{regions.Unknown, regions.Up, regions.Up, regions.Degraded, regions.Down}
	w.Generation++
	w.Verdicts, w.Regions = map[regions.TargetID]regions.Verdict{}, map[regions.ID]regions.RegionVerdict{}
	for _, t := range w.Fleet.Targets() {
		s := states[d.IntN(len(states))]
		w.Verdicts[t.ID] = regions.Verdict{Target: t.ID, Region: t.Region, Measured: s, Effective: s, Because: s.String()}
	}
	for _, r := range w.Fleet.Regions {
		w.Regions[r.ID] = regions.RegionVerdict{State: states[d.IntN(len(states))]}
	}
	w.Overrides, w.Freeze, w.Restored = nil, nil, map[regions.ID]uint64{}
	if d.one(3) {
		w.Freeze = &regions.Freeze{By: "ada", Why: "calm"}
	}
	w.BreakGlass = nil
	if d.one(4) {
		acts := []regions.GlassAct{regions.GlassDrain, regions.GlassDown, regions.GlassUp}
		w.BreakGlass = &regions.BreakGlass{ID: "b-1", Incarnation: 1, Sequence: w.Generation, By: []string{"ada"}, Why: "fire",
			Orders: []regions.GlassOrder{{Act: acts[d.IntN(3)], Region: w.Fleet.Regions[d.IntN(3)].ID}}}
	}
	if d.one(3) {
		w.Restored["b"] = w.Generation
	}
	if d.one(3) {
		if o, err := regions.NewDrain("o", regions.Scope{Region: w.Fleet.Regions[d.IntN(3)].ID}, "ada", "why", now, now.Add(time.Hour)); err == nil {
			if d.one(2) {
				o = o.Lapsed()
			}
			w.Overrides = []regions.Override{o}
		}
	}
	if d.one(3) {
		w.Writers = map[regions.DatabaseID]regions.Epoch{"db": {Incarnation: 1, Number: w.Generation, Writer: w.Fleet.Regions[d.IntN(3)].ID}}
	}
	return w
}

// client is what somebody writes who wants an explanation: nothing, an
// address, a network, of either family, down to no bits at all.
func (d dice) client() string {
	v4 := netip.AddrFrom4([4]byte{byte(190 + d.IntN(4)), 0, byte(d.IntN(4)), byte(d.IntN(256))})
	v6 := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", d.IntN(3), d.IntN(99)))
	switch d.IntN(8) {
	case 0:
		return ""
	case 1:
		return v4.String()
	case 2:
		return v6.String()
	case 3:
		return "0.0.0.0/0"
	case 4:
		return "::/0"
	case 5:
		return netip.PrefixFrom(v6, d.IntN(129)).Masked().String()
	case 6:
		return "::ffff:" + v4.String()
	}
	return netip.PrefixFrom(v4, d.IntN(33)).Masked().String()
}

// answered returns the addresses in an answer section of dig's notation.
func answered(wire string) []string {
	var out []string
	_, section, _ := strings.Cut(wire, ";; ANSWER\n")
	section, _, _ = strings.Cut(section, ";;")
	for line := range strings.Lines(section) {
		if f := strings.Fields(line); len(f) == 5 && (f[3] == "A" || f[3] == "AAAA") {
			out = append(out, f[4])
		}
	}
	slices.Sort(out)
	return out
}

// TestAnExplanationIsTheAnswer: whatever the world and whoever asks, the
// addresses that an explanation names are those in the packet.
func TestAnExplanationIsTheAnswer(t *testing.T) {
	n := still(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	w := steer.World{Incarnation: 1, Generation: 1, Fleet: d.fleet()}
	n.judge.Decided(&regions.Decided{Incarnation: 1, Generation: 1, Fleet: w.Fleet})
	judging, stop := context.WithCancel(t.Context())
	judged := make(chan error)
	go func() { judged <- n.judge.Run(judging) }()
	for n.judge.View().Decided == nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-judged; err != nil {
		t.Fatal(err)
	}
	var plan steer.Plan
	for i := range 2000 {
		if i%20 == 0 {
			w.Fleet = d.fleet()
		}
		w = d.world(w, time.Now())
		plan = steer.Decide(plan, w, time.Now())
		shown := plan
		if d.one(10) { // a fault of the planner: the name keeps what it answered
			shown.Names = slices.Clone(plan.Names)
			shown.Names[d.IntN(len(shown.Names))].Cells = nil
		}
		if err := n.publisher.Publish(publish.Update{Zones: w.Fleet.Zones, Plan: shown}); err != nil {
			t.Fatal(err)
		}
		service := w.Fleet.Services[d.IntN(len(w.Fleet.Services))]
		client, qtype := d.client(), []string{"A", "AAAA"}[d.IntN(2)]
		x := explain(t, n, url.Values{"name": {string(service.Name)}, "type": {qtype}, "client": {client}})
		var want []string
		for _, r := range x.Regions {
			for _, a := range r.Addresses {
				if addr := netip.MustParseAddr(a); addr.Is4() == (qtype == "A") {
					want = append(want, a)
				}
			}
		}
		slices.Sort(want)
		if service.Mode == regions.Observe {
			want = nil // its zone file answers
		}
		if got := answered(x.Wire); !slices.Equal(got, want) {
			t.Fatalf("world %d of seed %d: %s %s for %q: explained as %v (%s), answered with %v:\n%s", i, seed, service.Name, qtype, client, want, x.Answer, got, x.Wire)
		}
	}
}

func explain(t *testing.T, n *Node, q url.Values) openapi.Explanation {
	t.Helper()
	if q.Get("client") == "" {
		q.Del("client")
	}
	r := httptest.NewRequest(http.MethodGet, "http://localhost/api/v1/explain?"+q.Encode(), nil)
	answer := httptest.NewRecorder()
	n.api.Handler().ServeHTTP(answer, r)
	var x openapi.Explanation
	if err := json.Unmarshal(answer.Body.Bytes(), &x); answer.Code != http.StatusOK || err != nil {
		t.Fatalf("explain %v: %d, %v: %s", q, answer.Code, err, answer.Body)
	}
	return x
}

// TestThePastIsExplainedAsItWasAnswered: through overrides, freezes, latches,
// epochs that came by the feed and restarts of the node, an explanation of an
// instant is what the packets of that instant said.
func TestThePastIsExplainedAsItWasAnswered(t *testing.T) {
	n := still(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := dice{rand.New(rand.NewPCG(seed, 2))}
	type asked struct {
		q    url.Values
		wire string
	}
	var all []asked
	var plan steer.Plan
	w := steer.World{Incarnation: 1, Generation: 1, Fleet: d.fleet()}
	began := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 400 {
		at := began.Add(time.Duration(i) * time.Second)
		if d.one(30) {
			w.Fleet = d.fleet()
		}
		w = d.world(w, at)
		if i == 0 || d.one(25) { // the node is started
			if err := n.recorder.began("node-1", at.Add(-time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			plan = afterRestart(t, n.recorder.last)
			n.recorder.last = nil
		}
		plan = steer.Decide(plan, w, at)
		decided := &regions.Decided{Incarnation: w.Incarnation, Generation: w.Generation, Fleet: w.Fleet, Overrides: w.Overrides, Freeze: w.Freeze, Restored: w.Restored}
		if err := n.recorder.record(&judge.View{At: at, Decided: decided, Verdicts: w.Verdicts, Regions: w.Regions, World: w, Plan: plan}); err != nil {
			t.Fatal(err)
		}
		snapshot, err := dns.Compile(zones(t, w.Fleet), plan, dns.NSID(n.nsid()))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Fleet.Services {
			if s.Mode == regions.Observe || s.Writes != nil && !pinnedIn(&plan, s.Name) {
				continue // a writer's name that keeps its answer for want of an epoch cannot be made again
			}
			wire, err := dig.Ask(snapshot, string(s.Name), "A", netip.MustParsePrefix("192.0.2.0/24"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, asked{url.Values{"name": {string(s.Name)}, "client": {"192.0.2.0/24"}, "at": {at.Add(500 * time.Millisecond).Format(time.RFC3339Nano)}}, wire})
		}
	}
	d.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	for _, a := range all[:150] {
		if x := explain(t, n, a.q); x.Wire != a.wire {
			t.Fatalf("seed %d: %v is explained as\n%s(%s)\nand was answered with\n%s", seed, a.q, x.Wire, x.Answer, a.wire)
		}
	}
}

// afterRestart is the plan that a node begins with whose last view was this.
func afterRestart(t *testing.T, last *judge.View) steer.Plan {
	t.Helper()
	if last == nil {
		return steer.Plan{}
	}
	text, err := json.Marshal(last.Memory())
	if err != nil {
		t.Fatal(err)
	}
	var memory judge.Memory
	if err := json.Unmarshal(text, &memory); err != nil {
		t.Fatal(err)
	}
	j, err := judge.New(judge.Config{Node: "node-1", Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	return j.View().Plan
}

func zones(t *testing.T, f *regions.Fleet) []*zone.Zone {
	t.Helper()
	var all []*zone.Zone
	for _, z := range f.Zones {
		parsed, err := zone.Parse(string(z.Origin), z.File, []byte(z.Text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parsed)
	}
	return all
}

func pinnedIn(p *steer.Plan, name regions.Name) bool {
	s, ok := p.Name(name)
	return ok && slices.ContainsFunc(s.Standing, func(st steer.Standing) bool { return st.In })
}
