package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"fairlead/regions"
)

// httpProbe asks for one path. It keeps a connection of its own open between
// checks, as users' clients do, and opens a fresh one after any failure.
type httpProbe struct {
	url       string
	host      string
	contains  []byte
	low, high int
	transport *http.Transport
}

func newHTTP(t regions.Target, dial DialFunc) (*httpProbe, error) {
	path := t.Check.HTTP.Path
	if path == "" {
		path = "/"
	}
	u, err := url.Parse(string(t.Check.Kind) + "://" + t.Address + path)
	if err != nil {
		return nil, fmt.Errorf("check of %s: %w", t.ID, err)
	}
	p := &httpProbe{url: u.String(), host: t.Host, contains: []byte(t.Check.HTTP.Contains)}
	p.low, p.high = t.Check.HTTP.StatusBounds()
	p.transport = &http.Transport{
		DialContext:            dial,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        3*t.Check.Interval + time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{ServerName: t.Host, InsecureSkipVerify: t.Check.HTTP.Insecure, MinVersion: tls.VersionTLS12},
	}
	return p, nil
}

// Probe implements [Prober].
func (p *httpProbe) Probe(ctx context.Context) error {
	err := p.get(ctx)
	if err != nil {
		p.transport.CloseIdleConnections()
	}
	return err
}

func (p *httpProbe) get(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	req.Host = p.host
	req.Header.Set("User-Agent", "fairlead-probe")
	// The transport alone: no redirects, cookies or proxies.
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, regions.MaxContains+1))
	switch {
	case resp.StatusCode < p.low || resp.StatusCode > p.high:
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	case err != nil && (len(p.contains) == 0 || !bytes.Contains(body, p.contains)):
		return fmt.Errorf("read the body: %w", err)
	case !bytes.Contains(body[:min(len(body), regions.MaxContains)], p.contains):
		return lacking(p.contains)
	}
	return nil
}

func lacking(text []byte) error {
	const shown = 30
	if len(text) > shown {
		text = append(bytes.Clone(text[:shown]), "…"...)
	}
	return fmt.Errorf("body lacks %q", text)
}

// close gives up the connection that was kept.
func (p *httpProbe) close() { p.transport.CloseIdleConnections() }
