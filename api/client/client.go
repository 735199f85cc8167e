// Package client is the only way in: for the command line, for terraform and
// for tests. It wraps the generated client so that a call returns a document
// or a fault, and nothing else.
//
// A problem document comes back as the [fault.Error] it was made of, with the
// same kind, subject and remedy; a server that cannot be reached is a fault of
// kind Unavailable that says so (see [Unreachable]). A caller branches on the
// kind and prints the error.
//
// The surprising choice: nothing is retried. Whoever calls knows whether a
// repetition is harmless; a run is started under a key, and asking again with
// the same one is.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

// Client speaks to one node. It is safe for concurrent use.
type Client struct {
	*openapi.Client
	base   string
	token  string
	http   *http.Client // for single calls
	stream *http.Client // for events: no limit in time
}

// Settings say where a node is and who asks.
type Settings struct {
	Server string // such as http://127.0.0.1:8470
	Token  string // id.secret; empty on loopback without tokens
	CAFile string // certificates to trust besides the system's
	// Timeout bounds each call; 30 s if zero. Watching has no bound.
	Timeout time.Duration
	// Transport replaces the network in tests.
	Transport http.RoundTripper
}

const (
	defaultTimeout = 30 * time.Second
	maxAnswer      = 64 << 20
)

// New checks the settings. It does not connect.
func New(s Settings) (*Client, error) {
	u, err := url.Parse(s.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.Invalidf("server "+s.Server, "is not a URL").Do("write http://HOST:PORT or https://HOST:PORT")
	}
	if u.User != nil {
		return nil, fault.Invalidf("server "+u.Host, "holds credentials").Do("put the token into a file and name it with --token-file")
	}
	if s.Token != "" && u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fault.Invalidf("server "+s.Server, "a token would cross the network in clear").Do("use https, or a tunnel to 127.0.0.1")
	}
	transport := s.Transport
	if transport == nil {
		if transport, err = transportFor(s.CAFile); err != nil {
			return nil, err
		}
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	c := &Client{base: strings.TrimSuffix(s.Server, "/"), token: s.Token,
		http:   &http.Client{Transport: transport, Timeout: s.Timeout, CheckRedirect: stay},
		stream: &http.Client{Transport: transport, CheckRedirect: stay}}
	c.Client, err = openapi.NewClient(c.base, openapi.WithHTTPClient(c.http), openapi.WithRequestEditorFn(c.sign))
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", s.Server, err)
	}
	return c, nil
}

// stay refuses redirects: a token must not follow one to somebody else.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

func transportFor(caFile string) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fault.Invalidf("certificate file "+caFile, "cannot be read").Because(err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.Invalidf("certificate file "+caFile, "holds no certificate").Do("give a PEM file")
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

func (c *Client) sign(_ context.Context, r *http.Request) error {
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("User-Agent", "fairlead")
	return nil
}

// noAnswer marks the cause of a call that the server did not answer at all.
type noAnswer struct{ error }

func (e noAnswer) Unwrap() error { return e.error }

// Unreachable reports whether err means that the server was not reached, as
// opposed to one that answered that it cannot.
func Unreachable(err error) bool {
	_, ok := errors.AsType[noAnswer](err)
	return ok
}

// Get reads the answer of a call of the generated client:
//
//	status, err := client.Get[openapi.Status](c.GetStatus(ctx))
func Get[T any](resp *http.Response, err error) (v T, _ error) {
	if err != nil {
		return v, connection(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return v, connection(err)
	}
	if resp.StatusCode >= 300 {
		return v, problem(resp, body)
	}
	if len(body) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fault.New(fault.Internal, "answer of "+resp.Request.URL.Host, "is not what was expected").Because(err).
			Do("check that this is a Fairlead node of the same version")
	}
	return v, nil
}

// Done reads the answer of a call that has no document.
func Done(resp *http.Response, err error) error {
	_, err = Get[struct{}](resp, err)
	return err
}

func connection(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	where, cause := "server", err
	if u, ok := errors.AsType[*url.Error](err); ok {
		if parsed, perr := url.Parse(u.URL); perr == nil {
			where = "server " + parsed.Scheme + "://" + parsed.Host
		}
		cause = u.Err
	}
	return fault.Unavailablef(where, "cannot be reached").Because(noAnswer{cause}).
		Do("check that the node runs, and --server")
}

// problem makes the fault again that a problem document was made of.
func problem(resp *http.Response, body []byte) error {
	var p openapi.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Kind == "" {
		return fault.New(fault.Internal, "answer of "+resp.Request.URL.Host, "is %s, without a reason that could be read", resp.Status).
			Do("check that this is a Fairlead node, and --server")
	}
	text := p.Detail
	if p.Subject != "" {
		text = strings.TrimPrefix(text, p.Subject+": ")
	}
	if p.Remedy != "" {
		text = strings.TrimSuffix(text, " ("+p.Remedy+")")
	}
	return &fault.Error{Kind: fault.ParseKind(string(p.Kind)), Subject: p.Subject, Problem: text, Remedy: p.Remedy}
}
