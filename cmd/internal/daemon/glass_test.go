package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGlassIsBrokenWithoutAStoreAndEndedInWriting: while nothing can be
// decided, a node obeys what people have signed, once, over a restart, and
// until somebody ends it in the store, whose record then names the signers.
func TestGlassIsBrokenWithoutAStoreAndEndedInWriting(t *testing.T) {
	t.Parallel()
	etcd := startEtcd(t)
	_, shops, edit := openShops(t)
	us, eu, ap := shops[0], shops[1], shops[2]
	keys := t.TempDir()
	p := newPlace(t, edit[0], edit[1], `  dns: {listen: ["HOST:5470"]}`,
		fmt.Sprintf("  dns: {listen: [\"HOST:5470\"]}\n  store: {etcd: [%q]}", etcd.url), `api: {listen: "HOST:8470"}`, `api: {listen: "HOST:8470", tokens_file: tokens.yaml}`,
		"zones:", people(t, keys, "alice", "bob", "carol")+"zones:")
	token := filepath.Join(p.dir, "ada.token")
	p.write(t, "tokens.yaml", "")
	if o := fairlead(t, "token", "create", "ada", "--role", "admin", "--into", filepath.Join(p.dir, "tokens.yaml"), "--out", token); o.code != 0 {
		t.Fatal(o.stderr)
	}
	p.token = strings.TrimSpace(p.read(t, "ada.token"))
	p.run(t)
	p.answers(t, "www.shop.example", 0, us)
	ask := func(args ...string) outcome {
		t.Helper()
		return fairlead(t, append(args, "--server", "http://"+p.api, "--token-file", token)...)
	}
	do := func(args ...string) string {
		t.Helper()
		o := ask(args...)
		if o.code != 0 {
			t.Fatalf("fairlead %s: exit code %d: %s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
		}
		return o.stdout
	}
	bundle := func(name string, signers []string, args ...string) string {
		t.Helper()
		file := filepath.Join(keys, name)
		do(append([]string{"bundle", "make", "--author", "alice", "--reason", "us-east serves old prices", "--out", file}, args...)...)
		for _, who := range signers {
			do("bundle", "sign", file, "--key-file", filepath.Join(keys, who+".key"), "--yes")
		}
		return file
	}
	refused := func(file string, words ...string) {
		t.Helper()
		if o := ask("bundle", "apply", file, "--yes"); o.code != 1 || lacks(o.stderr, words...) != "" {
			t.Errorf("bundle apply %s: exit code %d, %q; want it refused with %q", filepath.Base(file), o.code, o.stderr, words)
		}
	}

	more := people(t, keys, "dan")
	p.edit(t, "  threshold: 2\n  keys:\n", "  threshold: 2\n  keys:\n"+more[strings.Index(more, "    dan"):])
	p.alarm(t, "recovery", "recovery keys change", "dan")
	if said := do("audit", "list"); lacks(said, "recovery keys change: before, 2 of alice, bob, carol") != "" {
		t.Errorf("the record does not say that the keys were changed: %s", said)
	}

	etcd.stop(t)
	p.alarm(t, "store", "nothing can be decided")
	refused(bundle("unsigned", nil, "--order", "drain us-east"), "1 people must sign", "nobody has")
	if o := fairlead(t, "recovery", "keygen", "mallory", "--out", filepath.Join(keys, "mallory.key")); o.code != 0 {
		t.Fatal(o.stderr)
	}
	refused(bundle("stranger", []string{"mallory"}, "--order", "drain us-east"), "mallory", "no recovery key")
	refused(bundle("nowhere", []string{"alice"}, "--order", "drain mars"), "mars", "none of that name")
	refused(bundle("elsewhere", []string{"alice"}, "--order", "drain us-east", "--cluster", "another"), "another cluster")
	refused(bundle("later", []string{"alice"}, "--order", "drain us-east", "--incarnation", "7"), "incarnation 7", "seen incarnation 1")

	first := bundle("first", []string{"alice"}, "--order", "drain us-east")
	do("bundle", "apply", first, "--yes")
	p.answers(t, "www.shop.example", 0, eu)
	p.alarm(t, "break-glass", "drain us-east", "signed by alice", "us-east serves old prices")
	if said := do("explain", "www.shop.example"); lacks(said, "break-glass bundle", "signed by alice") != "" {
		t.Errorf("explain does not say who ordered it: %s", said)
	}
	refused(first, "taken here already")

	t.Run("a restart forgets neither what rules nor that it was taken", func(t *testing.T) {
		p.end(t)
		p.start(t)
		p.answers(t, "www.shop.example", 0, eu)
		refused(first, "taken here already")
	})
	t.Run("a damaged memory of it keeps no node down, and is told", func(t *testing.T) {
		p.end(t)
		whole := p.read(t, filepath.Join("data", "break-glass.json"))
		p.write(t, filepath.Join("data", "break-glass.json"), whole[:len(whole)/2])
		p.start(t)
		p.alarm(t, "node-1", "break-glass.json was damaged", "forgotten")
		p.end(t)
		p.write(t, filepath.Join("data", "break-glass.json"), whole)
		p.start(t)
		p.answers(t, "www.shop.example", 0, eu)
	})
	t.Run("a file is taken where there is no API", func(t *testing.T) {
		second := bundle("second", []string{"bob"}, "--order", "drain us-east", "--order", "force-down eu-central")
		text, err := os.ReadFile(second)
		if err != nil {
			t.Fatal(err)
		}
		drop := filepath.Join(p.dir, "data", "bundles")
		if err := os.MkdirAll(drop, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string]string{"a": string(text), "half": string(text[:len(text)/2])} {
			p.write(t, filepath.Join("data", "bundles", name+".json"), content)
		}
		p.answers(t, "www.shop.example", 0, ap)
		for name, want := range map[string]string{"a": "carried out", "half": "refused: break-glass bundle"} {
			p.eventually(t, "what became of "+name+" stands beside it", func() (bool, string) {
				got, err := os.ReadFile(filepath.Join(drop, name+".answer"))
				return strings.HasPrefix(string(got), want), fmt.Sprintf("%q, %v", got, err)
			})
		}
		refused(first, "has sequence 1", "has taken sequence 2")
	})
	t.Run("the store comes back, the record names who signed, and a person ends it", func(t *testing.T) {
		etcd.again(t)
		p.eventually(t, "both bundles stand in the record", func() (bool, string) {
			o := ask("audit", "list")
			return lacks(o.stdout, "by the signatures of alice: drain us-east", "by the signatures of bob: drain us-east, force-down eu-central") == "", o.stdout + o.stderr
		})
		if n := strings.Count(do("audit", "list"), "past the store"); n != 2 {
			t.Errorf("the record has %d entries of two bundles", n)
		}
		p.answers(t, "www.shop.example", 0, ap) // that it stands in the record ends nothing
		do("bundle", "end", "--reason", "prices are right again")
		p.answers(t, "www.shop.example", 0, us)
		refused(first, "has sequence 1")
		if said := do("bundle", "status"); lacks(said, "Nothing rules", "--sequence 3") != "" {
			t.Errorf("status: %s", said)
		}
		do("audit", "verify")
		if o := ask("bundle", "end", "--reason", "again"); o.code != 1 || lacks(o.stderr, "nothing rules past the store") != "" {
			t.Errorf("ended twice: %d %s", o.code, o.stderr)
		}
	})
}
