package daemon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fairlead/api"
	"fairlead/api/auth"
	"fairlead/api/console"
	"fairlead/cmd/internal/alpn"
	"fairlead/cmd/internal/backup"
	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/history"
	"fairlead/cmd/internal/identity"
	"fairlead/cmd/internal/replica"
	"fairlead/cmd/internal/spread"
	"fairlead/cmd/internal/store"
	"fairlead/dns"
	"fairlead/dns/publish"
	"fairlead/dns/server"
	"fairlead/providers"
	"fairlead/providers/command"
	"fairlead/providers/postgres"
	"fairlead/regions"
	"fairlead/regions/feed"
	"fairlead/regions/judge"
	"fairlead/regions/probe"
	"fairlead/runbooks/steps"
)

// Options are what the command line says; what is empty is as the
// configuration has it.
type Options struct {
	Config  string
	DataDir string
	Name    string
	Etcd    []string
	Roles   []string
	Log     *slog.Logger
}

// Node is one running Fairlead.
type Node struct {
	log      *slog.Logger
	source   *source
	settings config.Node
	boot     uint64
	began    time.Time
	hup      chan os.Signal

	id      *identity.Identity
	db      *etcd.DB // nil without the control role
	store   *store.Store
	replica *replica.Replica
	history *history.History

	recorder recorder

	recovering *recovering   // nil unless an order is to be carried out
	followed   atomic.Uint64 // the incarnation of the store that this node follows; 0 if none was seen
	ownEpoch   atomic.Pointer[regions.SignedEpoch]
	glass      glass
	newKeys    atomic.Pointer[setBack] // how the recovery keys have changed since this process began

	probes    *probe.Schedule
	inbox     *feed.Inbox
	publisher *publish.Publisher
	judge     *judge.Judge
	feed      *feed.Publisher
	peers     *feed.Subscriber
	passing   *spread.Server // on control nodes: tells the others what is decided
	following *spread.Client // on all others: hears it
	port      *alpn.Port     // nil without peers
	dns       *server.Server // nil without the role
	ears      server.Sockets // what it answers on

	databases *postgres.Fleet
	onlooker  onlooker
	registry  *providers.Registry

	gate   *auth.Gate
	stream *api.Stream

	unwritten  chan *judge.View      // believed, and not yet in the history
	unkept     chan *regions.Decided // taken, and not yet on the disk
	unequipped chan *regions.Decided // taken, and not yet what is checked and acted on
	api        *api.Server

	apiListener net.Listener

	taking  sync.Mutex
	newest  atomic.Pointer[regions.Decided]
	leader  name
	setBack atomic.Pointer[setBack]
	reached struct {
		mu    sync.Mutex
		now   bool // whether a control node that can decide is heard
		since time.Time
	}

	restoring *backup.Content // what the store is to be begun from, or nil
	archive   archiveState

	troubles   troubles
	remembered []byte // the memory as it was last written; of the goroutine that writes it
}

// name is a text that one goroutine writes and many read.
type name struct{ v atomic.Pointer[string] }

func (n *name) Store(s string) { n.v.Store(&s) }

func (n *name) Load() string {
	if s := n.v.Load(); s != nil {
		return *s
	}
	return ""
}

// New reads the configuration, opens everything on this machine and wires it.
// Nothing outside this machine is asked. What is wrong is one sentence.
func New(ctx context.Context, o Options) (*Node, error) {
	src, err := newSource(o.Config, o.Log)
	if err != nil {
		return nil, err
	}
	settings, err := o.over(src.now().Config.Node)
	if err != nil {
		return nil, err
	}
	n := &Node{log: o.Log.With("node", string(settings.Name)), source: src, settings: settings, boot: random(), hup: make(chan os.Signal, 1), stream: api.NewStream(), unwritten: make(chan *judge.View, backlog),
		unkept: make(chan *regions.Decided, 1), unequipped: make(chan *regions.Decided, 1), began: time.Now()}
	steps := []func() error{n.openDisk, n.openStore, n.openEyes, func() error { return n.openEars(ctx) }, n.openHands, n.openDoor}
	for _, step := range steps {
		if err := step(); err != nil {
			n.close()
			return nil, err
		}
	}
	return n, nil
}

