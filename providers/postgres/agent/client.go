package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"fairlead/regions/fault"
)

// Client gives orders to one agent. It keeps its connection open, so that an
// order on the critical path does not wait for a handshake. It may be used by
// several goroutines.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client for the agent at host:port. The configuration
// must carry a client certificate, and verifies the agent's.
func NewClient(address string, tlsConfig *tls.Config) (*Client, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fault.Invalidf("agent at "+address, "is no host:port").Because(err)
	}
	if tlsConfig == nil {
		return nil, fault.Invalidf("agent at "+address, "no certificate is configured to speak to it with")
	}
	return &Client{address: address, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     tlsConfig,
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 3 * time.Second,
		IdleConnTimeout:     4 * time.Minute, // the agent's is longer: we hang up first
		MaxIdleConnsPerHost: 4,
	}}}, nil
}

// Close drops the connections that are kept open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do gives one order and waits for its end. A deadline of ctx becomes the
// verb's limit. An agent out of reach is [fault.Unavailable]: nothing is known
// then of what it did, unless [IsUntouched] says that the order never left us.
func (c *Client) Do(ctx context.Context, verb string, o Order) (Status, error) {
	if deadline, ok := ctx.Deadline(); ok && o.LimitMS == 0 {
		o.LimitMS = max(1, time.Until(deadline).Milliseconds()*9/10) // leaves time to hear of it
	}
	body, err := json.Marshal(o)
	if err != nil {
		return Status{}, Untouched(fmt.Errorf("encode the order %s: %w", verb, err))
	}
	// The transport repeats an order on a new connection when an old one
	// breaks, so that the last error says nothing of the first attempt.
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { left.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+c.address+"/v1/"+verb, bytes.NewReader(body))
	if err != nil {
		return Status{}, Untouched(fmt.Errorf("make the order %s: %w", verb, err))
	}
	req.Header.Set("Content-Type", "application/json")
	// Orders may be repeated under one key, so the transport may repeat one
	// that met a connection which had just been closed.
	req.Header.Set("Idempotency-Key", o.Key)
	subject := fmt.Sprintf("agent of %s in %s at %s", o.Database, o.Region, c.address)
	resp, err := c.http.Do(req)
	if err != nil {
		silent := fault.Unavailablef(subject, "does not answer").Because(unwrapURL(err)).Do("see that it runs, and that the network between us is whole")
		if !left.Load() {
			return Status{}, Untouched(silent)
		}
		return Status{}, silent
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Status{}, fault.Unavailablef(subject, "stopped in the middle of its answer").Because(err)
	}
	if resp.StatusCode != http.StatusOK {
		return Status{}, refusal(subject, resp.Status, text)
	}
	var st Status
	if err := json.Unmarshal(text, &st); err != nil {
		return Status{}, fault.New(fault.Internal, subject, "answered what cannot be read").Because(err)
	}
	return st, nil
}

// refusal is the agent's own error, as it was there.
func refusal(subject, status string, text []byte) error {
	var p problem
	if json.Unmarshal(text, &p) != nil || p.Kind == "" {
		return fault.New(fault.Internal, subject, "answered %s, which is no agent's answer", status)
	}
	said := &fault.Error{Kind: fault.ParseKind(p.Kind), Subject: p.Subject, Problem: p.Problem, Remedy: p.Remedy}
	if p.Untouched {
		return Untouched(said)
	}
	return said
}

// unwrapURL drops the address that net/http repeats.
func unwrapURL(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok && u.Unwrap() != nil {
		return u.Unwrap()
	}
	return err
}
