package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/lookup"
	"fairlead/cmd/internal/demo/world"
)

// narrator says what changes in the world, with the time, and otherwise keeps
// quiet.
type narrator struct {
	world   *world.World
	book    *ledger.Book
	command string

	mu  sync.Mutex
	out io.Writer
}

func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func (n *narrator) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { n.answers(ctx); return nil })
	g.Go(func() error { n.processes(ctx); return nil })
	g.Go(func() error { n.runs(ctx); return nil })
	g.Go(func() error { n.trade(ctx); return nil })
	return g.Wait()
}

// every calls f at an interval until ctx ends.
func every(ctx context.Context, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		f()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// answers says when people are sent elsewhere, as DNS tells an outsider.
func (n *narrator) answers(ctx context.Context) {
	type question struct {
		name   string
		who    string
		client netip.Prefix
	}
	var questions []question
	for _, p := range world.Places() {
		questions = append(questions, question{world.ReadsName, "people in " + p.Title + " are", p.Client})
	}
	questions = append(questions, question{world.WritesName, "everybody is", world.Places()[0].Client})
	last := map[question]string{}
	every(ctx, 200*time.Millisecond, func() {
		for _, q := range questions {
			answer, err := lookup.Resolver{Servers: n.world.DNS(), Client: q.client}.Lookup(ctx, q.name)
			if ctx.Err() != nil {
				return
			}
			now := "no answer"
			if err == nil {
				now = regionsOf(answer.Addresses)
			}
			if before, known := last[q]; known && before != now {
				n.say("%s: %s sent to %s (before: %s)", q.name, q.who, now, before)
			}
			last[q] = now
		}
	})
}

// regionsOf names the regions of addresses.
func regionsOf(addrs []netip.Addr) string {
	var names []string
	for _, a := range addrs {
		name := a.String()
		for _, p := range world.Places() {
			if p.Host == a {
				name = string(p.ID)
			}
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "nowhere"
	}
	return strings.Join(names, ", ")
}

// processes says when a shop or a node has died or come back.
func (n *narrator) processes(ctx context.Context) {
	alive := map[string]bool{}
	look := func(what string, lives bool, revive string) {
		if before, known := alive[what]; known && before != lives {
			if lives {
				n.say("%s runs again", what)
			} else {
				n.say("%s has been killed; to start it again type here: start %s", what, revive)
			}
		}
		alive[what] = lives
	}
	every(ctx, 100*time.Millisecond, func() {
		for _, p := range world.Places() {
			look("the shop in "+string(p.ID), n.world.ShopAlive(p.ID), string(p.ID))
		}
		for _, node := range n.world.Nodes {
			look(node.Name, node.Alive(), node.Name)
		}
		n.world.Orphans()
	})
}

// runs says where runs of runbooks stand, and how to approve one.
func (n *narrator) runs(ctx context.Context) {
	c, err := n.world.Client(n.world.Nodes[0], n.world.Grace)
	if err != nil {
		n.say("runs cannot be followed: %v", err)
		return
	}
	last := map[string]string{}
	for ctx.Err() == nil {
		// A node that is killed ends the stream; it is asked for again.
		err := c.Watch(ctx, []string{"execution"}, func(e client.Event) error {
			if e.Type != "execution" {
				return nil
			}
			var x openapi.ExecutionSummary
			if err := json.Unmarshal(e.Data, &x); err != nil {
				return fmt.Errorf("read an event about a run: %w", err)
			}
			if x.Sentence == last[x.Id] {
				return nil
			}
			last[x.Id] = x.Sentence
			n.say("%s: %s", x.Title, x.Sentence)
			if x.State == openapi.ExecutionAwaitingApproval {
				n.say(`  to approve it as grace: %s execution approve %s --reason "agreed" --yes %s`,
					n.command, x.Id, signedIn(n.world.Nodes[0], n.world.Grace))
			}
			return nil
		})
		if err != nil && !client.Unreachable(err) && ctx.Err() == nil {
			n.say("runs cannot be followed: %v", err)
			return
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// trade says now and then how business goes.
func (n *narrator) trade(ctx context.Context) {
	var last ledger.Counts
	first := true
	every(ctx, 30*time.Second, func() {
		now := n.book.Counts()
		if !first {
			n.say("the last 30 s: %d orders taken, %d refused, %d of unknown fate; %d pages served, %d not",
				now.Acknowledged-last.Acknowledged, now.Refused-last.Refused, now.Indeterminate-last.Indeterminate, now.Served-last.Served, now.Failed-last.Failed)
		}
		first, last = false, now
	})
}

// read obeys lines typed at the terminal.
func (n *narrator) read(ctx context.Context, in io.Reader) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && ctx.Err() == nil {
			reply, err := n.obey(ctx, line)
			if err != nil {
				reply = err.Error()
			}
			n.say("%s", reply)
		}
	}
}