// over applies the command line to what the file says.
func (o Options) over(node config.Node) (config.Node, error) {
	if o.DataDir != "" {
		node.DataDir = o.DataDir
	}
	if o.Name != "" {
		if err := regions.CheckID("node", o.Name); err != nil {
			return node, err
		}
		node.Name = regions.NodeID(o.Name)
	}
	if len(o.Etcd) > 0 {
		node.Etcd = o.Etcd
	}
	if len(o.Roles) > 0 {
		node.Roles = nil
		for _, text := range o.Roles {
			role, err := config.ParseRole(text)
			if err != nil {
				return node, err
			}
			node.Roles = append(node.Roles, role)
		}
	}
	return node, nil
}

func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// openDisk opens what this node keeps: who it is, what was decided, what it
// saw.
func (n *Node) openDisk() error {
	dir := n.settings.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cannotWrite(dir, err)
	}
	var err error
	if n.settings.Certificates != "" {
		n.id, err = identity.Load(n.settings.Certificates)
	} else {
		n.id, err = identity.Mint(filepath.Join(dir, "identity"), identity.Request{Node: n.settings.Name, Hosts: []string{"127.0.0.1", "localhost"},
			Roles: []identity.Role{identity.Control, identity.Probe, identity.DNS}})
	}
	if err != nil {
		return err
	}
	if n.id.Node != n.settings.Name {
		return wrongCertificate(n.id.Node, n.settings.Name)
	}
	if n.replica, err = replica.Open(filepath.Join(dir, "decided")); err != nil {
		return err
	}
	n.history, err = history.Open(filepath.Join(dir, "history"), history.Settings{Log: n.log.With("part", "history")})
	n.recorder.history = n.history
	if err != nil {
		return err
	}
	return n.openGlass()
}

// openEyes makes what watches and what judges.
func (n *Node) openEyes() error {
	n.publisher = publish.New(publish.Config{Log: n.log.With("part", "dns"), Options: []dns.Option{dns.NSID(n.nsid())}})
	n.inbox = feed.NewInbox(func() { n.judge.Poke() })
	n.feed = &feed.Publisher{
		Table: n.table, Log: n.log.With("part", "feed"),
		Epochs: func() []regions.SignedEpoch { return append(n.clusterEpoch(), n.judge.Epochs()...) },
		Tick:   n.tick,
		Relay:  n.settings.Has(config.Control) || n.settings.Has(config.Probe),
	}
	n.peers = n.subscriber()
	n.probes = probe.NewSchedule(probe.Options{Log: n.log.With("part", "probe"), Changed: func() {
		n.judge.Poke()
		n.feed.Kick()
	}})
	agents := postgres.Options{TLS: n.id.TLSClient("", identity.Agent), Node: n.settings.Name}
	n.databases = postgres.NewFleet(agents, n.log.With("part", "postgres"))
	n.onlooker.fleet = postgres.NewFleet(agents, n.log.With("part", "postgres"))
	var expected []regions.NodeID
	for _, p := range n.settings.Peers {
		if p.Has(config.Probe) {
			expected = append(expected, p.Name)
		}
	}
	var err error
	n.judge, err = judge.New(judge.Config{
		Node: n.settings.Name, Region: n.settings.Region, Expected: expected, Log: n.log.With("part", "judge"),
		Own: n.own(), Heard: n.inbox.Tables, Epochs: n.inbox.Epochs, Verify: n.id.VerifyEpoch, Sink: n.believed, Memory: n.loadMemory(),
	})
	if err == nil {
		n.judge.BreakGlass(n.glass.rules())
	}
	return err
}

func (n *Node) nsid() string {
	if n.settings.NSID != "" {
		return n.settings.NSID
	}
	return string(n.settings.Name)
}

// openEars opens the sockets, so that a port that is taken is said before
// anything runs.
func (n *Node) openEars(ctx context.Context) error {
	var err error
	if len(n.settings.Peers) > 0 {
		l, err := net.Listen("tcp", n.settings.FeedListen)
		if err != nil {
			return cannotListen("feed", n.settings.FeedListen, err)
		}
		n.openPort(l)
	}
	if !n.settings.Has(config.DNS) {
		return nil
	}
	for _, address := range n.settings.DNSListen {
		sockets, err := server.Listen(ctx, address, 1)
		if err != nil {
			return err
		}
		n.ears.Datagrams, n.ears.Streams = append(n.ears.Datagrams, sockets.Datagrams...), append(n.ears.Streams, sockets.Streams...)
	}
	c := server.Config{Current: n.publisher.Current, Log: n.log.With("part", "dns"), Datagrams: n.ears.Datagrams, Streams: n.ears.Streams}
	n.dns, err = server.New(c)
	return err
}

