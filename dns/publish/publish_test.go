package publish_test

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/dns/dnstest"
	"fairlead/dns/publish"
	"fairlead/regions"
	"fairlead/regions/fault"
)

const zoneText = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\nfixed A 192.0.2.1\n"

const planText = `
name www.example.com
set eu 198.51.100.1
set us 198.51.100.2
cell europe 192.0.2.0/24 = eu
cell everyone = us
name api.example.com
set x 198.51.100.3 2001:db8::3
cell everyone = x
`

func update(t *testing.T, generation uint64, zone, plan string) publish.Update {
	t.Helper()
	p, err := dnstest.ParsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.Generation = generation
	return publish.Update{Zones: []regions.Zone{{Origin: "example.com.", File: "example.zone", Text: zone}}, Plan: p}
}

func quiet() publish.Config { return publish.Config{Log: slog.New(slog.DiscardHandler)} }

func get(t *testing.T, p *publish.Publisher, name string) []string {
	t.Helper()
	m := new(mdns.Msg).SetQuestion(name, mdns.TypeA)
	query, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var answer mdns.Msg
	if err := answer.Unpack(p.Current().Answer(nil, query, netip.MustParseAddr("203.0.113.1"))); err != nil {
		t.Fatal(err)
	}
	out := []string{}
	if answer.Rcode != mdns.RcodeSuccess {
		return []string{mdns.RcodeToString[answer.Rcode]}
	}
	for _, rr := range answer.Answer {
		out = append(out, rr.(*mdns.A).A.String())
	}
	return out
}

func want(t *testing.T, p *publish.Publisher, name string, addrs ...string) {
	t.Helper()
	if got := get(t, p, name); !slices.Equal(got, addrs) {
		t.Errorf("%s is answered with %v, want %v", name, got, addrs)
	}
}

