// Package story plays the demo by itself and measures it from outside.
//
// It does what a bad week does to a company: a region's shops die, the writer
// is moved for maintenance, Fairlead itself is killed half-way through a move,
// the primary's machine loses power, and in the end Fairlead's own store is
// lost. People act through the API, each with a token of their own; failures
// come as SIGKILL.
//
// The surprising choice: nothing here asks Fairlead how well it did. Times come
// from a DNS poller, from clients' own logs and from PostgreSQL; a run's record
// is read for the names of its steps, its receipt and its journal only, and
// what it claims is then held against what the clients saw.
package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/cmd/internal/demo/crowd"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/observe"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/world"
	"fairlead/cmd/internal/version"
	"fairlead/providers/postgres/pair"
	"fairlead/regions"
)

// What the world's configuration says; the figures are held against it.
const (
	readsTTL      = 2 * time.Second
	writesTTL     = time.Second
	checkInterval = 500 * time.Millisecond
	// moveBound is the longest that an answer may go on naming a dead region:
	// three checks at 500 ms, and what it takes to notice the third.
	moveBound = 1800 * time.Millisecond
	stretch   = 5 * time.Second // of the shoppers who stretch TTLs
)

// Play builds the worlds, plays the story and returns the report, also when
// something ended it early; then the report says what. The error says what
// kept the story from being told or which promises were broken.
func Play(ctx context.Context, program string, keep bool, out io.Writer) (*report.Report, error) {
	r := report.New(time.Now(), version.Version, runtime.NumCPU())
	say := teller(out, r.Began)
	err := play(ctx, world.Options{Program: program, Keep: keep, Progress: say}, r)
	if err != nil {
		r.Problem = err.Error()
	}
	r.Close(time.Now())
	if n := len(r.Broken()); err == nil && n > 0 {
		err = fmt.Errorf("%d promises were broken, the first: %s: %s (%s)", n, r.Broken()[0].Phase, r.Broken()[0].Says, r.Broken()[0].Figure)
	}
	return r, err
}

