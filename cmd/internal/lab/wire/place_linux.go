package wire

import (
	"context"
	"net"
	"os"
	"os/exec"
)

// Dial connects from a place. The address is numeric.
func (p *Place) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = inside(p.namespace, func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Listen opens a listener in a place.
func (p *Place) Listen(network, address string) (l net.Listener, err error) {
	err = inside(p.namespace, func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Command is a process in a place. It has the same process id from its start
// on, so it can be ended by it.
func (p *Place) Command(program string, args ...string) *exec.Cmd {
	c := exec.Command("ip", append([]string{"netns", "exec", p.namespace, program}, args...)...)
	c.Env = os.Environ()
	return c
}
