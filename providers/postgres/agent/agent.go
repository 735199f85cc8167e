package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"fairlead/regions/fault"
)

// Options is what an agent is given by whoever wires it.
type Options struct {
	// TLS must verify client certificates; New insists on it.
	TLS *tls.Config
	// Authorize says whether the holder of a verified certificate may give
	// orders. See [RequireRole].
	Authorize func(*x509.Certificate) error
	Log       *slog.Logger
}

// Agent controls one server.
type Agent struct {
	Config
	opts   Options
	server *server

	turn chan struct{} // held by the one verb that acts

	mu     sync.Mutex
	memory *memory
}

// New checks the configuration and wires an agent. Nothing is started.
func New(c Config, opts Options) (*Agent, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch {
	case opts.TLS == nil || opts.TLS.ClientCAs == nil || opts.Authorize == nil:
		return nil, fault.Invalidf("agent", "has no way to know who gives it orders").Do("give it a certificate, an authority for clients, and the role they need")
	case opts.Log == nil:
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.TLS = opts.TLS.Clone()
	opts.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	opts.TLS.MinVersion = tls.VersionTLS13
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	m, err := openMemory(c.StateDir)
	if err != nil {
		return nil, err
	}
	opts.Log = opts.Log.With("database", string(c.Database), "region", string(c.Region))
	return &Agent{Config: c, opts: opts, server: s, memory: m, turn: make(chan struct{}, 1)}, nil
}

// RequireRole authorizes certificates that carry a role in their
// OrganizationalUnit.
func RequireRole(role string) func(*x509.Certificate) error {
	return func(c *x509.Certificate) error {
		if slices.Contains(c.Subject.OrganizationalUnit, role) {
			return nil
		}
		return fault.Deniedf("certificate of "+c.Subject.CommonName, "has no role %q (it has %q)", role, c.Subject.OrganizationalUnit).
			Do("use the certificate of a node with that role")
	}
}

// Run starts the server unless it is fenced, and answers on listener until ctx
// ends. The server goes on. Run returns once the verb that acts has ended, or
// was ended after ten seconds.
func (a *Agent) Run(ctx context.Context, listener net.Listener) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	// What an earlier agent left is settled before anybody can give an order.
	// Then the agent answers all the more while its server recovers, or cannot:
	// a fence must not wait for that.
	begun := make(chan struct{})
	l, err := a.settle(ctx)
	go func() {
		defer close(begun)
		if err == nil && l != nil {
			err = a.server.awaitReady(work, l, a.StartLimit)
		}
		if err != nil {
			a.opts.Log.Error("server not started", "because", err.Error())
		} else if l != nil {
			a.opts.Log.Info("server started", "pid", l.pid)
		}
	}()
	defer func() {
		stopWork()
		<-begun
	}()
	srv := &http.Server{
		Handler:           a.handler(work),
		TLSConfig:         a.opts.TLS,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(a.opts.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(listener, "", "") }()
	a.opts.Log.Info("agent answers", "address", listener.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve the agent of %s: %w", a.server.subject, err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(work, 10*time.Second)
	defer cancel()
	ended := srv.Shutdown(patience)
	if ended != nil {
		stopWork() // ends the programs that the verb runs, by their group
		ended = srv.Close()
	}
	select {
	case a.turn <- struct{}{}: // the verb has ended
	case <-time.After(10 * time.Second):
		ended = errors.Join(ended, fmt.Errorf("a verb of the agent of %s did not end", a.server.subject))
	}
	<-served
	return ended
}

// settle mends what an earlier agent left half done, a mark that a recovery took
// away, a configuration that a rewind replaced, and starts the server unless it
// is fenced or runs already.
func (a *Agent) settle(ctx context.Context) (*launched, error) {
	a.mu.Lock()
	fence, torn := a.memory.Fence, a.memory.Torn
	a.mu.Unlock()
	st, err := a.server.look()
	if err != nil {
		return nil, err
	}
	if st.Running {
		a.opts.Log.Info("server runs already", "pid", st.PID)
		return nil, nil
	}
	if err := a.restoreLocal(); err != nil {
		return nil, err
	}
	if fence != nil {
		a.opts.Log.Warn("server is fenced and stays off", "epoch", fence.Epoch.String(), "since", fence.At)
		return nil, a.server.markStandby()
	}
	if torn {
		return nil, errTorn(a.server.subject)
	}
	return a.server.launch(ctx, a.StartLimit)
}

// errTorn is why data are not started that a rewind left half way.
func errTorn(subject string) error {
	return fault.Conflictf(subject, "a rewind began and did not end, so its data must not be started").Do("re-protect it with method=reseed")
}

// status is what is so, now. With brief, control data are not read.
func (a *Agent) status(ctx context.Context, brief bool) (Status, error) {
	st, err := a.server.look()
	if err != nil {
		return st, err
	}
	a.mu.Lock()
	st.Epoch, st.Fence, st.Torn = a.memory.Epoch, a.memory.Fence, a.memory.Torn
	a.mu.Unlock()
	if !brief {
		c, err := a.server.control(ctx)
		if err != nil {
			return st, err
		}
		st.Control = &c
	}
	// A fence holds while nothing runs, or while what somebody started by
	// hand can only read.
	st.Fenced = st.Fence != nil && st.Standby && !st.Running
	st.Detail = st.sentence()
	return st, nil
}

// hostname is for evidence: which machine spoke.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return name
}
