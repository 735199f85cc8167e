package probe

import (
	"context"
	"fmt"
	"net"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Prober makes one check. It returns nil if the target answers as it should,
// and otherwise an error whose text is the reason. It ends when ctx does. Up
// to [regions.MaxInFlight] calls may run at once.
type Prober interface {
	Probe(ctx context.Context) error
}

// Func is a function as a Prober.
type Func func(ctx context.Context) error

// Probe implements [Prober].
func (f Func) Probe(ctx context.Context) error { return f(ctx) }

// noter is a Prober that has something to say about a success, such as
// whether a database server is a primary.
type noter interface {
	ProbeNote(ctx context.Context) (note string, err error)
}

// Degraded is what a Prober returns for a target that answers, with something
// of it missing. Users are still sent to it.
type Degraded string

// Error is the reason.
func (d Degraded) Error() string { return string(d) }

// DialFunc opens a connection, like [net.Dialer.DialContext].
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// New makes the prober of a target. A nil dial means the network.
func New(t regions.Target, dial DialFunc) (Prober, error) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	switch t.Check.Kind {
	case regions.HTTP, regions.HTTPS:
		return newHTTP(t, dial)
	case regions.TCP:
		return tcp{t.Address, dial}, nil
	case regions.Postgres:
		return NewPostgres(t.DSN, t.PasswordFile, dial)
	}
	return nil, fault.Invalidf("target "+string(t.ID), "%q is not a kind of check", t.Check.Kind).Do("use http, https, tcp or postgres")
}

// tcp is satisfied by a connection that opens.
type tcp struct {
	address string
	dial    DialFunc
}

func (p tcp) Probe(ctx context.Context) error {
	conn, err := p.dial(ctx, "tcp", p.address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", p.address, err)
	}
	return conn.Close()
}
