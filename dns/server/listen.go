package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"fairlead/regions/fault"
)

// Sockets are a server's ears.
type Sockets struct {
	Datagrams []net.PacketConn
	Streams   []net.Listener
}

// Close closes all sockets; [Server.Run] does it too.
func (s *Sockets) Close() {
	for _, c := range s.Datagrams {
		c.Close()
	}
	for _, l := range s.Streams {
		l.Close()
	}
}

// Listen opens UDP and TCP on one address, such as 127.0.0.1:5470. With more
// than one thread it opens as many UDP sockets on the port, among which the
// kernel spreads clients; that wants Linux. Port 0 lets the kernel choose one
// that is free for both.
func Listen(ctx context.Context, address string, threads int) (*Sockets, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fault.Invalidf("listen address "+address, "it is not ADDRESS:PORT").Do("write it like 127.0.0.1:5470 or [::1]:5470")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fault.Invalidf("listen address "+address, "%q is not a port", port).Do("use a number from 0 to 65535")
	} else if n != 0 {
		s, err := open(ctx, address, max(threads, 1))
		return s, explain(address, err)
	}
	for try := 0; ; try++ { // what is free for UDP may be taken for TCP
		probe, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, explain(address, err)
		}
		chosen := net.JoinHostPort(host, strconv.Itoa(probe.LocalAddr().(*net.UDPAddr).Port))
		probe.Close()
		s, err := open(ctx, chosen, max(threads, 1))
		if err == nil || try == 20 || !errors.Is(err, syscall.EADDRINUSE) {
			return s, explain(address, err)
		}
	}
}

func open(ctx context.Context, address string, threads int) (*Sockets, error) {
	s := &Sockets{}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s.Streams = append(s.Streams, l)
	if threads > 1 {
		lc.Control = reusePort
	}
	for range threads {
		c, err := lc.ListenPacket(ctx, "udp", address)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.Datagrams = append(s.Datagrams, c)
	}
	return s, nil
}

// explain says what to do about a socket that does not open.
func explain(address string, err error) error {
	if err == nil {
		return nil
	}
	f := fault.Unavailablef("listen on "+address, "the address cannot be used").Because(err)
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		f = fault.Conflictf("listen on "+address, "another program has port %s", port).
			Do("end it, or choose another port; `ss -lnptu 'sport = :%s'` names it", port)
	case errors.Is(err, syscall.EACCES):
		f = fault.Deniedf("listen on "+address, "ports below 1024 need a privilege").
			Do("grant CAP_NET_BIND_SERVICE, or choose a port above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f = fault.Invalidf("listen on "+address, "this machine does not have that address").
			Do("use one that `ip address` shows, or 127.0.0.1")
	}
	return f.Because(fmt.Errorf("%w", err))
}
