package storetest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func recovers(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	now := time.Now()
	o, err := regions.NewForce("o1", regions.Scope{Region: "us-east"}, regions.Up, "ada", "why", now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutOverride(t.Context(), store.Lease{}, o, store.Safety{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(t.Context(), store.Lease{}, regions.Scope{Region: "eu-central"}, "ada", "well again"); err != nil {
		t.Fatal(err)
	}
	before := decided(t, s)
	order := store.Recovery{Nonce: "n1", From: 1, To: 2, Author: "alice", Why: "fire", Sentence: "signed by alice and bob", Order: json.RawMessage(`{"signed":true}`)}
	waiting := store.New(kv, store.Settings{Node: "control-1", Signer: signer{"control-1"}, Recovering: func() bool { return true }})
	_, err = waiting.Record(t.Context(), store.Entry{Principal: "ada", Act: "look", Sentence: "ada looks"})
	wants(t, "a decision before the new incarnation has begun", err, fault.Unavailable, "recovered")
	generation, err := waiting.Recover(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	after := decided(t, s)
	if after.Incarnation != 2 || after.Generation != generation || !after.Newer(before) || after.Cluster != before.Cluster || after.Cluster == "" {
		t.Errorf("incarnation %d at %d of %q, before %d at %d of %q; want the next one of the same cluster", after.Incarnation, after.Generation, after.Cluster, before.Incarnation, before.Generation, before.Cluster)
	}
	if len(after.Overrides) != 1 || after.Fleet == nil || after.FleetHash != before.FleetHash {
		t.Errorf("overrides %v, fleet %q; want both as before", after.Overrides, after.FleetHash)
	}
	for db, was := range before.Writers {
		is := after.Writers[db]
		stale := was.Epoch.Next("us-east").Next("us-east").Next("us-east") // whatever those left behind decide
		if is.Epoch.Writer != was.Epoch.Writer || is.Epoch.Incarnation != 2 || is.Epoch.Compare(stale) <= 0 || string(is.Signature) != string(is.Payload()) {
			t.Errorf("%s: epoch %v after %v; want the same writer, signed, and later than anything of incarnation 1", db, is.Epoch, was.Epoch)
		}
	}
	if len(after.Restored) > 0 {
		t.Errorf("restored %v: latches would be released by what was decided before", after.Restored)
	}
	if again, err := s.Recover(t.Context(), order); err != nil || decided(t, s).Incarnation != 2 {
		t.Errorf("the same order again: %d, %v, incarnation %d; want it done already", again, err, decided(t, s).Incarnation)
	}
	order.Nonce = "n2"
	order.From, order.To = 4, 5
	_, err = s.Recover(t.Context(), order)
	wants(t, "an order for another incarnation", err, fault.Conflict, "incarnation 5", "in 2")
	entries, _, err := s.Audit(t.Context(), -1, 1)
	if err != nil || entries[0].Act != "recover" || entries[0].Principal != "alice" || !strings.Contains(entries[0].Sentence, "alice and bob") || string(entries[0].Data) != `{"signed":true}` {
		t.Errorf("the record's last entry is %+v, %v", entries, err)
	}
	mustVerify(t, s)
}

func pastDecidesNothing(t *testing.T, kv store.KV) {
	known := uint64(1)
	s := store.New(kv, store.Settings{Node: "control-1", Signer: signer{"control-1"}, Superseded: func(incarnation uint64) error {
		if incarnation < known {
			return fault.Conflictf("store", "incarnation %d has begun", known).Do("join it")
		}
		return nil
	}})
	if _, err := s.Record(t.Context(), store.Entry{Principal: "ada", Act: "look", Sentence: "ada looks"}); err != nil {
		t.Fatal(err)
	}
	known = 2
	_, err := s.Record(t.Context(), store.Entry{Principal: "ada", Act: "look", Sentence: "ada looks"})
	wants(t, "deciding in a store of the past", err, fault.Conflict, "incarnation 2 has begun", "join it")
	if d := decided(t, s); d.Incarnation != 1 {
		t.Errorf("reading it gives incarnation %d", d.Incarnation)
	}
}

func entersGlass(t *testing.T, kv store.KV) {
	s := begun(t, kv)
	before := decided(t, s)
	b := &regions.BreakGlass{ID: "b-1", Incarnation: 1, Sequence: 4, By: []string{"alice", "bob"}, Why: "fire", Orders: []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us-east"}}}
	for range 2 { // by two nodes that carried it out
		if err := s.EnterGlass(t.Context(), b, json.RawMessage(`{"id":"b-1"}`)); err != nil {
			t.Fatal(err)
		}
	}
	entries, _, err := s.Audit(t.Context(), -1, 2)
	if err != nil || entries[1].Act != "break_glass" || entries[0].Act == "break_glass" || !strings.Contains(entries[1].Sentence, "alice and bob: drain us-east") {
		t.Errorf("the record ends with %+v, %v; want the bundle once", entries, err)
	}
	if d := decided(t, s); d.Generation != before.Generation {
		t.Errorf("entering it made generation %d of %d", d.Generation, before.Generation)
	}
	if _, err := s.EndGlass(t.Context(), b, "", "over"); err == nil {
		t.Error("ended by nobody")
	}
	generation, err := s.EndGlass(t.Context(), b, "ada", "over")
	if err != nil {
		t.Fatal(err)
	}
	d := decided(t, s)
	if d.Generation != generation || d.GlassEnd == nil || b.After(d.GlassEnd) != nil {
		t.Errorf("after the end: generation %d, %+v", d.Generation, d.GlassEnd)
	}
	if again, err := s.EndGlass(t.Context(), b, "ada", "over"); err != nil || again != generation {
		t.Errorf("ended again: %d, %v; want it done already", again, err)
	}
	mustVerify(t, s)
}
