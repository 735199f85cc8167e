package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/api/client"
	"fairlead/api/openapi"
)

// hangUp asks the node to read its configuration again.
func (p *place) hangUp(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// configuration is what the API says of it.
func (p *place) configuration(t *testing.T) openapi.Config {
	t.Helper()
	c, err := client.Get[openapi.Config](p.call(t).GetConfig(t.Context()))
	if err != nil {
		t.Fatalf("config: %v", err)
	}
	return c
}

// refuses waits until the node says everywhere that it refused a
// configuration, and where in it the problem is.
func (p *place) refuses(t *testing.T, file string, line, column int, words ...string) {
	t.Helper()
	at := fmt.Sprintf("%s:%d:%d", filepath.Join(p.dir, file), line, column)
	p.alarm(t, "configuration", append(words, at, "the one before is in force")...)
	if st := p.status(t); st.Config.Ok || !strings.Contains(st.Config.Problem, at) {
		t.Errorf("status says of the configuration: ok %v, %q; want the problem at %s", st.Config.Ok, st.Config.Problem, at)
	}
	c := p.configuration(t)
	if c.Ok || len(c.Problems) != 1 || c.Problems[0].File != filepath.Join(p.dir, file) || c.Problems[0].Line != line || c.Problems[0].Column != column ||
		c.Problems[0].Remedy == "" || c.RefusedAt.IsZero() {
		t.Errorf("the API says of the configuration: %+v; want one problem at %s, with its remedy", c, at)
	}
	if missing := lacks(p.said(), "configuration refused, the one before stays in force", at); missing != "" {
		t.Errorf("the log does not say %q", missing)
	}
}

// accepts waits until the newest configuration is in force.
func (p *place) accepts(t *testing.T) {
	t.Helper()
	p.eventually(t, "the configuration is taken", func() (bool, string) {
		c := p.configuration(t)
		return c.Ok, fmt.Sprint(c.Problems)
	})
	p.calm(t, "configuration")
}

// TestAConfigurationIsTakenWholeOrNotAtAll walks one node through the life of
// its configuration. Each step begins where the one before ended.
func TestAConfigurationIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	shops, addresses, edit := openShops(t)
	us, eu := addresses[0], addresses[1]
	p := newPlace(t, edit[0], edit[1])
	const www = "www.shop.example"
	p.run(t)
	p.answers(t, www, time.Second, us)
	first := p.read(t, "fairlead.yaml")
	step := func(name string, f func(*testing.T)) {
		t.Helper()
		if !t.Run(name, f) {
			t.FailNow() // the next would fail for nothing else
		}
	}

	step("a changed file is read by itself", func(t *testing.T) {
		p.edit(t, "ttl: 1s", "ttl: 2s")
		p.answers(t, www, 2*time.Second, us)
	})
	step("SIGHUP reads a file that does not look changed", func(t *testing.T) {
		before, err := os.Stat(p.config)
		if err != nil {
			t.Fatal(err)
		}
		p.edit(t, "ttl: 2s", "ttl: 3s")
		if err := os.Chtimes(p.config, before.ModTime(), before.ModTime()); err != nil {
			t.Fatal(err)
		}
		p.hangUp(t)
		p.answers(t, www, 3*time.Second, us)
	})
	step("a bad one is refused as a whole", func(t *testing.T) {
		p.edit(t, "ttl: 3s", "ttl: 4s", "order: [us-east, eu-central, ap-south]", "order: [ap-south, eu-central, us-east, us-eastt]")
		p.hangUp(t)
		p.refuses(t, "fairlead.yaml", 13, 69, "us-eastt")
		p.answers(t, www, 3*time.Second, us)
		p.ready(t)
	})
	step("mending it heals", func(t *testing.T) {
		p.edit(t, "order: [ap-south, eu-central, us-east, us-eastt]", "order: [us-east, eu-central, ap-south]")
		p.accepts(t) // by itself
		p.answers(t, www, 4*time.Second, us)
	})
	step("what is not YAML is refused", func(t *testing.T) {
		sound := p.read(t, "fairlead.yaml")
		p.write(t, "fairlead.yaml", "regions: {us-east: {}, eu-central\n  ap-south\n"+sound)
		p.hangUp(t)
		p.alarm(t, "configuration", "fairlead.yaml:", "not YAML")
		p.write(t, "fairlead.yaml", sound)
		p.hangUp(t)
		p.accepts(t)
	})
	step("a file that is gone changes nothing", func(t *testing.T) {
		sound := p.read(t, "fairlead.yaml")
		remove(t, p.config)
		p.alarm(t, "configuration", "fairlead.yaml", "no such file")
		p.answers(t, www, 4*time.Second, us)
		p.write(t, "fairlead.yaml", sound)
		p.accepts(t)
	})
	step("an edited zone is served", func(t *testing.T) {
		p.write(t, "shop.zone", oneZone+"mail A 192.0.2.25\n")
		p.answers(t, "mail.shop.example", 0, "192.0.2.25") // by itself
	})
	step("a bad zone is refused and the one before served", func(t *testing.T) {
		p.write(t, "shop.zone", oneZone+"later A 192.0.2.26\nmail A 192.0.2.256\n")
		p.hangUp(t)
		p.refuses(t, "shop.zone", 6, 8, "192.0.2.256")
		p.answers(t, "mail.shop.example", 0, "192.0.2.25")
		p.answers(t, "later.shop.example", 0)
		p.write(t, "shop.zone", oneZone+"later A 192.0.2.26\n")
		p.hangUp(t)
		p.accepts(t)
		p.answers(t, "later.shop.example", 0, "192.0.2.26")
	})
	step("a zone may not claim a steered name", func(t *testing.T) {
		p.write(t, "shop.zone", oneZone+"www A 192.0.2.80\n")
		p.hangUp(t)
		p.refuses(t, "shop.zone", 5, 1, "service www")
		p.answers(t, www, 4*time.Second, us)
		p.write(t, "shop.zone", oneZone)
		p.hangUp(t)
		p.accepts(t)
	})
	beta := openShop(t, newHost()+":8080")
	step("an observed service is judged and not answered", func(t *testing.T) {
		host, _, _ := strings.Cut(beta.address, ":")
		p.write(t, "shop.zone", oneZone+"beta A 192.0.2.7\n")
		p.edit(t, "zones:", "  beta:\n    name: beta.shop.example\n    mode: observe\n"+
			"    check: {kind: http, port: 8080, path: /, interval: 500ms, timeout: 400ms, rise: 2, fall: 3}\n"+
			"    policy: {kind: failover, order: [eu-central]}\n    endpoints: {eu-central: ["+host+"]}\nzones:")
		p.hangUp(t)
		p.endpoint(t, "beta", "eu-central", openapi.StateUp)
		p.answers(t, "beta.shop.example", 0, "192.0.2.7")
		beta.die()
		p.endpoint(t, "beta", "eu-central", openapi.StateDown)
		p.answers(t, "beta.shop.example", 0, "192.0.2.7")
		beta.open(t)

		p.write(t, "shop.zone", oneZone)
		p.edit(t, "    mode: observe\n", "")
		p.hangUp(t)
		p.answers(t, "beta.shop.example", 0, host)
		p.write(t, "shop.zone", oneZone+"beta A 192.0.2.7\n")
		p.edit(t, "name: beta.shop.example\n", "name: beta.shop.example\n    mode: observe\n")
		p.hangUp(t)
		p.answers(t, "beta.shop.example", 0, "192.0.2.7")
	})
	step("another check of one service leaves the others' verdicts", func(t *testing.T) {
		shops[0].die()
		p.answers(t, www, 0, eu)
		before := p.endpoint(t, "www", "us-east", openapi.StateDown)
		p.edit(t, "rise: 2, fall: 3}\n    policy: {kind: failover, order: [eu-central]}", "rise: 3, fall: 4}\n    policy: {kind: failover, order: [eu-central]}")
		p.hangUp(t)
		p.eventually(t, "the other check is in force", func() (bool, string) {
			now := p.endpoint(t, "beta", "eu-central", "")
			a, err := p.lookup(t.Context(), www)
			if err != nil || len(a.Addresses) != 1 || a.Addresses[0].String() != eu {
				t.Fatalf("meanwhile %s answers %v, %v; want %s all the time", www, a.Addresses, err, eu)
			}
			return strings.Contains(now.Check, "4 failures to fall") && now.Effective == openapi.StateUp, fmt.Sprintf("%q, %s", now.Check, now.Effective)
		})
		if after := p.endpoint(t, "www", "us-east", openapi.StateDown); !after.Since.Equal(before.Since) {
			t.Errorf("www in us-east is down since %v, and was since %v before another service's check was changed", after.Since, before.Since)
		}
		shops[0].open(t)
		p.endpoint(t, "www", "us-east", openapi.StateUp)
		restore(t, p.node)
		p.answers(t, www, 0, us)
	})
	step("a runbook comes and goes", func(t *testing.T) {
		p.write(t, "own.yaml", ownRunbook)
		p.edit(t, "zones:", "runbooks: [own.yaml]\nzones:")
		p.hangUp(t)
		names := func() string {
			list, err := client.Get[openapi.RunbookList](p.call(t).ListRunbooks(t.Context()))
			all := fmt.Sprint(err)
			for _, rb := range list.Runbooks {
				all += " " + rb.Name
			}
			return all
		}
		p.eventually(t, "the runbook is there", func() (bool, string) {
			return lacks(names(), " own", " switchover") == "", names() + fmt.Sprint(p.configuration(t).Problems)
		})
		p.edit(t, "runbooks: [own.yaml]\n", "")
		p.hangUp(t)
		p.eventually(t, "the runbook is gone", func() (bool, string) { return lacks(names(), " own") != "", names() })
		if missing := lacks(names(), " switchover", " failover"); missing != "" {
			t.Errorf("with the own runbook %s went too: there are %s", missing, names())
		}
	})
	step("a region goes, though it is drained", func(t *testing.T) {
		drain(t, p.node, "ap-south")
		p.edit(t, ", ap-south: {}}", "}", "order: [us-east, eu-central, ap-south]", "order: [us-east, eu-central]", ", ap-south: ["+addresses[2]+"]", "")
		p.hangUp(t)
		p.eventually(t, "two regions are left", func() (bool, string) {
			st := p.status(t)
			return len(st.Regions) == 2, fmt.Sprint(st.Regions, st.Config.Problem)
		})
		p.answers(t, www, 0, us)
		list, err := client.Get[openapi.OverrideList](p.call(t).ListOverrides(t.Context()))
		if err != nil || len(list.Overrides) != 1 {
			t.Fatalf("overrides %+v, %v; want the drain, which no file may lift", list.Overrides, err)
		}
		fairlead(t, "override", "end", list.Overrides[0].Id, "--reason", "the region is gone", "--yes", "--server", "http://"+p.api)
		if list, err = client.Get[openapi.OverrideList](p.call(t).ListOverrides(t.Context())); err != nil || len(list.Overrides) != 0 {
			t.Errorf("after its end there are overrides %+v, %v; want none", list.Overrides, err)
		}
	})
	step("a restart with an old file brings nothing back", func(t *testing.T) {
		generation := p.status(t).Generation
		p.end(t)
		p.write(t, "fairlead.yaml", first)
		p.write(t, "shop.zone", oneZone)
		p.run(t)
		p.answers(t, www, 4*time.Second, us)
		p.alarm(t, "configuration", "is not the one in force")
		if now := p.status(t); now.Generation != generation || len(now.Regions) != 2 {
			t.Errorf("generation %d with %d regions, want %d with 2", now.Generation, len(now.Regions), generation)
		}
		p.hangUp(t) // now a person means it
		p.answers(t, www, time.Second, us)
		p.calm(t, "configuration")
	})
	step("tokens are taken with it, or refused with it", func(t *testing.T) {
		fairlead(t, "token", "create", "alice", "--role", "admin", "--into", filepath.Join(p.dir, "tokens.yaml"), "--out", filepath.Join(p.dir, "alice.token"))
		fairlead(t, "token", "create", "bob", "--role", "admin", "--into", filepath.Join(p.dir, "tokens.yaml"), "--out", filepath.Join(p.dir, "bob.token"))
		ask := func(who string) outcome {
			return fairlead(t, "whoami", "--server", "http://"+p.api, "--token-file", filepath.Join(p.dir, who+".token"))
		}
		two := p.read(t, "tokens.yaml")
		p.edit(t, p.host+`:8470"`, p.host+`:8470", tokens_file: tokens.yaml`)
		p.hangUp(t)
		p.eventually(t, "the tokens are good", func() (bool, string) { return ask("alice").code == 0 && ask("bob").code == 0, ask("alice").stderr })
		p.token = strings.TrimSpace(p.read(t, "alice.token"))

		p.write(t, "tokens.yaml", strings.Replace(two, "admin", "emperor", 1))
		p.alarm(t, "configuration", "tokens.yaml", "emperor") // by itself
		if ask("alice").code != 0 || ask("bob").code != 0 {
			t.Error("a tokens file that was refused locks people out")
		}
		p.write(t, "tokens.yaml", two[:strings.LastIndex(two, "- id")])
		p.accepts(t)
		ask("bob").sentence(t, 1, "sign-in", "revoked")
	})
	step("what needs a restart is said", func(t *testing.T) {
		p.edit(t, p.host+":5470", p.host+":5471", "ttl: 1s", "ttl: 2s")
		p.hangUp(t)
		p.answers(t, www, 2*time.Second, us)
		p.alarm(t, "configuration", "node.dns", "restart")
		p.edit(t, p.host+":5471", p.host+":5470")
		p.hangUp(t)
		p.calm(t, "configuration")
	})
}

const ownRunbook = `runbook: own
version: 1
title: Say hello
steps:
  - {id: hello, kind: command, title: Hello, with: {run: [/bin/true], verify: [/bin/true]}}
`

// endpoint waits until what is measured of a service in a region is so; an
// empty state is any.
func (p *place) endpoint(t *testing.T, service, region string, want openapi.State) (e openapi.Endpoint) {
	t.Helper()
	p.eventually(t, fmt.Sprintf("%s in %s is %s", service, region, want), func() (bool, string) {
		st := p.status(t)
		for _, s := range st.Services {
			for _, e = range s.Endpoints {
				if s.Id == service && e.Region == region {
					return want == "" || e.Measured == want, fmt.Sprintf("%s: %s", e.Measured, e.Because)
				}
			}
		}
		return false, "it is not there: " + st.Config.Problem
	})
	return e
}

// ready demands that a load balancer would keep the node.
func (p *place) ready(t *testing.T) {
	t.Helper()
	if code, body := p.get(t, "/readyz"); code != 200 {
		t.Errorf("/readyz says %d: %s", code, body)
	}
}
