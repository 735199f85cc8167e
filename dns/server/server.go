package server

import (
	"context"
	"log/slog"
	"math/bits"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"fairlead/dns"
	"fairlead/regions/fault"
)

// Config says what to serve and where. Only Current and one socket are needed.
type Config struct {
	// Current returns the snapshot to answer from; it is called for every
	// packet and must not block. It may return nil for "not ready".
	Current   func() *dns.Snapshot
	Datagrams []net.PacketConn
	Streams   []net.Listener
	Log       *slog.Logger // default: slog.Default

	IdleTimeout    time.Duration // of a stream; default 15 s
	MaxConnections int           // streams in all; default 2048
	MaxPerClient   int           // streams of one client address; default 512
}

// Server answers on its sockets while [Server.Run] runs.
type Server struct {
	cfg    Config
	counts []*counts // one for each socket
	conns  connections
}

// New checks the configuration. It does not read from a socket yet; what
// arrives before Run waits in the kernel.
func New(cfg Config) (*Server, error) {
	if cfg.Current == nil {
		return nil, fault.New(fault.Internal, "dns server", "it has nothing to serve")
	}
	if len(cfg.Datagrams)+len(cfg.Streams) == 0 {
		return nil, fault.Invalidf("dns server", "it has no address to listen on").Do("give it one, like 127.0.0.1:5470")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.IdleTimeout <= 0 {
		cfg.IdleTimeout = 15 * time.Second
	}
	if cfg.MaxConnections <= 0 {
		cfg.MaxConnections = 2048
	}
	if cfg.MaxPerClient <= 0 {
		cfg.MaxPerClient = 512
	}
	s := &Server{cfg: cfg}
	s.conns.limit, s.conns.perClient = cfg.MaxConnections, cfg.MaxPerClient
	for range len(cfg.Datagrams) + len(cfg.Streams) {
		s.counts = append(s.counts, new(counts))
	}
	return s, nil
}

// Addrs returns where the server listens, datagram sockets first.
func (s *Server) Addrs() []net.Addr {
	var out []net.Addr
	for _, c := range s.cfg.Datagrams {
		out = append(out, c.LocalAddr())
	}
	for _, l := range s.cfg.Streams {
		out = append(out, l.Addr())
	}
	return out
}

// Run answers until ctx ends, then closes the sockets and returns nil once all
// work has ended. It returns early, with an error, only if a socket is lost.
func (s *Server) Run(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var wg sync.WaitGroup
	run := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	for i, c := range s.cfg.Datagrams {
		run(func() error { return s.datagrams(ctx, c, s.counts[i]) })
	}
	for i, l := range s.cfg.Streams {
		run(func() error { return s.streams(ctx, l, s.counts[len(s.cfg.Datagrams)+i]) })
	}
	<-ctx.Done()
	for _, c := range s.cfg.Datagrams {
		c.Close()
	}
	for _, l := range s.cfg.Streams {
		l.Close()
	}
	s.conns.closeAll()
	wg.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// answer is the one place where a packet meets a snapshot.
func (s *Server) answer(dst, query []byte, client netip.Addr, stream bool, n *counts) (out []byte) {
	keep := len(dst)
	defer func() {
		if p := recover(); p != nil {
			out = dst[:keep]
			// At powers of two only: whoever found the packet can send it again.
			if c := n.panics.Add(1); bits.OnesCount64(c) == 1 {
				s.cfg.Log.Error("answering a packet failed; it got no answer, report this",
					"panic", p, "count", c, "packet", query[:min(len(query), 512)], "stack", string(debug.Stack()))
			}
		}
	}()
	if stream {
		n.streamed.Add(1)
		out = s.cfg.Current().AnswerStream(dst, query, client)
	} else {
		n.datagrams.Add(1)
		out = s.cfg.Current().Answer(dst, query, client)
	}
	n.count(out[keep:])
	return out
}
