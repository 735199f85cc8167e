// Package alpn lets several protocols share one TLS port: each connection says
// in its handshake which of them it speaks, and goes to that one's listener.
// One that says nothing goes to the listener of the empty name, so that a
// program that was there before needs no change.
package alpn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Limits on those who have not shown yet who they are.
const (
	handshakeTimeout = 5 * time.Second
	handshakes       = 256 // at a time; more wait in the kernel's queue
)

// Port is one listener that is many.
type Port struct {
	inner  net.Listener
	config *tls.Config
	log    *slog.Logger
	closed chan struct{}
	once   sync.Once
	parts  map[string]*part
}

// New shares a listener of plain connections between protocols; "" is who
// names none. Every one of them must be accepted from.
func New(inner net.Listener, config *tls.Config, log *slog.Logger, protocols ...string) *Port {
	config = config.Clone()
	p := &Port{inner: inner, log: log, closed: make(chan struct{}), parts: map[string]*part{}}
	config.NextProtos = nil
	for _, name := range protocols {
		if name != "" {
			config.NextProtos = append(config.NextProtos, name)
		}
		p.parts[name] = &part{port: p, accepted: make(chan net.Conn), closed: make(chan struct{})}
	}
	if each := config.GetConfigForClient; each != nil { // a configuration of its own for each connection
		names := config.NextProtos
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := each(hello)
			if c == nil || err != nil {
				return c, err
			}
			c = c.Clone()
			c.NextProtos = names
			return c, nil
		}
	}
	p.config = config
	return p
}

// Listener returns the part of one protocol. Closing it ends that protocol
// alone.
func (p *Port) Listener(protocol string) net.Listener { return p.parts[protocol] }

// Close ends all parts.
func (p *Port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.inner.Close()
}

// Run accepts until ctx ends, and closes the port.
func (p *Port) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer p.Close()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	slots := make(chan struct{}, handshakes)
	for pause := time.Duration(0); ; {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := p.inner.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("port %s was closed: %w", p.inner.Addr(), err)
		case err != nil: // such as too many open files
			<-slots
			pause = min(max(2*pause, 10*time.Millisecond), time.Second)
			p.log.Warn("port cannot accept", "address", p.inner.Addr().String(), "err", err, "retry_in", pause)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		all.Go(func() {
			p.greet(ctx, conn, func() { <-slots })
		})
	}
}

// greet shakes hands and passes the connection on.
func (p *Port) greet(ctx context.Context, raw net.Conn, done func()) {
	conn := tls.Server(raw, p.config)
	in, cancel := context.WithTimeout(ctx, handshakeTimeout)
	err := conn.HandshakeContext(in)
	cancel()
	done()
	if err != nil {
		raw.Close()
		if ctx.Err() == nil {
			p.log.Warn("a connection was refused", "from", raw.RemoteAddr().String(), "err", err)
		}
		return
	}
	to := p.parts[conn.ConnectionState().NegotiatedProtocol]
	if to == nil {
		conn.Close()
		return
	}
	select {
	case to.accepted <- conn:
	case <-to.closed:
		conn.Close()
	case <-p.closed:
		conn.Close()
	}
}

type part struct {
	port     *Port
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

// Accept implements [net.Listener].
func (l *part) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
	case <-l.port.closed:
	}
	return nil, net.ErrClosed
}

// Close implements [net.Listener].
func (l *part) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *part) Addr() net.Addr { return l.port.inner.Addr() }
