package daemon_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

// TestSecretsAreNowhereTheyNeedNotBe lets a node use every secret there is,
// and then looks for them wherever it writes or answers.
func TestSecretsAreNowhereTheyNeedNotBe(t *testing.T) {
	t.Parallel()
	const password = "correct-horse-battery-staple"
	us, eu := newHost(), newHost()
	server := openSuspicious(t, us+":5432")
	openSuspicious(t, eu+":5432")
	etcd := startEtcd(t)
	p := newPlace(t, withDatabase(us, eu)...)
	p.edit(t, p.host+`:8470"`, p.host+`:8470", tokens_file: tokens.yaml`, "  data_dir: data\n", fmt.Sprintf("  data_dir: data\n  store: {etcd: [%q]}\n", etcd.url))
	p.write(t, "orders.pass", password+"\n")
	fairlead(t, "token", "create", "alice", "--role", "admin", "--into", filepath.Join(p.dir, "tokens.yaml"), "--out", filepath.Join(p.dir, "alice.token"))
	p.token = strings.TrimSpace(p.read(t, "alice.token"))
	p.run(t, "--log-level", "debug")

	// Use them all.
	p.eventually(t, "the database was told the password", func() (bool, string) { return server.was(password), fmt.Sprint(server.heard) })
	made, err := client.Get[openapi.TokenCreated](p.call(t).CreateToken(t.Context(), openapi.TokenRequest{Name: "carol", Roles: []openapi.Role{"admin"}}))
	if err != nil {
		t.Fatalf("create a token: %v", err)
	}
	secrets := map[string]string{"the password": password}
	for name, token := range map[string]string{"alice's token": p.token, "carol's token": made.Token} {
		_, secret, _ := strings.Cut(token, ".")
		secrets[name] = secret
		session, err := p.as(t, "").CreateSession(t.Context(), openapi.SessionRequest{Token: token})
		if err != nil || len(session.Cookies()) != 1 {
			t.Fatalf("sign in with %s: %v %v", name, session, err)
		}
		session.Body.Close()
		secrets["the session of "+name] = session.Cookies()[0].Value
	}
	carol := p.as(t, made.Token)
	said := map[string]string{}
	keep := func(what string) func(*http.Response, error) {
		return func(resp *http.Response, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			said[what] = fmt.Sprint(resp.Status, resp.Header, string(body))
		}
	}
	keep("drain")(carol.DrainRegion(t.Context(), "us-east", openapi.DrainRequest{Reason: "test"}))
	keep("restore")(carol.RestoreRegion(t.Context(), "us-east", openapi.RestoreRequest{Reason: "test"}))
	keep("preview")(carol.PreviewExecution(t.Context(), openapi.PreviewRequest{Runbook: "switchover", Database: "orders", To: "eu-central"}))
	keep("refused run")(carol.StartExecution(t.Context(), &openapi.StartExecutionParams{}, openapi.ExecutionRequest{Runbook: "switchover", Database: "orders", To: "eu-central", Reason: "test"}))
	keep("a token that is almost right")(p.as(t, made.Token+"x").GetStatus(t.Context()))
	keep("a session of a token that is almost right")(p.as(t, "").CreateSession(t.Context(), openapi.SessionRequest{Token: made.Token + "x"}))
	keep("a configuration with a password")(carol.CheckConfig(t.Context(), openapi.CheckRequest{Text: "databases: {x: {writer: a, members: {a: {dsn: \"host=b password=" + password + "\"}}}}"}))
	keep("a configuration with a password where none belongs")(carol.CheckConfig(t.Context(), openapi.CheckRequest{Text: "databases: {x: {password: " + password + ", members: {a: {password: [" + password + "]}}}}"}))
	p.edit(t, "user=canary dbname=shop sslmode=disable connect_timeout=2\", password_file: orders.pass, agent: \""+us, "user=canary password="+password+"\", agent: \""+us)
	p.hangUp(t)
	p.alarm(t, "configuration", "secret", "password_file")
	checked := fairlead(t, "check", p.config)
	said["check"] = checked.stdout + checked.stderr

	// Look everywhere.
	for _, path := range everyGet(t, p) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.api+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.token)
		resp, err := http.DefaultClient.Do(r)
		keep("GET "+path)(resp, err)
	}
	said["events"] = events(t, p)
	for key, value := range etcd.everything(t) {
		said["store "+key] = value
	}
	p.end(t)
	said["log"] = p.said()
	for name, text := range p.files(t) {
		if strings.HasPrefix(name, "data/") {
			said[name] = text
		}
	}
	canaries := map[string]bool{}
	for where, text := range said {
		for _, layer := range unpacked([]byte(text)) {
			for what, secret := range secrets {
				if bytes.Contains(layer, []byte(secret)) {
					t.Errorf("%s stands in: %s", what, where)
				}
			}
			if bytes.Contains(layer, []byte("user=canary")) {
				kind, _, _ := strings.Cut(where, "/0")
				kind, _, _ = strings.Cut(kind, " ")
				canaries[kind] = true
			}
		}
	}
	// What is no secret is found in all these places, so the search sees
	// through whatever they are packed in.
	for _, where := range []string{"store", "data/decided", "data/history"} {
		if !canaries[where] {
			t.Errorf("the search does not even find the user's name in %s, only in %v", where, slices.Sorted(maps.Keys(canaries)))
		}
	}
	t.Logf("looked for %d secrets in %d places", len(secrets), len(said))
}