func TestPublishMakesAnUpdateCurrent(t *testing.T) {
	p := publish.New(quiet())
	if p.Current() != nil {
		t.Error("something is served before anything was published")
	}
	if err := p.Publish(update(t, 7, zoneText, planText)); err != nil {
		t.Fatal(err)
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	want(t, p, "fixed.example.com.", "192.0.2.1")
	s := p.Status()
	if s.Generation != 7 || s.Incarnation != 1 || s.Hash == "" || s.At.IsZero() || len(s.Problems) != 0 ||
		len(s.Zones) != 1 || s.Zones[0].Serial != 1 || s.Zones[0].Records != 4 {
		t.Errorf("Status = %+v", s)
	}
}

func TestOlderGenerationsAreNeverApplied(t *testing.T) {
	p := publish.New(quiet())
	if err := p.Publish(update(t, 7, zoneText, planText)); err != nil {
		t.Fatal(err)
	}
	older := update(t, 6, zoneText, strings.ReplaceAll(planText, "198.51.100.2", "198.51.100.66"))
	if err := p.Publish(older); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "generation 1.6: it is older than 1.7") {
		t.Errorf("Publish of an older generation = %v, want a Conflict", err)
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	before := update(t, 99, zoneText, planText)
	before.Plan.Incarnation = 0
	if err := p.Publish(before); !fault.Is(err, fault.Conflict) {
		t.Errorf("Publish of an older incarnation = %v, want a Conflict", err)
	}
	recovered := update(t, 1, zoneText, strings.ReplaceAll(planText, "198.51.100.2", "198.51.100.77"))
	recovered.Plan.Incarnation = 2
	if err := p.Publish(recovered); err != nil {
		t.Errorf("Publish of a newer incarnation = %v", err)
	}
	want(t, p, "www.example.com.", "198.51.100.77")
	if s := p.Status(); s.Refused != 2 || s.Error != "" {
		t.Errorf("Status = %+v, want 2 refused and no error left", s)
	}
}

// The same generation with other verdicts is the ordinary case.
func TestFailoverWithinAGeneration(t *testing.T) {
	var changes [][]regions.Name
	cfg := quiet()
	cfg.Published = func(before, after *dns.Snapshot) { changes = append(changes, after.Changed(before)) }
	p := publish.New(cfg)
	first, second := update(t, 7, zoneText, planText), update(t, 7, zoneText, strings.ReplaceAll(planText, "cell everyone = us", "cell everyone = eu"))
	for _, u := range []publish.Update{first, second, second} {
		if err := p.Publish(u); err != nil {
			t.Fatal(err)
		}
	}
	want(t, p, "www.example.com.", "198.51.100.1")
	if len(changes) != 3 || len(changes[0]) != 2 || !slices.Equal(changes[1], []regions.Name{"www.example.com."}) || len(changes[2]) != 0 {
		t.Errorf("the names that changed: %v, want both, then www, then none", changes)
	}
}

func TestABadZoneFileLeavesTheLastGoodOne(t *testing.T) {
	p := publish.New(quiet())
	if err := p.Publish(update(t, 1, zoneText, planText)); err != nil {
		t.Fatal(err)
	}
	bad := zoneText + "broken A 1.2.3\n"
	failover := strings.ReplaceAll(planText, "cell everyone = us", "cell everyone = eu")
	for generation := uint64(2); generation < 4; generation++ { // told as long as it lasts
		if err := p.Publish(update(t, generation, bad, failover)); err != nil {
			t.Fatal(err)
		}
		want(t, p, "fixed.example.com.", "192.0.2.1")
		want(t, p, "www.example.com.", "198.51.100.1") // and the plan goes on
		s := p.Status()
		if len(s.Problems) != 1 || !s.Problems[0].Held || s.Problems[0].Zone != "example.com." || !strings.HasPrefix(s.Problems[0].Reason, "example.zone:6:10: ") {
			t.Errorf("Problems = %+v, want the place of the mistake", s.Problems)
		}
	}
	if err := p.Publish(update(t, 4, strings.ReplaceAll(zoneText, "192.0.2.1\n", "192.0.2.2\n"), failover)); err != nil {
		t.Fatal(err)
	}
	want(t, p, "fixed.example.com.", "192.0.2.2")
	if s := p.Status(); len(s.Problems) != 0 {
		t.Errorf("Problems = %+v after the file was mended", s.Problems)
	}
}

func TestABadZoneDoesNotTakeTheOthersWithIt(t *testing.T) {
	p := publish.New(quiet())
	u := update(t, 1, zoneText, planText)
	u.Zones = append(u.Zones, regions.Zone{Origin: "example.org.", File: "org.zone", Text: "nonsense"},
		regions.Zone{Origin: "example.com.", File: "twice.zone", Text: zoneText})
	if err := p.Publish(u); err != nil {
		t.Fatal(err)
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	want(t, p, "www.example.org.", "SERVFAIL") // refusing it would say that it is not ours
	want(t, p, "www.example.net.", "REFUSED")
	s := p.Status()
	if len(s.Problems) != 2 || !strings.Contains(s.Problems[0].Reason, "configured twice") || !strings.HasPrefix(s.Problems[1].Reason, "org.zone:1:") {
		t.Errorf("Problems = %+v, want the double zone and the nonsense", s.Problems)
	}
}

// A zone file that claims a steered name would turn it into a fixed one.
func TestAZoneFileCannotTakeASteeredName(t *testing.T) {
	p := publish.New(quiet())
	if err := p.Publish(update(t, 1, zoneText, planText)); err != nil {
		t.Fatal(err)
	}
	claims := zoneText + "www A 192.0.2.99\nmore A 192.0.2.98\n"
	for range 2 { // told as long as it lasts
		if err := p.Publish(update(t, 2, claims, planText)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	want(t, p, "more.example.com.", "NXDOMAIN")
	s := p.Status()
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "zone example.com. stays as it was: www.example.com. has a static A record at example.zone:6") {
		t.Errorf("Problems = %+v", s.Problems)
	}
	// Said together with the name's release, it is what somebody wants.
	released := strings.Replace(planText, "name www.example.com", "name www.example.com observe", 1)
	if err := p.Publish(update(t, 3, claims, released)); err != nil {
		t.Fatal(err)
	}
	want(t, p, "www.example.com.", "192.0.2.99")
	want(t, p, "more.example.com.", "192.0.2.98")
	if s := p.Status(); len(s.Problems) != 0 {
		t.Errorf("Problems = %+v after the release", s.Problems)
	}
}

func TestANameThatCannotBeServedIsReportedAlone(t *testing.T) {
	p := publish.New(quiet())
	if err := p.Publish(update(t, 1, zoneText, planText+"name www.example.net\nset x 198.51.100.9\ncell everyone = x\n")); err != nil {
		t.Fatal(err)
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	if s := p.Status(); len(s.Problems) != 1 || s.Problems[0].Name != "www.example.net." || s.Problems[0].Held {
		t.Errorf("Problems = %+v", s.Problems)
	}
	broken := update(t, 2, zoneText, planText)
	broken.Plan.Names[0].Sets[0].Endpoints = nil // api
	if err := p.Publish(broken); err != nil {
		t.Fatal(err)
	}
	want(t, p, "api.example.com.", "198.51.100.3")
	if s := p.Status(); len(s.Problems) != 1 || s.Problems[0].Name != "api.example.com." || !s.Problems[0].Held {
		t.Errorf("Problems = %+v, want api held at its answer before", s.Problems)
	}
}

func TestAnImpossiblePlanChangesNothing(t *testing.T) {
	p := publish.New(quiet())
	if err := p.Publish(update(t, 1, zoneText, planText)); err != nil {
		t.Fatal(err)
	}
	u := update(t, 2, zoneText, planText)
	slices.Reverse(u.Plan.Names)
	if err := p.Publish(u); err == nil {
		t.Error("Publish took a plan out of order")
	}
	want(t, p, "www.example.com.", "198.51.100.2")
	if s := p.Status(); s.Generation != 1 || s.Error == "" {
		t.Errorf("Status = %+v, want generation 1 and the error", s)
	}
}

func TestRunPublishesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := publish.New(quiet())
		for g := range uint64(20) {
			p.Submit(update(t, g+1, zoneText, planText))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		if s := p.Status(); s.Generation != 20 {
			t.Errorf("generation = %d, want 20", s.Generation)
		}
		at := p.Status().At
		time.Sleep(time.Minute)
		p.Submit(update(t, 21, zoneText, planText))
		synctest.Wait()
		if s := p.Status(); s.Generation != 21 || !s.At.Equal(at) {
			t.Errorf("Status = %+v: the same answers keep their time", s)
		}
		p.Submit(update(t, 22, zoneText, strings.ReplaceAll(planText, "198.51.100.2", "198.51.100.4")))
		synctest.Wait()
		if s := p.Status(); !s.At.Equal(at.Add(time.Minute)) {
			t.Errorf("other answers since %v, want a minute after %v", s.At, at)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}
