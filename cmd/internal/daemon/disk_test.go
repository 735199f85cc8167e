package daemon_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions/fault"
)

// TestAFullDiskStopsNoAnswer: a node whose disk is full goes on answering and
// failing over, says so, loses nothing that it has acknowledged, and is well
// again once there is room.
func TestAFullDiskStopsNoAnswer(t *testing.T) {
	t.Parallel()
	disk := storetest.SmallDisk(t, "160m")
	shops, addresses, edit := openShops(t)
	us, eu := addresses[0], addresses[1]
	p := newPlace(t, edit[0], edit[1], "data_dir: data", "data_dir: "+filepath.Join(disk, "data"))
	t.Cleanup(func() { p.kill() }) // before the disk goes
	const www = "www.shop.example"
	p.run(t)
	p.answers(t, www, time.Second, us)
	drain(t, p.node, "ap-south")

	free := storetest.FillDisk(t, disk)
	shops[0].die()
	p.answers(t, www, time.Second, eu)
	p.alarm(t, "", "no space left on device") // of the node or its store, whoever writes first
	p.ready(t)

	// Decide until the store has found out too. What it takes, it must keep.
	acknowledged := map[string]bool{}
	var refused error
	for began := time.Now(); refused == nil && time.Since(began) < patience; {
		long := fmt.Sprintf("%0500d", len(acknowledged)) // so that it is full soon
		did, err := client.Get[openapi.SteeringResult](p.call(t).CreateOverride(t.Context(), openapi.OverrideRequest{Region: "eu-central", Service: "www", State: openapi.OverrideUp, For: "1h", Reason: long}))
		if err == nil && len(did.Overrides) > 0 {
			for _, o := range did.Overrides {
				if o.Region == "eu-central" {
					acknowledged[long] = true
					err = client.Done(p.call(t).EndOverride(t.Context(), o.Id, openapi.ReasonRequest{Reason: long}))
				}
			}
		}
		refused = err
	}
	if refused != nil {
		t.Logf("after %d decisions on a full disk: %v", len(acknowledged), refused)
		if !fault.Is(refused, fault.Unavailable) || traces.MatchString(refused.Error()) {
			t.Errorf("a decision on a full disk fails with %v (%v), want a sentence that says it is not possible now", refused, fault.Of(refused))
		}
	}
	p.answers(t, www, time.Second, eu)

	t.Run("it starts again on the full disk and answers", func(t *testing.T) {
		p.kill()
		p.start(t)
		p.answers(t, www, time.Second, eu)
		// Whether the store opens depends on how much its log had set aside.
		p.end(t)
	})
	free()
	p.run(t)
	p.answers(t, www, time.Second, eu)
	p.calm(t, "node-1")
	list := p.overrides(t)
	found := false
	for _, o := range list {
		found = found || o.Region == "ap-south" && o.Kind == "drain"
	}
	if !found {
		t.Errorf("the drain from before the disk was full is lost: in force are %+v", list)
	}
	trail, err := client.Get[openapi.AuditPage](p.call(t).ListAudit(t.Context(), &openapi.ListAuditParams{From: 1, Limit: 1000}))
	if err != nil {
		t.Fatalf("read the trail: %v", err)
	}
	for _, e := range trail.Entries {
		if e.Kind == "force_up" {
			delete(acknowledged, e.Reason)
		}
	}
	if len(acknowledged) > 0 {
		t.Errorf("decisions that were acknowledged on the full disk are not in the trail: %v", acknowledged)
	}
	shops[0].open(t)
	restore(t, p.node)
	p.answers(t, www, time.Second, us)
}
