package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/api/auth"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/recovery"
	"fairlead/cmd/internal/spread"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/regions/judge"
)

// half is a node of which only what decides is there: a store in memory, a
// judge that remembers, and no loops.
func half(t *testing.T, remembers map[regions.DatabaseID]regions.Epoch) (*Node, store.KV) {
	t.Helper()
	id, err := identity.Mint(t.TempDir(), identity.Request{Node: "node-1", Hosts: []string{"127.0.0.1"}, Roles: []identity.Role{identity.Control}})
	if err != nil {
		t.Fatal(err)
	}
	kv := memory.New()
	n := &Node{log: slog.New(slog.DiscardHandler), settings: config.Node{Name: "node-1", Region: "us-east", DataDir: t.TempDir(), Roles: []config.Role{config.Control}}, id: id,
		store:  store.New(kv, store.Settings{Node: "node-1", Signer: id}),
		unkept: make(chan *regions.Decided, 1), unequipped: make(chan *regions.Decided, 1)}
	if n.judge, err = judge.New(judge.Config{Node: "node-1", Region: "us-east", Log: n.log, Memory: judge.Memory{Writers: remembers}}); err != nil {
		t.Fatal(err)
	}
	fleet := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}}}
	if _, _, err := n.store.ApplyFleet(t.Context(), store.Lease{}, "alice", "why", fleet, "content"); err != nil {
		t.Fatal(err)
	}
	return n, kv
}

// A node that has heard of incarnation 2 by the feed, and has not got its state
// yet, takes nothing more of incarnation 1, whoever sends it.
func TestWhoHasHeardOfALaterIncarnationTakesNothingOfTheOneBefore(t *testing.T) {
	n, _ := half(t, map[regions.DatabaseID]regions.Epoch{regions.ClusterItself: {Incarnation: 2, Writer: "us-east"}})
	d, err := n.store.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.newest.Store(d)
	later := *d
	later.Generation++
	if err := n.accept(&later); !fault.Is(err, fault.Denied) || lacking(err, "of the past", "incarnation 2 has begun") != "" {
		t.Errorf("sent by a control node, generation %d of incarnation 1 = %v, want it refused as of the past", later.Generation, err)
	}
	if n.take(&later) || n.decided() != d {
		t.Error("told by this node's own store, it was taken")
	}
	begun := later
	begun.Incarnation, begun.Generation = 2, 1
	if err := n.accept(&begun); err != nil || n.decided() != &begun {
		t.Errorf("the state of incarnation 2 = %v, want it taken", err)
	}
}

// Where a control node says that it listens everywhere, a person is sent to
// where it is.
func TestPeopleAreSentToAnAddressThatExists(t *testing.T) {
	for says, want := range map[string]string{
		"http://[::]:8470":      "http://10.1.0.1:8470",
		"https://0.0.0.0:8470":  "https://10.1.0.1:8470",
		"http://192.0.2.7:8470": "http://192.0.2.7:8470",
		"nonsense":              "nonsense",
	} {
		if got := reachable(says, spread.Peer{Node: "node-1", Address: "10.1.0.1:8471"}); got != want {
			t.Errorf("%s: people are sent to %s, want %s", says, got, want)
		}
	}
}

// lacking returns the first of the words that an error does not say.
func lacking(err error, words ...string) string {
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			return w
		}
	}
	return ""
}