// teller prints lines with the seconds since the beginning.
func teller(out io.Writer, began time.Time) func(string, ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(out, "%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
}

func play(ctx context.Context, o world.Options, r *report.Report) error {
	o.Nodes = 1
	if err := inWorld(ctx, o, r, quiet, func(ctx context.Context, s *stage) error {
		for _, phase := range []struct {
			name string
			play func(context.Context) error
		}{{"kill", s.kill}, {"switchover", s.switchover}, {"crash", s.crash}, {"failover", s.failover}} {
			if err := phase.play(ctx); err != nil {
				return fmt.Errorf("%s: %w", phase.name, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	o.Nodes = 3
	return inWorld(ctx, o, r, nil, func(ctx context.Context, s *stage) error {
		if err := s.storeLost(ctx); err != nil {
			return fmt.Errorf("store lost: %w", err)
		}
		return nil
	})
}

// quiet measures what needs a machine that does nothing else.
func quiet(ctx context.Context, s *stage) error { return s.barePromotion(ctx) }

// stage is a world with its crowd and its observers.
type stage struct {
	*world.World
	report *report.Report
	say    func(string, ...any)

	shoppers  *ledger.Book // the crowd
	sentinels *ledger.Book // honest clients that order often enough to time a gap
	direct    *ledger.Book // a client that tries both servers
	answers   *ledger.Book // what DNS says

	ada, grace *actor
}

// inWorld builds a world, opens it to the crowd, plays and closes it.
func inWorld(ctx context.Context, o world.Options, r *report.Report, before, act func(context.Context, *stage) error) (err error) {
	w, err := world.Build(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	s := &stage{World: w, report: r, say: o.Progress,
		shoppers: &ledger.Book{}, sentinels: &ledger.Book{}, direct: &ledger.Book{}, answers: &ledger.Book{}}
	if s.ada, err = newActor(w, w.Nodes[0], w.Ada); err != nil {
		return err
	}
	if s.grace, err = newActor(w, w.Nodes[0], w.Grace); err != nil {
		return err
	}
	if before != nil {
		if err := before(ctx, s); err != nil {
			return err
		}
	}
	return s.withCrowd(ctx, act)
}

// withCrowd lets the crowd and the direct writer run while act does.
func (s *stage) withCrowd(ctx context.Context, act func(context.Context, *stage) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	crowds, err := s.crowds()
	if err != nil {
		return err
	}
	direct, err := s.directWriter()
	if err != nil {
		return err
	}
	g, running := errgroup.WithContext(ctx)
	for _, c := range crowds {
		g.Go(func() error { return c.Run(running) })
	}
	g.Go(func() error { return direct.Run(running) })
	g.Go(func() error { return s.bury(running) })
	err = act(running, s)
	cancel()
	return errors.Join(err, g.Wait())
}

// bury tidies up after servers that died and whose parent had gone.
func (s *stage) bury(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.World.Orphans()
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *stage) crowds() ([]*crowd.Crowd, error) {
	var origins []crowd.Origin
	for _, p := range world.Places() {
		origins = append(origins, crowd.Origin{Region: string(p.ID), Client: p.Client})
	}
	shoppers, err := crowd.New(crowd.Config{Servers: s.DNS(), ReadsName: world.ReadsName, WritesName: world.WritesName, Port: s.ShopPort,
		Origins: origins, Shoppers: 60, Orders: 60, Visits: 120, Stretch: stretch, Book: s.shoppers})
	if err != nil {
		return nil, err
	}
	sentinels, err := crowd.New(crowd.Config{Servers: s.DNS(), WritesName: world.WritesName, Port: s.ShopPort,
		Origins: origins, Habits: []ledger.Habit{ledger.Honest}, Shoppers: 6, Orders: 150, Book: s.sentinels, Label: "sentinel"})
	if err != nil {
		return nil, err
	}
	return []*crowd.Crowd{shoppers, sentinels}, nil
}

func (s *stage) directWriter() (observe.Direct, error) {
	d := observe.Direct{Name: "direct", Interval: 10 * time.Millisecond, Book: s.direct}
	for _, server := range s.Pair.Servers() {
		dsn, err := server.AppDSN()
		if err != nil {
			return d, err
		}
		d.Servers = append(d.Servers, dsn)
	}
	return d, nil
}

// watchAnswers polls the name that is read, for every people's network, until
// the returned function is called.
func (s *stage) watchAnswers(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	p := observe.Poller{Servers: s.DNS(), Name: world.ReadsName, Interval: 10 * time.Millisecond, Book: s.answers}
	for _, place := range world.Places() {
		p.Clients = append(p.Clients, place.Client)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx) // ends with its context and has no other way to fail
	}()
	return func() { cancel(); <-done }
}

// orders gathers what every client wrote down since from.
func (s *stage) orders(from time.Time) []ledger.Order {
	all := s.shoppers.Orders(from)
	all = append(all, s.sentinels.Orders(from)...)
	return append(all, s.direct.Orders(from)...)
}

// server is an outsider's view of the database server in a region.
func (s *stage) server(region regions.ID) observe.Server {
	return observe.Server{DSN: s.Pair.Server(region).SuperDSN()}
}

func (s *stage) logs() []string {
	var all []string
	for _, server := range s.Pair.Servers() {
		all = append(all, server.LogFile())
	}
	return all
}

// barePromotion measures the floor under every gap, on standbys of its own.
func (s *stage) barePromotion(ctx context.Context) error {
	s.say("measuring a bare pg_promote on scratch servers, for comparison")
	var times []time.Duration
	for i := range 3 {
		took, err := s.scratchPromotion(ctx, fmt.Sprintf("scratch-%d", i+1))
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	s.report.Switchover.RawPromoteMS = report.MS(median(times))
	return nil
}

func (s *stage) scratchPromotion(ctx context.Context, name string) (took time.Duration, err error) {
	dir, err := s.SubDir(name)
	if err != nil {
		return 0, err
	}
	hosts := [2]netip.Addr{world.Places()[0].Host, world.Places()[1].Host}
	p, err := s.Template.Create(ctx, dir, pair.Place{Region: world.USEast, Host: hosts[0].String()}, pair.Place{Region: world.EUCentral, Host: hosts[1].String()})
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, server := range p.Servers() {
			err = errors.Join(err, server.Stop(ctx))
		}
		err = errors.Join(err, p.Close())
	}()
	return observe.BarePromote(ctx, p.Standby.SuperDSN())
}
