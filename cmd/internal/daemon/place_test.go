package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/lookup"
)

// place is where one node runs alone: a directory, and a loopback address of
// its own, so that the ports are always the same and nobody else's.
type place struct {
	*node
	dir  string
	host string
	// token signs in whoever looks; empty as long as there are none.
	token string
}

// hosts counts the addresses that were given away.
var hosts atomic.Uint32

// newHost returns a loopback address that neither another test nor another
// run of these tests uses.
func newHost() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 128+pid>>8&63, pid&255, hosts.Add(1))
}

const oneNode = `node:
  name: node-1
  region: us-east
  data_dir: data
  api: {listen: "HOST:8470"}
  dns: {listen: ["HOST:5470"]}
regions: {us-east: {}, eu-central: {}, ap-south: {}}
services:
  www:
    name: www.shop.example
    ttl: 1s
    check: {kind: http, port: 8080, path: /, interval: 500ms, timeout: 400ms, rise: 2, fall: 3}
    policy: {kind: failover, order: [us-east, eu-central, ap-south]}
    endpoints: {us-east: [127.12.0.1], eu-central: [127.22.0.1], ap-south: [127.32.0.1]}
zones: {shop.example: shop.zone}
`

const oneZone = `$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
`

// newPlace writes the configuration of a node that runs alone. Edits are
// pairs: what stands in it, and what shall stand there instead.
func newPlace(t *testing.T, edits ...string) *place {
	t.Helper()
	p := &place{dir: t.TempDir(), host: newHost()}
	p.node = &node{name: "node-1", region: "us-east", dns: p.host + ":5470", api: p.host + ":8470", config: filepath.Join(p.dir, "fairlead.yaml")}
	p.write(t, "shop.zone", oneZone)
	p.write(t, "fairlead.yaml", strings.ReplaceAll(edited(t, oneNode, edits...), "HOST", p.host))
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			log := p.said()
			t.Logf("---- log of the node on %s ----\n%s", p.host, log[max(0, len(log)-6000):])
		}
	})
	return p
}

func edited(t *testing.T, text string, edits ...string) string {
	t.Helper()
	for pair := range slices.Chunk(edits, 2) {
		if strings.Count(text, pair[0]) != 1 {
			t.Fatalf("the test means to replace %q, which stands there %d times", pair[0], strings.Count(text, pair[0]))
		}
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	return text
}

// write puts a file there as an editor does: whole or not at all.
func (p *place) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.WriteFile(path+"~", []byte(text), 0o600), os.Rename(path+"~", path)); err != nil {
		t.Fatal(err)
	}
}

func (p *place) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edit changes the configuration, which the node notices by itself.
func (p *place) edit(t *testing.T, edits ...string) {
	t.Helper()
	p.write(t, "fairlead.yaml", edited(t, p.read(t, "fairlead.yaml"), edits...))
}

// start starts the node, with more flags than the one for its configuration.
func (p *place) start(t *testing.T, flags ...string) {
	t.Helper()
	p.kill() // one that a failed test has left
	path, err := program()
	if err != nil {
		t.Fatalf("build the program: %v", err)
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(path, append([]string{"serve", "--config", p.config}, flags...)...)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p.command, p.ended = c, make(chan struct{})
	go func(ended chan struct{}) {
		c.Wait()
		close(ended)
	}(p.ended)
}

// run starts the node and waits until it decides and answers.
func (p *place) run(t *testing.T, flags ...string) {
	t.Helper()
	p.start(t, flags...)
	p.eventually(t, "it decides and answers", func() (bool, string) {
		st, err := p.look(t)
		return err == nil && st.Store.Reachable && st.Generation > 0 && len(st.Services) > 0, fmt.Sprint(err)
	})
}

// end stops the node as a service manager does.
func (p *place) end(t *testing.T) {
	t.Helper()
	p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(startLimit):
		t.Errorf("the node still runs %v after SIGTERM", startLimit)
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		t.Errorf("after SIGTERM the node ends with exit code %d, want 0", code)
	}
	p.command = nil
}

// said is the log of all runs so far.
func (p *place) said() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text)
}

// patience is for a busy machine, far above what is promised.
const patience = 30 * time.Second

// eventually waits until something is so.
func (p *place) eventually(t *testing.T, what string, so func() (bool, string)) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		yes, instead := so()
		if yes {
			return
		}
		if p.node != nil && p.command != nil {
			select {
			case <-p.ended:
				t.Fatalf("%s: the node has ended: %s", what, p.said())
			default:
			}
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v, but %s", what, patience, instead)
		}
	}
}

