package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
)

// Network is places that reach each other through a relay.
type Network struct {
	Places []*Place
	relay  *relay
	router string
}

// made numbers the networks of this process.
var made atomic.Int64

// New makes places that are joined, unless their relay is told otherwise. It
// must be closed. Seed decides what the relay's dice show.
func New(seed uint64, names ...string) (n *Network, err error) {
	if why := Missing(); why != "" {
		return nil, errors.New(why)
	}
	if err := Sweep(); err != nil {
		return nil, err
	}
	base := fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), made.Add(1))
	n = &Network{router: base + "router"}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if err := ip("netns", "add", n.router); err != nil {
		return n, err
	}
	for i, name := range names {
		p := &Place{Name: name, number: byte(i + 1), namespace: base + name}
		if err := ip("netns", "add", p.namespace); err != nil {
			return n, err
		}
		n.Places = append(n.Places, p)
	}
	if n.relay, err = newRelay(n.router, len(names), seed); err != nil {
		return n, err
	}
	for _, p := range n.Places {
		if err := n.join(p); err != nil {
			return n, err
		}
	}
	return n, nil
}

// join lays the wire between a place and the router, and leads what comes from
// it to the relay.
func (n *Network) join(p *Place) error {
	wire := fmt.Sprintf("to-%d", p.number)
	for _, args := range [][]string{
		{"-n", n.router, "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", p.namespace},
		{"-n", n.router, "address", "add", fmt.Sprintf("10.77.%d.254/24", p.number), "dev", wire},
		{"-n", n.router, "link", "set", wire, "up"},
		{"-n", n.router, "rule", "add", "iif", wire, "lookup", "100"},
		{"-n", p.namespace, "link", "set", "lo", "up"},
		{"-n", p.namespace, "address", "add", p.Host(1).String() + "/24", "dev", "eth0"},
		{"-n", p.namespace, "link", "set", "eth0", "up"},
		{"-n", p.namespace, "route", "add", "default", "via", fmt.Sprintf("10.77.%d.254", p.number), "src", p.Host(1).String()},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	for host := 2; host <= hosts; host++ {
		if err := ip("-n", p.namespace, "address", "add", p.Host(host).String()+"/32", "dev", "eth0"); err != nil {
			return err
		}
	}
	return nil
}

// hosts is how many addresses each place has.
const hosts = 4

// Place is a region of the laboratory's network, or somewhere outside of all.
type Place struct {
	Name      string
	number    byte
	namespace string
}

// Host returns the address of one of a place's hosts, from 1 to 4. They are
// all the same machine, as far as the kernel goes.
func (p *Place) Host(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, p.number, byte(n)}) }

// Close removes every namespace and ends the relay.
func (n *Network) Close() error {
	var errs []error
	if n.relay != nil {
		errs = append(errs, n.relay.close())
	}
	for _, p := range n.Places {
		errs = append(errs, ip("netns", "del", p.namespace))
	}
	return errors.Join(append(errs, ip("netns", "del", n.router))...)
}
