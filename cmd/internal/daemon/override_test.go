package daemon_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// TestPeopleOverrideWhatIsMeasured walks one node through what two people
// order. Each step leaves nothing in force.
func TestPeopleOverrideWhatIsMeasured(t *testing.T) {
	t.Parallel()
	shops, addresses, edit := openShops(t)
	us, eu, ap := addresses[0], addresses[1], addresses[2]
	p := newPlace(t, edit[0], edit[1])
	p.edit(t, p.host+`:8470"`, p.host+`:8470", tokens_file: tokens.yaml`,
		// A second service keeps a region alive whose shop is dead.
		"zones:", fmt.Sprintf("  help:\n    name: help.shop.example\n    check: {kind: tcp, port: 8081, interval: 500ms, timeout: 400ms}\n"+
			"    policy: {kind: failover, order: [us-east, eu-central]}\n    endpoints: {us-east: [%s], eu-central: [%s]}\nzones:", us, eu))
	for _, host := range addresses[:2] {
		openShop(t, net.JoinHostPort(host, "8081"))
	}
	people := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		file := filepath.Join(p.dir, name+".token")
		fairlead(t, "token", "create", name, "--role", "admin", "--into", filepath.Join(p.dir, "tokens.yaml"), "--out", file)
		people[name] = strings.TrimSpace(p.read(t, name+".token"))
	}
	p.token = people["alice"]
	alice, bob := p.as(t, people["alice"]), p.as(t, people["bob"])
	const www = "www.shop.example"
	p.run(t)
	p.answers(t, www, time.Second, us)
	for region := range threeRegions {
		p.endpoint(t, "www", threeRegions[region], openapi.StateUp)
	}
	p.endpoint(t, "help", "us-east", openapi.StateUp)

	step := func(name string, f func(*testing.T)) {
		t.Helper()
		if !t.Run(name, f) {
			t.FailNow() // what it left in force would be in the next one's way
		}
		for _, o := range p.overrides(t) {
			t.Errorf("%s left %+v in force", name, o)
		}
	}
	back := func(t *testing.T) {
		t.Helper()
		p.steer(t)(alice.RestoreRegion(t.Context(), "us-east", openapi.RestoreRequest{Reason: "the test goes on"}))
		p.answers(t, www, 0, us)
	}

	step("a dry run says what would happen and changes nothing", func(t *testing.T) {
		before := p.status(t).Generation
		would := p.steer(t)(alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "what if", DryRun: true}))
		if said := strings.Join(would.Effects, "\n"); lacks(said, "www", "eu-central instead of us-east", "help") != "" || !would.DryRun || len(would.Overrides) != 1 {
			t.Errorf("the dry run says %+v, want www and help to go from us-east to eu-central", would)
		}
		if now := p.status(t).Generation; now != before {
			t.Errorf("the dry run made generation %d of %d", now, before)
		}
		p.answers(t, www, 0, us)
	})
	step("a drain that ends is held and not taken back", func(t *testing.T) {
		did := p.steer(t)(alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "new racks", For: "2s"}))
		if said := strings.Join(did.Effects, "\n"); lacks(said, "eu-central instead of us-east") != "" {
			t.Errorf("the drain says %q", said)
		}
		p.answers(t, www, 0, eu)
		p.alarm(t, "us-east", "held", "alice", "new racks")
		st := p.status(t)
		if r := st.Regions[0]; !r.Held || r.Effective != openapi.StateDown || r.Measured != openapi.StateUp || lacks(r.Because, "restore us-east") != "" {
			t.Errorf("region us-east is %+v, want held: measured up, effectively down", r)
		}
		p.answers(t, www, 0, eu)
		p.steer(t)(bob.RestoreRegion(t.Context(), "us-east", openapi.RestoreRequest{Reason: "racks are in"}))
		p.answers(t, www, 0, us)
		p.calm(t, "us-east")
	})
	step("a drain of one service leaves the other", func(t *testing.T) {
		p.steer(t)(alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "bad deploy", Service: "help"}))
		p.answers(t, "help.shop.example", 0, eu)
		p.answers(t, www, 0, us)
		p.steer(t)(alice.RestoreRegion(t.Context(), "us-east", openapi.RestoreRequest{Reason: "rolled back", Service: "help"}))
		p.answers(t, "help.shop.example", 0, us)
	})
	step("who has decided sees it at once, however many decide", func(t *testing.T) {
		var both sync.WaitGroup
		for person, service := range map[*client.Client]string{alice: "www", bob: "help"} {
			both.Go(func() {
				for i := range 60 {
					did, err := client.Get[openapi.SteeringResult](person.CreateOverride(t.Context(), openapi.OverrideRequest{Region: "eu-central", Service: service, State: openapi.OverrideUp, For: "1h", Reason: "mine"}))
					list, lerr := client.Get[openapi.OverrideList](person.ListOverrides(t.Context()))
					at := slices.IndexFunc(list.Overrides, func(o openapi.Override) bool { return o.Service == service })
					if err != nil || lerr != nil || at < 0 {
						t.Errorf("round %d: right after generation %d was decided (%v) the node lists %+v, %v", i, did.Generation, err, list.Overrides, lerr)
						return
					}
					st, err := client.Get[openapi.Status](person.GetStatus(t.Context()))
					if err != nil || st.Generation < did.Generation {
						t.Errorf("round %d: right after generation %d was decided the status is of %d, %v", i, did.Generation, st.Generation, err)
					}
					if _, err := client.Get[openapi.SteeringResult](person.EndOverride(t.Context(), list.Overrides[at].Id, openapi.ReasonRequest{Reason: "done"})); err != nil {
						t.Errorf("round %d: end what was just decided: %v", i, err)
						return
					}
				}
			})
		}
		both.Wait()
		if _, err := client.Get[openapi.Freeze](alice.SetFreeze(t.Context(), openapi.FreezeRequest{For: "1h", Reason: "calm"})); err != nil || !p.status(t).Freeze.Frozen {
			t.Errorf("right after a freeze (%v) nothing is frozen", err)
		}
		if err := client.Done(alice.EndFreeze(t.Context(), &openapi.EndFreezeParams{Reason: "go on"})); err != nil || p.status(t).Freeze.Frozen {
			t.Errorf("right after the end of a freeze (%v) it is still frozen", err)
		}
		if strings.Contains(p.said(), "store set back") {
			t.Error("a node that knew of a decision before its watch did believes that the store was set back")
		}
	})
	step("of two contrary orders at once one is refused, with who and since", func(t *testing.T) {
		for range 8 {
			orders := []func() error{
				func() error {
					_, err := client.Get[openapi.SteeringResult](alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "it is broken"}))
					return err
				},
				func() error {
					_, err := client.Get[openapi.SteeringResult](bob.CreateOverride(t.Context(), openapi.OverrideRequest{Region: "us-east", State: openapi.OverrideUp, For: "1h", Reason: "it is fine"}))
					return err
				},
			}
			errs := make([]error, 2)
			var both sync.WaitGroup
			for i, order := range orders {
				both.Go(func() { errs[i] = order() })
			}
			both.Wait()
			won := slices.Index(errs, nil)
			if won < 0 || errs[1-won] == nil {
				t.Fatalf("of two contrary orders: %v; want exactly one refused", errs)
			}
			who := []string{"drained by alice since", "forced up by bob since"}[won]
			if refused := errs[1-won]; !fault.Is(refused, fault.Conflict) || lacks(refused.Error(), "us-east", who, time.Now().UTC().Format("2006-01-02"), "lift that override first") != "" {
				t.Errorf("the other is refused with %q (%v), want a conflict that says %q", refused, fault.Of(refused), who)
			}
			list := p.overrides(t)
			if len(list) != 1 {
				t.Fatalf("in force are %+v, want the one that won", list)
			}
			p.steer(t)(alice.EndOverride(t.Context(), list[0].Id, openapi.ReasonRequest{Reason: "next round"}))
		}
		p.answers(t, www, 0, us)
	})
	step("a second region is not drained while the first is out", func(t *testing.T) {
		p.steer(t)(alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "new racks"}))
		_, err := client.Get[openapi.SteeringResult](bob.DrainRegion(t.Context(), "eu-central", openapi.DrainRequest{Reason: "me too"}))
		if !fault.Is(err, fault.Conflict) || lacks(err.Error(), "eu-central", "us-east (drained by alice)", "force") != "" {
			t.Errorf("the second drain: %v; want a conflict that names the first and its author", err)
		}
		p.steer(t)(bob.DrainRegion(t.Context(), "eu-central", openapi.DrainRequest{Reason: "I mean it", Force: true}))
		p.answers(t, www, 0, ap)
		p.steer(t)(bob.RestoreRegion(t.Context(), "eu-central", openapi.RestoreRequest{Reason: "done"}))
		back(t)
	})
	step("forced down ends by itself and measurement rules again", func(t *testing.T) {
		p.steer(t)(alice.CreateOverride(t.Context(), openapi.OverrideRequest{Region: "us-east", State: openapi.OverrideDown, For: "2s", Reason: "a rehearsal"}))
		p.answers(t, www, 0, eu)
		p.answers(t, www, 0, us)
	})
	step("forced up answers what is measured down, until its end", func(t *testing.T) {
		shops[0].die()
		p.answers(t, www, 0, eu)
		p.steer(t)(bob.CreateOverride(t.Context(), openapi.OverrideRequest{Region: "us-east", Service: "www", State: openapi.OverrideUp, For: "2s", Reason: "the check is wrong"}))
		p.answers(t, www, 0, us)
		x, err := client.Get[openapi.Explanation](alice.Explain(t.Context(), &openapi.ExplainParams{Name: www, Type: "A"}))
		if err != nil || lacks(x.Answer+fmt.Sprint(x.Reasons), "forced up by bob", "the check is wrong") != "" {
			t.Errorf("explained as %q, %+v, %v; want who forces it and why", x.Answer, x.Reasons, err)
		}
		p.answers(t, www, 0, eu)
		shops[0].open(t)
		p.answers(t, www, 0, us) // an endpoint heals by itself
	})
	step("frozen, the dead go and nothing returns by itself", func(t *testing.T) {
		if _, err := client.Get[openapi.Freeze](alice.SetFreeze(t.Context(), openapi.FreezeRequest{For: "1h", Reason: "the sale"})); err != nil {
			t.Fatalf("freeze: %v", err)
		}
		shops[0].die()
		p.answers(t, www, 0, eu)
		shops[0].open(t)
		p.endpoint(t, "www", "us-east", openapi.StateUp)
		time.Sleep(300 * time.Millisecond) // what would return, would by now
		p.answers(t, www, 0, eu)
		if st := p.status(t); !st.Freeze.Frozen || st.Freeze.By != "alice" || st.Freeze.Reason != "the sale" {
			t.Errorf("status says of the freeze %+v", st.Freeze)
		}
		// A person's order goes above it.
		p.steer(t)(bob.DrainRegion(t.Context(), "eu-central", openapi.DrainRequest{Reason: "by hand"}))
		p.answers(t, www, 0, ap)
		p.steer(t)(bob.RestoreRegion(t.Context(), "eu-central", openapi.RestoreRequest{Reason: "by hand"}))
		p.answers(t, www, 0, eu)
		forced := p.steer(t)(bob.CreateOverride(t.Context(), openapi.OverrideRequest{Region: "us-east", Service: "www", State: openapi.OverrideUp, For: "1h", Reason: "by hand"}))
		p.answers(t, www, 0, us)
		p.steer(t)(bob.EndOverride(t.Context(), forced.Overrides[0].Id, openapi.ReasonRequest{Reason: "by hand"}))
		p.answers(t, www, 0, us)
		shops[0].die()
		p.answers(t, www, 0, eu)
		shops[0].open(t)
		if err := client.Done(alice.EndFreeze(t.Context(), &openapi.EndFreezeParams{Reason: "the sale is over"})); err != nil {
			t.Fatalf("end the freeze: %v", err)
		}
		p.answers(t, www, 0, us)
		if _, err := client.Get[openapi.Freeze](alice.SetFreeze(t.Context(), openapi.FreezeRequest{For: "1s", Reason: "short"})); err != nil {
			t.Fatalf("freeze: %v", err)
		}
		p.eventually(t, "the freeze ends by itself", func() (bool, string) {
			f := p.status(t).Freeze
			return !f.Frozen, fmt.Sprint(f)
		})
	})
	step("what cannot be is refused in a sentence", func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			order func() error
			kind  fault.Kind
			words []string
		}{
			{"no such region", p.drains(t, alice, "mars", openapi.DrainRequest{Reason: "x"}), fault.NotFound, []string{"region mars", "fairlead status"}},
			{"no such service", p.drains(t, alice, "us-east", openapi.DrainRequest{Reason: "x", Service: "nope"}), fault.NotFound, []string{"service nope"}},
			{"no reason", p.drains(t, alice, "us-east", openapi.DrainRequest{}), fault.Invalid, []string{"reason"}},
			{"an end that is none", p.drains(t, alice, "us-east", openapi.DrainRequest{Reason: "x", For: "soon"}), fault.Invalid, []string{"for"}},
			{"an end in the past", p.drains(t, alice, "us-east", openapi.DrainRequest{Reason: "x", For: "-1h"}), fault.Invalid, []string{"for"}},
			{"an end too far away", p.drains(t, alice, "us-east", openapi.DrainRequest{Reason: "x", For: "1000h"}), fault.Invalid, []string{"168h"}},
			{"an override that is not there", func() error {
				return client.Done(alice.EndOverride(t.Context(), "o-none", openapi.ReasonRequest{Reason: "x"}))
			}, fault.NotFound, []string{"o-none", "override list"}},
			{"nobody", p.drains(t, p.as(t, ""), "us-east", openapi.DrainRequest{Reason: "x"}), fault.Denied, []string{"token"}},
			{"a forged token", p.drains(t, p.as(t, people["alice"]+"x"), "us-east", openapi.DrainRequest{Reason: "x"}), fault.Denied, []string{"token"}},
		} {
			if err := tt.order(); !fault.Is(err, tt.kind) || lacks(err.Error(), tt.words...) != "" || traces.MatchString(err.Error()) {
				t.Errorf("%s: %v (%v), want %v with %q", tt.name, err, fault.Of(err), tt.kind, tt.words)
			}
		}
		p.answers(t, www, 0, us)
	})
	step("an order survives a restart, and ends while nobody runs", func(t *testing.T) {
		p.steer(t)(alice.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "over the restart", For: "3s"}))
		p.answers(t, www, 0, eu)
		p.kill()
		p.start(t)
		p.eventually(t, "it answers again", func() (bool, string) {
			a, err := p.lookup(t.Context(), www)
			for _, address := range a.Addresses {
				if address.String() == us {
					t.Fatal("after a restart the drained region was answered")
				}
			}
			return err == nil, fmt.Sprint(err)
		})
		p.eventually(t, "it lists the drain", func() (bool, string) {
			list, err := client.Get[openapi.OverrideList](p.call(t).ListOverrides(t.Context()))
			return err == nil && len(list.Overrides) == 1 && list.Overrides[0].By == "alice" && list.Overrides[0].Reason == "over the restart", fmt.Sprint(list, err)
		})
		p.end(t)
		time.Sleep(3 * time.Second)
		p.run(t)
		p.alarm(t, "us-east", "held", "alice")
		p.answers(t, www, 0, eu)
		back(t)
	})
}

// overrides lists what is in force.
func (p *place) overrides(t *testing.T) []openapi.Override {
	t.Helper()
	list, err := client.Get[openapi.OverrideList](p.call(t).ListOverrides(t.Context()))
	if err != nil {
		t.Fatalf("list the overrides: %v", err)
	}
	return list.Overrides
}

func (p *place) drains(t *testing.T, c *client.Client, region string, r openapi.DrainRequest) func() error {
	return func() error {
		_, err := client.Get[openapi.SteeringResult](c.DrainRegion(t.Context(), region, r))
		return err
	}
}

// steer demands that an act of steering was done.
func (p *place) steer(t *testing.T) func(*http.Response, error) openapi.SteeringResult {
	return func(resp *http.Response, err error) openapi.SteeringResult {
		t.Helper()
		did, err := client.Get[openapi.SteeringResult](resp, err)
		if err != nil {
			t.Fatalf("not decided: %v", err)
		}
		return did
	}
}