// as is a client that signs in with a token; empty signs in nobody.
func (p *place) as(t *testing.T, token string) *client.Client {
	t.Helper()
	c, err := client.New(client.Settings{Server: "http://" + p.api, Token: token, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call shadows the one of a node without tokens.
func (p *place) call(t *testing.T) *client.Client { t.Helper(); return p.as(t, p.token) }

// look asks the node how things stand.
func (p *place) look(t *testing.T) (openapi.Status, error) {
	return client.Get[openapi.Status](p.call(t).GetStatus(t.Context()))
}

func (p *place) status(t *testing.T) openapi.Status {
	t.Helper()
	st, err := p.look(t)
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return st
}

// alarm waits until an alarm about subject says all words.
func (p *place) alarm(t *testing.T, subject string, words ...string) {
	t.Helper()
	p.eventually(t, "an alarm about "+subject, func() (bool, string) {
		st, err := p.look(t)
		if err != nil {
			return false, err.Error()
		}
		for _, a := range st.Alarms {
			if strings.Contains(a.Subject, subject) && lacks(a.Sentence, words...) == "" && a.Remedy != "" {
				return true, ""
			}
		}
		return false, fmt.Sprintf("the alarms are %+v", st.Alarms)
	})
}

// calm waits until no alarm is about subject.
func (p *place) calm(t *testing.T, subject string) {
	t.Helper()
	p.eventually(t, "no alarm about "+subject, func() (bool, string) {
		st, err := p.look(t)
		if err != nil {
			return false, err.Error()
		}
		quiet := !slices.ContainsFunc(st.Alarms, func(a openapi.Alarm) bool { return strings.Contains(a.Subject, subject) })
		return quiet, fmt.Sprintf("the alarms are %+v", st.Alarms)
	})
}

// addresses waits until a name is answered so; TTL 0 means any.
func (p *place) answers(t *testing.T, name string, ttl time.Duration, want ...string) {
	t.Helper()
	p.eventually(t, fmt.Sprintf("%s answers %v", name, want), func() (bool, string) {
		a, err := p.lookup(t.Context(), name)
		var got []string
		for _, address := range a.Addresses {
			got = append(got, address.String())
		}
		slices.Sort(got)
		return err == nil && slices.Equal(got, want) && (ttl == 0 || a.TTL == ttl), fmt.Sprintf("it answers %v with TTL %v, %v", got, a.TTL, err)
	})
}

func (p *place) lookup(ctx context.Context, name string) (lookup.Answer, error) {
	return lookup.Resolver{Servers: []netip.AddrPort{netip.MustParseAddrPort(p.dns)}}.Lookup(ctx, name)
}

// shops opens the three regions' shops at addresses of this place's own, and
// returns the edit that makes the configuration name them.
func openShops(t *testing.T) (open []*shop, addresses []string, edit [2]string) {
	t.Helper()
	for range threeRegions {
		host := newHost()
		addresses = append(addresses, host)
		open = append(open, openShop(t, net.JoinHostPort(host, "8080")))
	}
	return open, addresses, [2]string{"us-east: [127.12.0.1], eu-central: [127.22.0.1], ap-south: [127.32.0.1]",
		fmt.Sprintf("us-east: [%s], eu-central: [%s], ap-south: [%s]", addresses[0], addresses[1], addresses[2])}
}

// outcome is what a person sees of a command that has ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// fairlead runs the program to its end.
func fairlead(t *testing.T, args ...string) outcome {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatalf("build the program: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = append(os.Environ(), "NO_COLOR=1")
	err = c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || ctx.Err() != nil {
		t.Fatalf("fairlead %s did not end by itself: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return outcome{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// traces are what nobody should ever see: Go's own words.
var traces = regexp.MustCompile(`panic:|goroutine \d+|runtime error|\.go:\d+|%!|<nil>|0x[0-9a-f]{8}`)

// sentence demands that a command has ended with that code and said one
// sentence on standard error, with all words in it. What a node has logged
// before does not count.
func (o outcome) sentence(t *testing.T, code int, words ...string) {
	t.Helper()
	var said []string
	for line := range strings.Lines(o.stderr) {
		if !strings.HasPrefix(line, "time=") {
			said = append(said, line)
		}
	}
	if o.code != code || len(said) != 1 || !strings.HasPrefix(said[0], "fairlead: ") || traces.MatchString(o.stderr) || traces.MatchString(o.stdout) {
		t.Errorf("exit code %d, want %d and one sentence; standard error:\n%sstandard output:\n%s", o.code, code, o.stderr, o.stdout)
		return
	}
	t.Log(strings.TrimSpace(said[0]))
	if missing := lacks(said[0], words...); missing != "" {
		t.Errorf("it does not say %q", missing)
	}
}

// lacks returns the first word that a text does not have.
func lacks(text string, words ...string) string {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return w
		}
	}
	return ""
}

// get reads a path of the API as any program would.
func (p *place) get(t *testing.T, path string) (code int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + p.api + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
