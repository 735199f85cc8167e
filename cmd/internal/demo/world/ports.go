package world

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"

	"fairlead/regions/fault"
)

// Ports that a world for people uses, so that what it prints stays true from
// one day to the next.
const (
	FixedAPI  = 8470
	FixedDNS  = 5470
	FixedShop = 8480
)

// Ports are taken from below the range that the kernel hands out to outgoing
// connections: a node that is killed and started again must find its own
// ports free, with a crowd of clients about.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// ports hands out free ports, each once.
type ports struct{ taken map[uint16]bool }

// free finds a port on which all of hosts can be listened at, over TCP and
// UDP.
func (p *ports) free(hosts ...netip.Addr) (uint16, error) {
	for range 500 {
		port := uint16(lowestPort + rand.IntN(highestPort-lowestPort))
		if p.taken[port] {
			continue
		}
		if p.take(port, hosts...) == nil {
			return port, nil
		}
	}
	return 0, fault.Unavailablef("demo", "found no free port on %v", hosts).Do("end programs that listen on ports %d to %d", lowestPort, highestPort)
}

// take claims a port by number, or says who is in the way.
func (p *ports) take(port uint16, hosts ...netip.Addr) error {
	for _, h := range hosts {
		addr := netip.AddrPortFrom(h, port).String()
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return inUse(addr, err)
		}
		l.Close()
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return inUse(addr, err)
		}
		c.Close()
	}
	if p.taken == nil {
		p.taken = map[uint16]bool{}
	}
	p.taken[port] = true
	return nil
}

func inUse(addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	return fault.Unavailablef("demo", "cannot listen on %s", addr).Because(err).
		Do("another demo, or another program, has port %s; see which with: ss -lntup 'sport = :%s'; or let the kernel choose with --headless", port, port)
}

func hostPort(a netip.Addr, port uint16) string {
	return net.JoinHostPort(a.String(), strconv.Itoa(int(port)))
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// url is where a person or a client finds an HTTP server.
func url(a netip.Addr, port uint16) string { return fmt.Sprintf("http://%s", hostPort(a, port)) }