// On a node without the control role a person is told what to do, and what that
// is can be done: the control nodes would send them back where nothing rules.
func TestWhatRulesOnANodeWithoutAStoreIsEndedElsewhere(t *testing.T) {
	n, _ := half(t, nil)
	d, err := n.store.Decided(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.newest.Store(d)
	n.settings.Roles, n.following = []config.Role{config.DNS}, &spread.Client{}
	n.store = store.New(elsewhere{n}, store.Settings{Node: "node-1"})
	n.glass.kept.Rules = &regions.BreakGlass{ID: "b-1", Incarnation: 1, Sequence: 1, By: []string{"alice"}, Orders: []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us-east"}}}
	_, err = acts{n}.EndGlass(auth.With(t.Context(), auth.Principal{Name: "ada"}), "over")
	if missing := lacking(err, "node-1", "on a control node", "the same bundle", "a later bundle without orders"); missing != "" {
		t.Errorf("%v does not say %q", err, missing)
	}
}

// One byte of what was ordered past the store could drain another region: it is
// believed whole or not at all, and the damage is told.
func TestBreakGlassStateIsBelievedWholeOrNotAtAll(t *testing.T) {
	n, _ := half(t, nil)
	if err := n.openGlass(); err != nil {
		t.Fatal(err)
	}
	drain := &regions.BreakGlass{ID: "b-1", Incarnation: 1, Sequence: 1, By: []string{"alice"}, Orders: []regions.GlassOrder{{Act: regions.GlassDrain, Region: "us-east"}}}
	if err := n.glass.keep(glassKept{Seen: recovery.Seen{Incarnation: 1, Sequence: 1, ID: "b-1"}, Rules: drain}); err != nil {
		t.Fatal(err)
	}
	n.glass.kept = glassKept{}
	if err := n.openGlass(); err != nil || n.glass.rules().After(nil) == nil || n.glass.trouble() != "" {
		t.Fatalf("read again, whole: %v, %+v, %q", err, n.glass.rules(), n.glass.trouble())
	}
	text, err := os.ReadFile(n.glass.path)
	if err != nil || CheckGlass(text) != nil {
		t.Fatalf("%v, %v", err, CheckGlass(text))
	}
	bad := bytes.Replace(text, []byte("us-east"), []byte("us-eAst"), 1)
	put(t, n.glass.path, string(bad))
	n.glass.kept = glassKept{}
	if err := n.openGlass(); err != nil || n.glass.rules() != nil || !strings.Contains(n.glass.trouble(), "checksum") {
		t.Errorf("with one byte changed: %v, rules %+v, told %q; want nothing believed, and the damage told", err, n.glass.rules(), n.glass.trouble())
	}
}

// Who copies a bundle over a slow line has not handed in half of one.
func TestABundleThatIsStillBeingCopiedIsLeftAlone(t *testing.T) {
	n, _ := half(t, nil)
	path := filepath.Join(n.settings.DataDir, glassDrop, "a.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path, "{")
	n.dropped()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("right after it was written to: %v, want it left alone", err)
	}
	for _, at := range []time.Time{time.Now().Add(-time.Minute), time.Now().Add(time.Hour)} {
		put(t, path, "{")
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		n.dropped()
		if _, err := os.Stat(path); err == nil {
			t.Errorf("last written at %v, and it lies there still", at)
		}
	}
}

// A backup whose audit trail does not fit together displaces none that did, and
// a disk does not fill with them.
func TestABackupThatDoesNotVerifyIsPutAside(t *testing.T) {
	n, kv := half(t, nil)
	page, err := kv.Range(t.Context(), store.Query{Span: store.Prefix("chain/"), Limit: 1})
	if err != nil || len(page.Pairs) != 1 {
		t.Fatalf("the first entry = %v, %v", page.Pairs, err)
	}
	p := page.Pairs[0]
	p.Value = bytes.Replace(p.Value, []byte("system"), []byte("mallory"), 1)
	if _, err := kv.Commit(t.Context(), store.Txn{Put: []store.Pair{p}}); err != nil {
		t.Fatal(err)
	}
	set := config.Backup{Dir: t.TempDir(), Every: time.Hour, Keep: 2}
	for range 2 {
		_, err := n.takeBackup(t.Context(), set)
		if missing := lacking(err, "unverified", "entry"); missing != "" {
			t.Fatalf("a backup of a broken trail = %v, want it refused with %q", err, missing)
		}
	}
	files, err := os.ReadDir(set.Dir)
	if err != nil || len(files) != 1 || len(backupsOf(set.Dir, "node-1")) != 0 {
		t.Errorf("left behind: %v, %v; want one file that counts as no backup", files, err)
	}
}

// An order that does not fit the store keeps it from deciding, and a person is
// told why and what to do.
func TestAnOrderThatDoesNotFitTheStoreIsAnAlarm(t *testing.T) {
	n, _ := half(t, nil)
	n.recovering = &recovering{order: &recovery.Order{Nonce: "n1", Incarnation: 4, Next: 5, Author: "alice", Reason: "fire"}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); n.carryOut(ctx) }()
	for began := time.Now(); n.recovering.trouble() == nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("nothing is said of it within a minute")
		}
	}
	cancel()
	<-ended
	if text := n.recovering.trouble().text; !strings.Contains(text, "this store is in 1") || !n.recovering.pending() {
		t.Errorf("%q, pending %v; want why, and that nothing is decided", text, n.recovering.pending())
	}
	if left, err := filepath.Glob(filepath.Join(n.settings.DataDir, recovery.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("the order was put aside: %v, %v", left, err)
	}
}