// openHands makes what acts on the world.
func (n *Node) openHands() error {
	n.registry = providers.NewRegistry(n.log.With("part", "providers"))
	n.registry.Put("postgres", n.databases)
	return nil
}

func (n *Node) outside(s steering) steps.Outside {
	return steps.Outside{Providers: n.registry, Steering: s, Overrides: s, World: s,
		Command: func(act, verify []string, limit time.Duration) (providers.Provider, error) {
			return command.New(act, verify, limit)
		}}
}

// openDoor makes the API.
func (n *Node) openDoor() error {
	listener, err := net.Listen("tcp", n.settings.APIListen)
	if err != nil {
		return cannotListen("API", n.settings.APIListen, err)
	}
	n.apiListener = listener
	file := n.source.now().Tokens
	if err := api.CheckListen(listener.Addr(), len(file)); err != nil {
		return err
	}
	loopback := api.IsLoopback(listener.Addr())
	n.gate = auth.NewGate(file, n.tokenStore(), loopback, n.log)
	parts := api.Parts{
		Overview: picture{n}, Explainer: explainer{n}, Overrider: acts{n}, Freezer: acts{n}, Glass: acts{n}, Library: runs{n}, Runs: runs{n}, Commander: runs{n},
		Auditor: record{n}, Archivist: archive{n}, Historian: record{n}, Configuration: settings{n}, Readiness: settings{n},
		Gate: n.gate, Stream: n.stream, Log: n.log.With("part", "api"), Node: string(n.settings.Name),
		Console: console.Handler(), Metrics: n.metrics(), Loopback: loopback,
	}
	if n.settings.APITLS {
		parts.TLS = n.id.TLSPublic()
	}
	n.api, err = api.New(parts)
	return err
}

// Run runs the node until ctx ends, and returns once everything it started
// has ended.
func (n *Node) Run(ctx context.Context) error {
	defer n.close()
	signal.Notify(n.hup, syscall.SIGHUP)
	defer signal.Stop(n.hup)
	if err := n.recorder.began(n.settings.Name, time.Now()); err != nil {
		n.disk(historyPart, "history not written: the past cannot be explained from here on", err)
	}
	if d := n.newest.Load(); d != nil { // from the disk: answer before anybody is asked
		n.spread(d)
	}
	loops := []func(context.Context) error{
		n.judge.Run, n.publisher.Run, n.remember, n.equip, n.keep, n.reloads, renewals(n.id, renewalEvery, n.log), forever(n.watchGlass), forever(n.publishHistory),
		func(ctx context.Context) error { return n.api.Run(ctx, n.apiListener) },
	}
	if n.settings.Has(config.Probe) {
		loops = append(loops, n.probes.Run)
	}
	if n.dns != nil {
		loops = append(loops, n.dns.Run)
	}
	if n.port != nil {
		loops = append(loops, n.port.Run, n.listen(), func(ctx context.Context) error { return n.feed.Run(ctx, n.port.Listener("")) })
	}
	if n.passing != nil {
		loops = append(loops, func(ctx context.Context) error { return n.passing.Run(ctx, n.port.Listener(spread.Protocol)) })
	}
	if n.following != nil {
		n.following.Set(n.controls())
		loops = append(loops, n.following.Run)
	}
	if n.settings.Has(config.Control) {
		loops = append(loops, n.runStore, n.store.Run, n.follow, forever(n.followLeader), forever(n.carryOut), forever(n.publishEntries), n.lead,
			n.databases.Run, forever(n.watchDatabases), forever(n.announce), forever(n.restorePending), forever(n.takeBackups), forever(n.checkTrail))
	}
	n.log.Info("node runs", "region", string(n.settings.Region), "roles", roleNames(n.settings.Roles), "api", n.apiListener.Addr().String(), "dns", n.settings.DNSListen, "data_dir", n.settings.DataDir)
	err := together(ctx, loops...)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("node %s stopped: %w", n.settings.Name, err)
	}
	n.log.Info("node ended")
	return nil
}

// forever makes a loop of a function that only ends with its context.
func forever(f func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		f(ctx)
		return nil
	}
}

// close gives back what [New] opened. What [Node.Run] has closed already does
// not mind.
func (n *Node) close() {
	if n.history != nil {
		if err := n.history.Close(); err != nil {
			n.log.Error("history not closed cleanly", "problem", err.Error())
		}
	}
	n.ears.Close()
	if n.apiListener != nil {
		n.apiListener.Close()
	}
	if n.port != nil {
		n.port.Close()
	}
}