// everyGet returns the paths of all that can be read.
func everyGet(t *testing.T, p *place) (paths []string) {
	t.Helper()
	doc, err := client.Get[struct{ Paths map[string]map[string]any }](p.call(t).GetOpenapi(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		if _, read := operations["get"]; !read || strings.HasSuffix(path, "/events") {
			continue
		}
		path = strings.NewReplacer("{name}", "switchover", "{id}", "x-none").Replace(path)
		if strings.HasSuffix(path, "/explain") {
			path += "?name=www.shop.example&type=A"
		}
		paths = append(paths, path)
	}
	if len(paths) < 15 {
		t.Fatalf("there are only %d paths to read: %v", len(paths), paths)
	}
	return append(paths, "/metrics", "/livez", "/readyz", "/", "/debug/pprof/", "/debug/vars")
}

// events is what the live stream says within two seconds.
func events(t *testing.T, p *place) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+p.api+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("events: %v", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body) // until the time is over
	if !bytes.Contains(text, []byte("data:")) {
		t.Errorf("the stream of events says only %q", text)
	}
	return string(text)
}

// everything is all that an etcd holds.
func (e *externalEtcd) everything(t *testing.T) map[string]string {
	t.Helper()
	c := e.client(t)
	defer c.Close()
	got, err := c.Get(t.Context(), "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, kv := range got.Kvs {
		all[string(kv.Key)] = string(kv.Value)
	}
	return all
}

func (e *externalEtcd) put(t *testing.T, key, value string) {
	t.Helper()
	c := e.client(t)
	defer c.Close()
	if _, err := c.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func (e *externalEtcd) client(t *testing.T) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{e.url}, DialTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// unpacked returns a text and all that is compressed or encoded in it.
func unpacked(text []byte) [][]byte {
	all := [][]byte{text}
	for at := 0; at < len(text); at++ {
		if bytes.HasPrefix(text[at:], []byte{0x1F, 0x8B, 8}) {
			if z, err := gzip.NewReader(bytes.NewReader(text[at:])); err == nil {
				z.Multistream(false)
				inner, _ := io.ReadAll(z) // as far as it goes
				all = append(all, inner)
			}
		}
	}
	for _, word := range bytes.FieldsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", r)
	}) {
		if inner, err := base64.RawStdEncoding.DecodeString(string(word)); err == nil && len(inner) >= 16 {
			all = append(all, unpacked(inner)...)
		}
	}
	return all
}
